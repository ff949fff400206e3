/**
 * Mail programs and other servers find this server by the records that it recommends: who follows them gets what they promise. The domain
 * is verified with a real DNS server; requests name it in Host, as those that a proxy passes on.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createSelfSigned } from '../../src/net/self-signed.ts'
import { type DnsServer, type Records, startDns, type Zones } from '../support/dns-server.ts'
import { startWorld, type World } from '../support/world.ts'

const zones: Zones = {}
let dns: DnsServer
let world: World
let folder: string
let recommended: { type: string; name: string; value: string; priority?: number }[]

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'martlet-test-'))
  const { cert, key } = await createSelfSigned({ hostname: 'mx.host.test', nowMs: Date.now() })
  const files = { MARTLET_TLS_CERT: join(folder, 'cert.pem'), MARTLET_TLS_KEY: join(folder, 'key.pem') }
  await writeFile(files.MARTLET_TLS_CERT, cert)
  await writeFile(files.MARTLET_TLS_KEY, key)
  dns = await startDns(zones)
  world = await startWorld({
    env: {
      ...{ MARTLET_DNS_SERVERS: dns.address, MARTLET_HOSTNAME: 'mx.host.test', MARTLET_MTA_STS: 'enforce', ...files },
      ...{ MARTLET_PUBLIC_URL: 'https://api.host.test', MARTLET_SUBMISSION_PORT: '0', MARTLET_SUBMISSIONS_PORT: '0' },
      ...{ MARTLET_IMAP_PORT: 'off', MARTLET_IMAPS_PORT: '0' },
    },
  })
  const { body } = await world.request('POST', '/v0/domains', { body: { domain: 'own.test', feedback_enabled: true } })
  for (const { name, type, value, priority } of body.records) {
    const known = (zones[name] ?? {}) as Records
    zones[name] =
      type === 'MX'
        ? { ...known, MX: [{ preference: priority, exchange: value }] }
        : { ...known, TXT: [...(known.TXT ?? []), value.match(/.{1,255}/g)!] }
  }
  await world.request('POST', '/v0/domains/own.test/verify')
  const shown = (await world.request('GET', '/v0/domains/own.test')).body
  expect(shown.status).toBe('VERIFIED') // none of the recommended records is in DNS
  recommended = shown.recommended_records
})
afterAll(async () => {
  await world?.[Symbol.asyncDispose]()
  await dns?.[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

interface Got {
  readonly status: number
  readonly type: string
  readonly text: string
}

/** As a proxy passes a request on; fetch() sets no Host. */
function ask(host: string, path: string, body?: string): Promise<Got> {
  return new Promise((resolve, reject) => {
    const method = body === undefined ? 'GET' : 'POST'
    const sent = request(`${world.url}${path}`, { method, headers: { host } }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk) => {
        text += chunk
      })
      response.on('end', () => {
        resolve({ status: response.statusCode!, type: response.headers['content-type'] ?? '', text })
      })
    })
    sent.on('error', reject).end(body)
  })
}

const recordAt = (name: string) => recommended.find((record) => record.name === name)?.value

test('the policy of MTA-STS is at the recommended name, and has the name of the MX record', async () => {
  expect(recordAt('mta-sts.own.test')).toBe('api.host.test')
  expect(recordAt('_mta-sts.own.test')).toMatch(/^v=STSv1; id=\w+$/)
  expect(await ask('mta-sts.own.test', '/.well-known/mta-sts.txt')).toEqual({
    status: 200,
    type: 'text/plain; charset=utf-8',
    text: 'version: STSv1\r\nmode: enforce\r\nmx: mx.host.test\r\nmax_age: 604800\r\n',
  })
  expect((await ask('MTA-STS.own.test:443', '/.well-known/mta-sts.txt')).status).toBe(200)
  for (const host of ['mta-sts.other.test', 'own.test', 'mta-sts.sub.own.test', 'mta-sts.', 'mta-sts..', '[::1]'])
    expect((await ask(host, '/.well-known/mta-sts.txt')).status, host).toBe(404)
})

