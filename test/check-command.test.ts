/** Tests the parts of `martlet check` that ask other servers, with a real DNS server and a real relay. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { runCheck } from '../src/cli/check-command.ts'
import { loadConfig } from '../src/config/settings.ts'
import { startDns, type Zones } from './support/dns-server.ts'
import { FakeMx } from './support/fake-mx.ts'
import { freePort, MAIL_PROGRAMS_OFF } from './support/free-port.ts'

/** A server that has not run yet: its folder does not exist. */
async function check(env: Readonly<Record<string, string>>): Promise<{ code: number; lines: string[]; all: string[] }> {
  const dataDir = join(tmpdir(), `martlet-test-missing-${process.pid}`)
  const ports = { MARTLET_HTTP_PORT: '0', MARTLET_SMTP_PORT: '0', ...MAIL_PROGRAMS_OFF }
  let text = ''
  const code = await runCheck(loadConfig({ MARTLET_DATA_DIR: dataDir, ...ports, ...env }), {
    write: (line) => (text += line),
  })
  await rm(dataDir, { recursive: true, force: true })
  const all = text.split('\n')
  return { code, lines: all.filter((line) => /^\w+ +(?:DNS|relay):/.test(line)), all }
}

// It printed "ok" for a domain that no other server could reach.
test('check compares the DNS records of the server, and its address and name', async () => {
  const zones: Zones = {}
  await using dns = await startDns(zones)
  const env = { MARTLET_DNS_SERVERS: dns.address, MARTLET_DOMAIN: 'own.test', MARTLET_HOSTNAME: 'mx.own.test' }
  expect(await check(env)).toMatchObject({
    code: 1,
    lines: [
      'ok    relay: not set',
      'FAIL  DNS: own.test MX is missing; publish 10 mx.own.test',
      'FAIL  DNS: own.test TXT is missing; publish "v=spf1 a:mx.own.test ~all"',
      'FAIL  DNS: _dmarc.own.test TXT is missing; publish "v=DMARC1; p=reject"',
      'FAIL  DNS: mx.own.test has no address; publish an A or AAAA record of it, or set MARTLET_HOSTNAME',
    ],
  })

  zones['own.test'] = { MX: [{ preference: 5, exchange: 'old.test' }], TXT: ['v=spf1 mx \u001b[2J -all'] }
  zones['_dmarc.own.test'] = { TXT: ['v=DMARC1; p=none'] }
  zones['mx.own.test'] = { A: ['192.0.2.7'] }
  zones['7.2.0.192.in-addr.arpa'] = { PTR: ['host7.isp.test'] }
  expect(await check(env)).toMatchObject({
    code: 1,
    lines: [
      'ok    relay: not set',
      'FAIL  DNS: own.test MX is 5 old.test; publish 10 mx.own.test',
      'FAIL  DNS: own.test TXT is "v=spf1 mx  [2J -all"; publish "v=spf1 a:mx.own.test ~all"',
      'ok    DNS: _dmarc.own.test TXT',
      'ok    DNS: mx.own.test has the address 192.0.2.7',
      'FAIL  DNS: 192.0.2.7 PTR is host7.isp.test; the provider of the address must set it to mx.own.test',
    ],
  })

  const ours = { preference: 10, exchange: 'mx.own.test' }
  zones['own.test'] = { MX: [{ preference: 5, exchange: 'old.test' }, ours] }
  expect((await check(env)).lines).toContain(
    'FAIL  DNS: own.test MX is 5 old.test and 10 mx.own.test; another MX is preferred (lower number)',
  )
  zones['own.test'] = { MX: [ours], TXT: ['v=spf1 mx -all'] }
  zones['7.2.0.192.in-addr.arpa'] = { PTR: ['mx.own.test'] }
  const right = await check(env)
  expect(right.code).toBe(0)
  expect(right.lines.every((line) => line.startsWith('ok'))).toBe(true)

  zones['own.test'] = 'fails'
  const unanswered = await check(env)
  expect(unanswered.lines).toContain('warn  DNS: no answer about own.test (ESERVFAIL)')
  expect(unanswered.code).toBe(0)
})

test('check logs in at the relay, and shows why it cannot', async () => {
  const port = await freePort()
  expect(await check({ MARTLET_RELAY_URL: `smtp://127.0.0.1:${port}` })).toMatchObject({
    code: 1,
    lines: expect.arrayContaining(['FAIL  relay: The relay 127.0.0.1 cannot be reached: connection refused']),
  })
  await using relay = new FakeMx({ auth: 'ann:right' })
  await relay.listen('127.0.0.1', 0)
  expect(await check({ MARTLET_RELAY_URL: `smtp://127.0.0.1:${relay.port}` })).toMatchObject({
    code: 0,
    lines: expect.arrayContaining([`ok    relay: 127.0.0.1:${relay.port} accepts a session`]),
  })
  expect(await check({ MARTLET_RELAY_URL: `smtp://ann:right@127.0.0.1:${relay.port}` })).toMatchObject({
    code: 0,
    lines: expect.arrayContaining([`ok    relay: 127.0.0.1:${relay.port} accepts the user name and password`]),
  })
  const rejected = await check({ MARTLET_RELAY_URL: `smtp://ann:wrong@127.0.0.1:${relay.port}` })
  expect(rejected.code).toBe(1)
  expect(rejected.lines[0]).toMatch(
    /^FAIL {2}relay: The relay 127\.0\.0\.1 does not accept .* MARTLET_RELAY_URL \(535 5\.7\.8\)$/,
  )
  expect(relay.messages).toEqual([])
})

// It repeated the sentence about the database under DKIM.
test('a database that cannot be used fails one check', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'martlet-test-'))
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }))
  await writeFile(join(dataDir, 'martlet.db'), 'not a database, and longer than its header is '.repeat(10))
  const { code, all } = await check({ MARTLET_DATA_DIR: dataDir })
  expect(all.filter((line) => line.startsWith('FAIL'))).toEqual([expect.stringMatching(/^FAIL {2}database: /)])
  expect(code).toBe(1)
})
