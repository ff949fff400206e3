/** Tests `martlet domain` with a real server and a real DNS server in this process. */
import { Writable } from 'node:stream'
import { expect, test } from 'vitest'
import { runDomain } from '../src/cli/domain-command.ts'
import { openServerClient } from '../src/cli/server-client.ts'
import { loadConfig } from '../src/config/settings.ts'
import { startDns, type Zones } from './support/dns-server.ts'
import { startWorld } from './support/world.ts'

test('a person adds a domain, sees what is wrong in DNS, and verifies it', async () => {
  const zones: Zones = {}
  await using dns = await startDns(zones)
  await using world = await startWorld({ env: { MARTLET_DNS_SERVERS: dns.address } })
  const config = loadConfig({ MARTLET_ROOT_KEY: world.rootKey })
  const domain = async (...args: string[]): Promise<string> => {
    let shown = ''
    const out = new Writable({
      write(chunk, _encoding, done) {
        shown += chunk
        done()
      },
    })
    const code = await runDomain(args, (url) => openServerClient(config, url ?? world.url), out)
    return code === 0 ? shown : `${shown}exit ${code}`
  }

  expect(await domain('list')).toBe('There are no domains; add one with martlet domain add example.com\n')
  const added = await domain('add', 'cli.test')
  const [, key] = /p=([\w+/=]+)"/.exec(added)!
  const [, selector] = /(martlet-\w+)\._domainkey/.exec(added)!
  const dkim = `v=DKIM1; k=rsa; p=${key}`
  expect(added).toBe(
    [
      'No other server can reach this one under its name: set MARTLET_HOSTNAME first.',
      'Publish these DNS records:',
      '  cli.test MX 10 mail.localhost',
      '  cli.test TXT "v=spf1 a:mail.localhost ~all"',
      `  ${selector}._domainkey.cli.test TXT "${dkim}"`,
      '  _dmarc.cli.test TXT "v=DMARC1; p=reject"',
      'Then run: martlet domain check cli.test',
      '',
    ].join('\n'),
  )

  zones['cli.test'] = { MX: [{ preference: 1, exchange: 'mail.localhost' }], TXT: ['v=spf1 \u001b[2J -all'] }
  zones[`${selector}._domainkey.cli.test`] = { TXT: [dkim.match(/.{1,255}/g)!] }
  expect(await domain('check', 'cli.test')).toBe(
    [
      'cli.test  INVALID (dns_records_invalid)',
      'VALID    cli.test MX',
      'INVALID  cli.test TXT (value_mismatch)',
      '         expected  "v=spf1 a:mail.localhost ~all"',
      '         in DNS    "v=spf1  [2J -all"',
      `VALID    ${selector}._domainkey.cli.test TXT`,
      'MISSING  _dmarc.cli.test TXT',
      '         expected  "v=DMARC1; p=reject"',
      '         in DNS    nothing',
      'exit 1',
    ].join('\n'),
  )
  zones['cli.test'] = { ...zones['cli.test'], TXT: ['v=spf1 a:mail.localhost -all'] }
  zones['_dmarc.cli.test'] = { TXT: ['v=DMARC1; p=none'] }
  expect(await domain('check', 'cli.test')).toMatch(/^cli\.test {2}VERIFIED\nVALID/)
  expect(await domain('list')).toBe('cli.test  VERIFIED\n')
  expect(JSON.parse(await domain('list', '--json'))).toMatchObject({ domain: 'cli.test', status: 'VERIFIED' })
  expect(await domain('add', 'cli.test')).toBe(added)
  await expect(domain('check', 'nobody.test')).rejects.toThrow(/Domain not found/)
  await expect(domain('check')).rejects.toThrow('Name one domain to check')
  expect(await domain('delete', 'cli.test')).toBe('exit 2')
})
