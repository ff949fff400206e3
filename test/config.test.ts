/** What the environment may say; each refusal is a sentence that says what to write. */
import { resolve } from 'node:path'
import { expect, test } from 'vitest'
import { loadConfig } from '../src/config.ts'
import { StartupError } from '../src/errors.ts'

test('everything has a default, and an empty value counts as not set', () => {
  const config = loadConfig({ MARTLET_HTTP_PORT: '', MARTLET_DOMAIN: '' })
  expect(config).toMatchObject({
    dataDir: resolve('data'),
    host: '127.0.0.1',
    httpPort: 8080,
    smtpPort: 2525,
    domain: 'mail.localhost',
    hostname: 'mail.localhost',
    publicUrl: undefined,
    rootKey: undefined,
    outbound: 'capture',
    tls: undefined,
    messageBytesMax: 52_428_800,
    logLevel: 'info',
  })
  expect(Object.isFrozen(config) && Object.isFrozen(config.limits)).toBe(true)
})

test('settings are taken as they are meant', () => {
  const config = loadConfig({
    MARTLET_HTTP_PORT: '0',
    MARTLET_SMTP_PORT: 'off',
    MARTLET_DOMAIN: 'Mail.Example.com',
    MARTLET_PUBLIC_URL: 'https://mail.example.com/base/',
    MARTLET_TLS_CERT: 'cert.pem',
    MARTLET_TLS_KEY: '/etc/key.pem',
  })
  expect(config).toMatchObject({
    httpPort: 0,
    smtpPort: 'off',
    domain: 'mail.example.com',
    publicUrl: 'https://mail.example.com/base',
    tls: { certFile: resolve('cert.pem'), keyFile: '/etc/key.pem' },
  })
})

test.each([
  [{ MARTLET_HTTP_PORT: '99999' }, 'MARTLET_HTTP_PORT=99999: write a port from 0 to 65535, or off'],
  [{ MARTLET_SMTP_PORT: 'smtp' }, 'MARTLET_SMTP_PORT=smtp: write a port from 0 to 65535, or off'],
  [{ MARTLET_SMTP_PORT: '-1' }, 'MARTLET_SMTP_PORT=-1: write a port from 0 to 65535, or off'],
  [{ MARTLET_DOMAIN: 'no_domain' }, 'MARTLET_DOMAIN=no_domain: write a domain name such as mail.example.com'],
  [{ MARTLET_HOSTNAME: 'a..b' }, 'MARTLET_HOSTNAME=a..b: write a domain name such as mail.example.com'],
  [{ MARTLET_PUBLIC_URL: 'mail.example.com' }, 'write an http or https URL such as https://mail.example.com'],
  [{ MARTLET_PUBLIC_URL: 'ftp://mail.example.com' }, 'write an http or https URL such as https://mail.example.com'],
  [{ MARTLET_OUTBOUND: 'direct' }, 'MARTLET_OUTBOUND=direct: write capture'],
  [{ MARTLET_TLS_CERT: 'cert.pem' }, 'Set both MARTLET_TLS_CERT and MARTLET_TLS_KEY, or neither'],
  [{ MARTLET_TLS_KEY: 'key.pem' }, 'Set both MARTLET_TLS_CERT and MARTLET_TLS_KEY, or neither'],
  [{ MARTLET_MESSAGE_BYTES_MAX: '50M' }, 'MARTLET_MESSAGE_BYTES_MAX=50M: write a number of bytes'],
  [{ MARTLET_MESSAGE_BYTES_MAX: '1' }, 'MARTLET_MESSAGE_BYTES_MAX=1: write a number of bytes'],
  [{ MARTLET_LOG_LEVEL: 'loud' }, 'MARTLET_LOG_LEVEL=loud: write one of fatal, error, warn'],
  [{ MARTLET_HTTP_PROT: '80' }, 'MARTLET_HTTP_PROT is not a setting of this version; remove it'],
])('%j is refused with a sentence', (env, sentence) => {
  const load = () => loadConfig(env)
  expect(load).toThrow(StartupError)
  expect(load).toThrow(sentence)
})

test('a root key that cannot be used is refused and not repeated', () => {
  for (const rootKey of ['hunter2', `${'long'.repeat(10)} with spaces`]) {
    const load = () => loadConfig({ MARTLET_ROOT_KEY: rootKey })
    expect(load).toThrow('MARTLET_ROOT_KEY: write 20 to 256 printable characters without spaces')
    expect(load).not.toThrow(rootKey)
  }
})

test('variables that Kubernetes makes for a Service named martlet are not ours to refuse', () => {
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
