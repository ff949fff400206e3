/** Tests the environment variables: each error is one sentence that says what to write. */
import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { loadConfig } from '../src/config/settings.ts'
import { StartupError } from '../src/errors.ts'

test('every setting has a default, and an empty value counts as not set', () => {
  const config = loadConfig({ MARTLET_HTTP_PORT: '', MARTLET_DOMAIN: '' })
  expect(config).toMatchObject({
    dataDir: resolve('data'),
    host: '127.0.0.1',
    httpPort: 8080,
    smtpPort: 2525,
    domain: 'mail.localhost',
    hostname: 'mail.localhost',
    publicUrl: undefined,
    publicSmtp: undefined,
    rootKey: undefined,
    outbound: 'capture',
    relay: undefined,
    outboundPort: 25,
    dnsServers: undefined,
    allowPrivateNetworks: true,
    signUp: true,
    trustedProxies: [],
    tls: undefined,
    messageBytesMax: 52_428_800,
    logLevel: 'info',
  })
  expect(Object.isFrozen(config) && Object.isFrozen(config.limits)).toBe(true)
})

test('the database is SQLite in the data folder, or PostgreSQL by its URL; blobs are stored in a folder', () => {
  expect(loadConfig({ MARTLET_DATA_DIR: '/srv/martlet' })).toMatchObject({
    databaseUrl: undefined,
    blobsDir: '/srv/martlet/blobs',
  })
  const key = 'a key of twenty chars'.replaceAll(' ', '_')
  for (const url of ['postgres://ada:p%40ss@db.example.com:5433/mail?sslmode=verify-full', 'postgresql://db/mail']) {
    const env = { MARTLET_DATABASE_URL: url, MARTLET_BLOBS_URL: 'file:///srv/shared%20blobs', MARTLET_ROOT_KEY: key }
    expect(loadConfig(env)).toMatchObject({ databaseUrl: url, blobsDir: '/srv/shared blobs' })
  }
})

test('sign-ups are on by default only where no stranger can reach the domain', () => {
  expect(loadConfig({ MARTLET_DOMAIN: 'mail.example.com' }).signUp).toBe(false)
  expect(loadConfig({ MARTLET_DOMAIN: 'mail.example.com', MARTLET_SIGN_UP: 'on' }).signUp).toBe(true)
  expect(loadConfig({ MARTLET_SIGN_UP: 'off' }).signUp).toBe(false)
})

test('pages of every origin may use the API only while no stranger can reach the domain; others are named', () => {
  const originsOf = (env: Record<string, string>) => loadConfig(env).corsOrigins
  const named = (value: string) => originsOf({ MARTLET_CORS_ORIGINS: value })
  expect(originsOf({})).toBe('*')
  expect(originsOf({ MARTLET_DOMAIN: 'mail.example.com' })).toEqual([])
  expect(originsOf({ MARTLET_DOMAIN: 'mail.example.com', MARTLET_CORS_ORIGINS: '*' })).toBe('*')
  expect(named('none')).toEqual([])
  const origins = ['https://app.example.com', 'http://[::1]:5173', 'capacitor://localhost']
  expect(named(origins.join(', '))).toEqual(origins)
  for (const [value, sentence] of [
    ['https://app.example.com/', 'write https://app.example.com'],
    ['https://app.example.com/path', 'write https://app.example.com'],
    ['https://App.example.com:443', 'write https://app.example.com'],
    ['app.example.com', '"app.example.com" is no origin; write origins such as'],
    ['https://app.example.com,*', '"*" is no origin'],
    ['https://*.example.com', 'is no origin'],
    ['null', '"null" is no origin'],
    ['https://app.example.com,', '"" is no origin'],
  ])
    expect(() => named(value!), value).toThrow(sentence)
})

