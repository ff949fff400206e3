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
      'The MX record moves all mail of the domain to this server. If other servers receive mail for it, add a subdomain instead,',
      'or only send from it: martlet domain add cli.test --send-only',
      'A name has one SPF record: if there is one, insert the second word of the one above into it.',
      'p=none and p=quarantine are accepted, too: p=reject also applies to the mail that other servers send from the domain.',
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
  await expect(domain('check', 'mail.localhost')).rejects.toThrow(/martlet check looks at the one of the server itself/)

  const other = { preference: 1, exchange: 'old.test' }
  zones['cli.test'] = { ...zones['cli.test'], MX: [other, { preference: 10, exchange: 'mail.localhost' }] }
  expect(await domain('check', 'cli.test')).toContain(
    [
      'INVALID  cli.test MX (value_mismatch)',
      '         expected  10 mail.localhost',
      '         in DNS    1 old.test',
      '         in DNS    10 mail.localhost',
      '         another MX is preferred: senders use the lowest number first',
      '',
    ].join('\n'),
  )
  const sendOnly = await domain('add', 'cli.test', '--send-only')
  expect(sendOnly).not.toContain(' MX ') // a key in base64 may contain MX
  expect(sendOnly).toContain('cli.test TXT "v=spf1 a:mail.localhost ~all"')
  expect(await domain('check', 'cli.test')).toMatch(/^cli\.test {2}VERIFIED\nVALID/)
  expect(await domain('add', 'quiet.test', '--send-only')).not.toContain(' MX ')
  await expect(domain('check', 'cli.test', '--send-only')).rejects.toThrow('--send-only is an option of')
  await expect(domain('check')).rejects.toThrow('Name one domain to check')
  expect(await domain('delete', 'cli.test')).toBe('exit 2')
})