test('Thunderbird gets the servers of the domain', async () => {
  expect(recordAt('autoconfig.own.test')).toBe('api.host.test')
  const { status, type, text } = await ask('autoconfig.own.test', '/mail/config-v1.1.xml?emailaddress=ada%40own.test')
  expect([status, type]).toEqual([200, 'application/xml; charset=utf-8'])
  expect(text).toContain('<emailProvider id="own.test">')
  const servers = [...text.matchAll(/<outgoingServer type="smtp">(.*?)<\/outgoingServer>/gs)].map(([, server]) =>
    server!.replace(/\s+/g, ''),
  )
  const login = '<authentication>password-cleartext</authentication><username>%EMAILADDRESS%</username>'
  expect(servers).toEqual([
    `<hostname>mx.host.test</hostname><port>465</port><socketType>SSL</socketType>${login}`,
    `<hostname>mx.host.test</hostname><port>587</port><socketType>STARTTLS</socketType>${login}`,
  ])
  const incoming = /<incomingServer type="imap">(.*?)<\/incomingServer>/s.exec(text)?.[1]
  expect(incoming!.replace(/\s+/g, '')).toBe(
    `<hostname>mx.host.test</hostname><port>993</port><socketType>SSL</socketType>${login}`,
  )
  expect(recordAt('_imaps._tcp.own.test')).toBe('1 993 mx.host.test')
  expect(recordAt('_imap._tcp.own.test')).toBeUndefined()
  const wellKnown = '/.well-known/autoconfig/mail/config-v1.1.xml'
  expect((await ask('own.test', wellKnown)).text).toBe(text)
  expect((await ask('api.host.test', `${wellKnown}?emailaddress=ada@own.test`)).text).toBe(text)
  for (const path of [wellKnown, `${wellKnown}?emailaddress=ada@other.test`, `${wellKnown}?emailaddress=<script>`])
    expect((await ask('api.host.test', path)).status, path).toBe(404)
  const twice = await ask('api.host.test', `${wellKnown}?emailaddress=ada@own.test&emailaddress=b@own.test`)
  expect(twice.status).toBe(404)
})

const outlook = (address: string) =>
  `<?xml version="1.0" encoding="utf-8"?><Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/requestschema/2006"><Request><EMailAddress>${address}</EMailAddress><AcceptableResponseSchema>http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a</AcceptableResponseSchema></Request></Autodiscover>`

test('Outlook gets the servers of the domain of its address', async () => {
  expect(recordAt('_autodiscover._tcp.own.test')).toBe('1 443 api.host.test')
  const { status, text } = await ask('api.host.test', '/autodiscover/autodiscover.xml', outlook("o'neil@Own.test"))
  expect(status).toBe(200)
  const [first = '', second = '', third = ''] = [...text.matchAll(/<Protocol>(.*?)<\/Protocol>/gs)].map(
    ([, protocol]) => protocol,
  )
  expect(first.replace(/\s+/g, '')).toBe(
    "<Type>SMTP</Type><Server>mx.host.test</Server><Port>465</Port><DomainRequired>off</DomainRequired><LoginName>o'neil@own.test</LoginName><SPA>off</SPA><SSL>on</SSL><Encryption>SSL</Encryption><AuthRequired>on</AuthRequired>",
  )
  expect(second).toContain('<Encryption>TLS</Encryption>')
  expect(third).toMatch(/<Type>IMAP<\/Type>\s*<Server>mx.host.test<\/Server>\s*<Port>993</)
  expect((await ask('x', '/Autodiscover/Autodiscover.xml', outlook('ada@own.test'))).status).toBe(200)
  for (const body of ['', 'x', '<EMailAddress>', outlook('ada@other.test'), outlook('&quot;@own.test&gt;')])
    expect((await ask('x', '/autodiscover/autodiscover.xml', body)).status, body).toBe(404)
  const large = await ask('x', '/autodiscover/autodiscover.xml', outlook('ada@own.test') + ' '.repeat(20_000))
  expect(large.status).toBe(413)
})