test('rates and caps of clients have their defaults, can be off, and refuse other words', () => {
  const ratesOf = (env: Record<string, string>) => {
    const { keyRequestsMax, organizationRequestsMax, inboxSendsMax, organizationSendsMax, organizationInboxesMax } =
      loadConfig(env)
    return [keyRequestsMax, organizationRequestsMax, inboxSendsMax, organizationSendsMax, organizationInboxesMax]
  }
  expect(ratesOf({})).toEqual([1_000, 0, 10_000, 10_000, 0])
  const names = ['KEY_REQUESTS', 'ORGANIZATION_REQUESTS', 'INBOX_SENDS', 'ORGANIZATION_SENDS', 'ORGANIZATION_INBOXES']
  const all = (value: string) => Object.fromEntries(names.map((name) => [`MARTLET_${name}`, value]))
  expect(ratesOf(all('off'))).toEqual([0, 0, 0, 0, 0])
  expect(ratesOf(all('7'))).toEqual([7, 7, 7, 7, 7])
  for (const name of names)
    expect(() => ratesOf({ [`MARTLET_${name}`]: '0' }), name).toThrow('write a whole number, or off')
  expect(loadConfig({ MARTLET_BODY_BYTES_MAX: '65536' }).limits.http.bodyBytesMax).toBe(65_536)
  expect(loadConfig({}).limits.http.bodyBytesMax).toBe(1_048_576)
  expect(() => loadConfig({ MARTLET_BODY_BYTES_MAX: '1M' })).toThrow('write a number of bytes from 65536 to 67108864')
})

test('loopback is trusted only while no stranger can reach the domain', () => {
  const networksOf = (env: Record<string, string>) => loadConfig(env).trustedNetworks
  const loopback = ['127.0.0.0/8', '::1']
  expect(networksOf({})).toEqual(loopback)
  expect(networksOf({ MARTLET_DOMAIN: 'mail.example.com' })).toEqual([])
  expect(networksOf({ MARTLET_TRUSTED_NETWORKS: 'none' })).toEqual([])
  expect(networksOf({ MARTLET_TRUSTED_NETWORKS: 'loopback, 10.0.0.0/8,fd00::1' })).toEqual([
    ...loopback,
    '10.0.0.0/8',
    'fd00::1',
  ])
})

test('settings of senders and replies have their defaults, and refuse other words', () => {
  const { dmarcReject, arcSealers, allowLists, threadRepliesMax } = loadConfig({
    MARTLET_ARC_SEALERS: 'Google.com, b.example',
  })
  expect({ dmarcReject, arcSealers, allowLists, threadRepliesMax }).toEqual({
    ...{ dmarcReject: 'reject', arcSealers: ['google.com', 'b.example'] },
    ...{ allowLists: 'authenticated', threadRepliesMax: 20 },
  })
  expect(loadConfig({ MARTLET_THREAD_REPLIES: 'off' }).threadRepliesMax).toBe('off')
  for (const [name, value] of Object.entries({
    MARTLET_TRUSTED_NETWORKS: '10.0.0.0/33',
    MARTLET_DMARC_REJECT: 'drop',
    MARTLET_ARC_SEALERS: 'no domain',
    MARTLET_ALLOW_LISTS: 'all',
    MARTLET_THREAD_REPLIES: '0',
  }))
    expect(() => loadConfig({ [name]: value }), name).toThrow(name)
})

test('a malformed database URL is refused, and the error repeats no part of it', () => {
  for (const url of [
    'postgres://ada:geheim@[',
    'mysql://ada:geheim@db/mail',
    'postgres://ada:geheim@db',
    'geheim',
    'postgres://ada:gehe#im@db/geheim',
  ]) {
    const load = () => loadConfig({ MARTLET_DATABASE_URL: url, MARTLET_ROOT_KEY: 'x'.repeat(20) })
    expect(load).toThrow(/MARTLET_DATABASE_URL: write postgres:\/\/user:password@host:5432\/database/)
    expect(load).not.toThrow(/gehe/)
  }
})

test('PostgreSQL requires a root key, which every server must be given', () => {
  expect(() => loadConfig({ MARTLET_DATABASE_URL: 'postgres://db/mail' })).toThrow(/MARTLET_ROOT_KEY: write 20 to 256/)
})

test.each(['/srv/blobs', 'file://host/srv', 's3://bucket', 'file:srv', 'file:///srv?x'])(
  'the blobs URL %s is refused',
  (url) => {
    expect(() => loadConfig({ MARTLET_BLOBS_URL: url })).toThrow(`MARTLET_BLOBS_URL=${url}: write file:///folder`)
  },
)

test('settings are parsed as documented', () => {
  const config = loadConfig({
    MARTLET_HTTP_PORT: '0',
    MARTLET_SMTP_PORT: 'off',
    MARTLET_DOMAIN: 'Mail.Example.com',
    MARTLET_PUBLIC_URL: 'https://mail.example.com/base/',
    MARTLET_PUBLIC_SMTP: '[2001:db8::1]:587',
    MARTLET_TLS_CERT: 'cert.pem',
    MARTLET_TLS_KEY: '/etc/key.pem',
  })
  expect(config).toMatchObject({
    httpPort: 0,
    smtpPort: 'off',
    domain: 'mail.example.com',
    publicUrl: 'https://mail.example.com/base',
    publicSmtp: { host: '2001:db8::1', port: 587 },
    tls: { certFile: resolve('cert.pem'), keyFile: '/etc/key.pem' },
  })
})

test.each([
  [{ MARTLET_MTA_STS: 'on' }, 'MARTLET_MTA_STS=on: write testing, enforce or off'],
  [{ MARTLET_MTA_STS: 'enforce' }, 'MARTLET_MTA_STS=enforce needs MARTLET_TLS_CERT and MARTLET_PUBLIC_URL=https://…'],
  [{ MARTLET_HTTP_PORT: '99999' }, 'MARTLET_HTTP_PORT=99999: write a port from 0 to 65535, or off'],
  [{ MARTLET_SMTP_PORT: 'smtp' }, 'MARTLET_SMTP_PORT=smtp: write a port from 0 to 65535, or off'],
  [{ MARTLET_SMTP_PORT: '-1' }, 'MARTLET_SMTP_PORT=-1: write a port from 0 to 65535, or off'],
  [{ MARTLET_SMTP_PORT: '8080' }, 'MARTLET_HTTP_PORT and MARTLET_SMTP_PORT are both 8080; write different ports'],
  [{ MARTLET_DOMAIN: '10.0.0.1' }, 'MARTLET_DOMAIN=10.0.0.1: write a domain name such as mail.example.com'],
  [{ MARTLET_DOMAIN: 'no_domain' }, 'MARTLET_DOMAIN=no_domain: write a domain name such as mail.example.com'],
  [{ MARTLET_HOSTNAME: 'a..b' }, 'MARTLET_HOSTNAME=a..b: write a domain name such as mail.example.com'],
  [{ MARTLET_PUBLIC_URL: 'mail.example.com' }, 'write an http or https URL such as https://mail.example.com'],
  [{ MARTLET_SENDER_CHALLENGES: 'on' }, 'write off, inboxes or all'],
  [{ MARTLET_SENDER_CHALLENGES: 'all' }, 'MARTLET_SENDER_CHALLENGES=all needs MARTLET_PUBLIC_URL'],
  [{ MARTLET_PUBLIC_SMTP: 'mail.example.com' }, 'write a host and a port, such as mail.example.com:587'],
  [{ MARTLET_PUBLIC_SMTP: 'mail.example.com:70000' }, 'write a host and a port, such as mail.example.com:587'],
  [{ MARTLET_PUBLIC_URL: 'ftp://mail.example.com' }, 'write an http or https URL such as https://mail.example.com'],
  [{ MARTLET_OUTBOUND: 'smtp' }, 'MARTLET_OUTBOUND=smtp: write one of capture, direct, relay'],
  [{ MARTLET_OUTBOUND: 'relay' }, 'MARTLET_OUTBOUND=relay: set MARTLET_RELAY_URL too'],
  [{ MARTLET_OUTBOUND_PORT: '0' }, 'MARTLET_OUTBOUND_PORT=0: write a port from 1 to 65535'],
  [{ MARTLET_OUTBOUND_PORT: 'off' }, 'MARTLET_OUTBOUND_PORT=off: write a port from 1 to 65535'],
  [{ MARTLET_OUTBOUND_PORT: '65536' }, 'MARTLET_OUTBOUND_PORT=65536: write a port from 1 to 65535'],
  [{ MARTLET_DNS_SERVERS: 'dns.example.com' }, 'MARTLET_DNS_SERVERS=dns.example.com: write addresses such as'],
  [{ MARTLET_DNS_SERVERS: '127.0.0.1,' }, 'MARTLET_DNS_SERVERS=127.0.0.1,: write addresses such as'],
  [{ MARTLET_DNS_SERVERS: '::1:53' }, 'MARTLET_DNS_SERVERS=::1:53: write addresses such as'],
  [{ MARTLET_DNS_SERVERS: '127.0.0.1:0' }, 'MARTLET_DNS_SERVERS=127.0.0.1:0: write addresses such as'],
  [{ MARTLET_DNS_SERVERS: '[127.0.0.1]:53' }, 'MARTLET_DNS_SERVERS=[127.0.0.1]:53: write addresses such as'],
  [{ MARTLET_ALLOW_PRIVATE_NETWORKS: 'yes' }, 'MARTLET_ALLOW_PRIVATE_NETWORKS=yes: write true or false'],
  [{ MARTLET_TLS_CERT: 'cert.pem' }, 'Set both MARTLET_TLS_CERT and MARTLET_TLS_KEY, or neither'],
  [{ MARTLET_TLS_KEY: 'key.pem' }, 'Set both MARTLET_TLS_CERT and MARTLET_TLS_KEY, or neither'],
  [{ MARTLET_MESSAGE_BYTES_MAX: '50M' }, 'MARTLET_MESSAGE_BYTES_MAX=50M: write a number of bytes'],
  [{ MARTLET_MESSAGE_BYTES_MAX: '1' }, 'MARTLET_MESSAGE_BYTES_MAX=1: write a number of bytes'],
  [{ MARTLET_PAUSED_INBOXES: 'bounce' }, 'MARTLET_PAUSED_INBOXES=bounce: write defer or drop'],
  [{ MARTLET_SIGN_UP: 'yes' }, 'MARTLET_SIGN_UP=yes: write on or off'],
  [{ MARTLET_TRUSTED_PROXIES: '10.0.0.1,proxy' }, 'MARTLET_TRUSTED_PROXIES: "proxy" is no address'],
  [{ MARTLET_TRUSTED_PROXIES: '10.0.0.0/33' }, 'MARTLET_TRUSTED_PROXIES: "10.0.0.0/33" is no address'],
  [{ MARTLET_LOG_LEVEL: 'loud' }, 'MARTLET_LOG_LEVEL=loud: write one of fatal, error, warn'],
  [{ MARTLET_HTTP_PROT: '80' }, 'MARTLET_HTTP_PROT is not a setting of this version; did you mean MARTLET_HTTP_PORT?'],
])('%j is refused with a helpful sentence', (env, sentence) => {
  const load = () => loadConfig(env)
  expect(load).toThrow(StartupError)
  expect(load).toThrow(sentence)
})

test('an invalid root key is refused, and the error does not repeat it', () => {
  for (const rootKey of ['hunter2', `${'long'.repeat(10)} with spaces`]) {
    const load = () => loadConfig({ MARTLET_ROOT_KEY: rootKey })
    expect(load).toThrow('MARTLET_ROOT_KEY: write 20 to 256 printable characters without spaces')
    expect(load).not.toThrow(rootKey)
  }
})

test('mail is sent directly by default when the domain can receive replies', () => {
  const outboundOf = (env: Record<string, string>) => loadConfig(env).outbound
  expect(outboundOf({ MARTLET_DOMAIN: 'mail.example.com' })).toBe('direct')
  expect(outboundOf({ MARTLET_DOMAIN: 'localhost' })).toBe('capture')
  expect(outboundOf({ MARTLET_DOMAIN: 'notlocalhost' })).toBe('direct')
  expect(outboundOf({ MARTLET_DOMAIN: 'mail.example.com', MARTLET_OUTBOUND: 'capture' })).toBe('capture')
  expect(outboundOf({ MARTLET_OUTBOUND: 'direct' })).toBe('direct')
})

test.each([
  ['smtp://relay.example.com', { host: 'relay.example.com', port: 587, isImplicitTls: false }],
  ['smtps://relay.example.com/', { host: 'relay.example.com', port: 465, isImplicitTls: true }],
  [
    'smtp://ada%40x:p%40ss%3A%25@relay.example.com:25',
    { host: 'relay.example.com', port: 25, isImplicitTls: false, auth: { user: 'ada@x', password: 'p@ss:%' } },
  ],
  ['smtp://[::1]:2525', { host: '::1', port: 2525, isImplicitTls: false }],
])('the relay URL %s is parsed', (url, relay) => {
  expect(loadConfig({ MARTLET_RELAY_URL: url }).relay).toEqual(relay)
})

test.each([
  ['http://ada:hunter2@relay.example.com', 'the URL is malformed'],
  ['relay.example.com:587 hunter2', 'the URL is malformed'],
  ['smtp://ada:hunter2@relay.example.com/path', 'nothing may follow the port'],
  ['smtp://ada:hunter2@relay.example.com?x=1', 'nothing may follow the port'],
  ['smtp://ada:hunter2@relay.example.com#x', 'nothing may follow the port'],
  ['smtp://hunter2@relay.example.com', 'give both user and password, or neither'],
  ['smtp://:hunter2@relay.example.com', 'give both user and password, or neither'],
  ['smtp://ada:hunter2@relay.example.com:0', '0 is not a valid port'],
  ['smtp://ada:hunter2%zz@relay.example.com', 'user or password contains a % that starts no escape sequence'],
])('the relay URL %s is refused, and the error does not repeat its password', (url, sentence) => {
  const load = () => loadConfig({ MARTLET_RELAY_URL: url })
  expect(load).toThrow(StartupError)
  expect(load).toThrow(`MARTLET_RELAY_URL: ${sentence}`)
  expect(load).not.toThrow('hunter2')
})

test('DNS servers are accepted with and without a port', () => {
  const { dnsServers } = loadConfig({ MARTLET_DNS_SERVERS: '127.0.0.1:5353, 192.0.2.1,[::1],[::1]:53' })
  expect(dnsServers).toEqual(['127.0.0.1:5353', '192.0.2.1', '[::1]', '[::1]:53'])
})

test.each([
  [{}, true],
  [{ MARTLET_HOST: '127.0.0.7' }, true],
  [{ MARTLET_HOST: '::1' }, true],
  [{ MARTLET_HOST: 'localhost' }, true],
  [{ MARTLET_HOST: '0.0.0.0' }, false],
  [{ MARTLET_HOST: '127.evil.example' }, false],
  [{ MARTLET_HOST: '0.0.0.0', MARTLET_ALLOW_PRIVATE_NETWORKS: 'true' }, true],
  [{ MARTLET_ALLOW_PRIVATE_NETWORKS: 'false' }, false],
])('whether private networks may be called with %j: %s', (env, isAllowed) => {
  expect(loadConfig(env).allowPrivateNetworks).toBe(isAllowed)
})

test('variables that Kubernetes sets for a Service named martlet are ignored', () => {
  const kubernetes = {
    MARTLET_SERVICE_HOST: '10.0.0.7',
    MARTLET_SERVICE_PORT: '80',
    MARTLET_SERVICE_PORT_SMTP: '25',
    MARTLET_PORT: 'tcp://10.0.0.7:80',
    MARTLET_PORT_80_TCP: 'tcp://10.0.0.7:80',
    MARTLET_PORT_80_TCP_ADDR: '10.0.0.7',
  }
  expect(loadConfig(kubernetes).httpPort).toBe(8080)
  expect(() => loadConfig({ MARTLET_PORTS: '1' })).toThrow('MARTLET_PORTS is not a setting')
})
