/** STARTTLS (RFC 3207): the state before it is discarded, commands cannot be injected, and handshakes that fail. */
import { once } from 'node:events'
import type { TLSSocket } from 'node:tls'
import { connect as tlsConnect } from 'node:tls'
import { expect, test } from 'vitest'
import { createSelfSigned } from '../../src/net/self-signed.ts'
import { startListener } from './listener.ts'
import { RawClient } from './raw-client.ts'

test('after STARTTLS the session starts again over TLS', async () => {
  const { port, receiving } = await startListener()
  const client = await RawClient.open(port, 'plain.test')
  await client.command('MAIL FROM:<>')
  await client.startTls()
  expect(await client.command('RCPT TO:<ada@mail.example.test>')).toBe('503 5.5.1 Send EHLO first')
  expect(await client.command('EHLO secure.test')).not.toContain('STARTTLS')
  expect(await client.command('STARTTLS')).toBe('503 5.5.1 TLS is active already')
  await client.command('MAIL FROM:<ann@example.test>')
  await client.command('RCPT TO:<ada@mail.example.test>')
  await client.command('DATA')
  expect(await client.command('x\r\n.')).toMatch(/^250 /)
  expect(receiving.filed[0]?.arrival).toEqual({
    protocol: 'ESMTPS',
    remoteAddress: '127.0.0.1',
    helo: 'secure.test',
    tls: 'TLSv1.3 TLS_AES_256_GCM_SHA384',
    traceId: expect.any(String),
  })
})

test.each([
  ['EHLO peer.test', 'MAIL FROM:<>', 'ESMTP'],
  ['HELO peer.test', 'MAIL FROM:<>', 'SMTP'],
  ['EHLO peer.test', 'MAIL FROM:<> SMTPUTF8', 'UTF8SMTP'],
])('%s and %s are recorded as %s', async (hello, mail, protocol) => {
  const { port, receiving } = await startListener()
  const client = await RawClient.open(port)
  for (const command of [hello, mail, 'RCPT TO:<ada@mail.example.test>', 'DATA', 'x\r\n.'])
    await client.command(command)
  expect(receiving.filed[0]?.arrival).toMatchObject({ protocol, helo: 'peer.test' })
  expect(receiving.filed[0]?.arrival).not.toHaveProperty('tls')
})

// CVE-2011-0411: commands that followed STARTTLS in clear text used to run inside the TLS session.
test.each([
  ['one command', 'EHLO evil.test\r\nMAIL FROM:<evil@example.test>\r\n'],
  ['a partial command', 'EHLO evil'],
  ['so many that the parser yields', 'NOOP\r\n'.repeat(2_000)],
])('%s injected after STARTTLS is discarded', async (_name, injected) => {
  const { port } = await startListener()
  const client = await RawClient.open(port, 'victim.test')
  await client.startTls(injected)
  expect(await client.command('NOOP')).toBe('250 2.0.0 Ok')
  expect(await client.command('MAIL FROM:<>')).toBe('503 5.5.1 Send EHLO first')
})

test('garbage instead of a handshake closes only that connection', async () => {
  const { port } = await startListener()
  const client = await RawClient.open(port, 'peer.test')
  expect(await client.command('STARTTLS')).toMatch(/^220 /)
  client.send('this is no ClientHello\r\n'.repeat(10))
  await client.closed
  expect(await new RawClient(port).reply()).toMatch(/^220 /)
})

test('a peer that disconnects during the handshake affects no other connection', async () => {
  const { port } = await startListener()
  const client = await RawClient.open(port, 'peer.test')
  expect(await client.command('STARTTLS')).toMatch(/^220 /)
  client.send(Buffer.from([0x16, 0x03, 0x01]))
  client.socket.destroy()
  expect(await new RawClient(port).reply()).toMatch(/^220 /)
})

test('an unfinished handshake is aborted after the idle timeout', async () => {
  const { port } = await startListener({ smtp: { idleMs: 500 } })
  const client = await RawClient.open(port, 'peer.test')
  expect(await client.command('STARTTLS')).toMatch(/^220 /)
  client.send(Buffer.from([0x16, 0x03, 0x01]))
  await client.closed
  expect(await new RawClient(port).reply()).toMatch(/^220 /)
})

test('TLS below 1.2 is refused', async () => {
  const { port } = await startListener()
  const client = await RawClient.open(port, 'peer.test')
  await client.command('STARTTLS')
  const secure = tlsConnect({
    socket: client.socket,
    rejectUnauthorized: false,
    minVersion: 'TLSv1',
    maxVersion: 'TLSv1.1',
    ciphers: 'ALL@SECLEVEL=0',
  })
  const [error] = await once(secure, 'error')
  expect(error.code).toBe('ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION')
})

test('a renewed certificate is used for new sessions, and open sessions continue', async () => {
  const { port, tls } = await startListener()
  const old = await RawClient.open(port, 'old.test')
  const oldSocket = (await old.startTls()) as TLSSocket
  tls.change(await createSelfSigned({ hostname: 'renewed.example.test', nowMs: Date.now() }))
  const fresh = await RawClient.open(port, 'fresh.test')
  const freshSocket = await fresh.startTls()
  expect(oldSocket.getPeerCertificate().subject.CN).toBe('mail.example.test')
  expect(freshSocket.getPeerCertificate().subject.CN).toBe('renewed.example.test')
  expect(await old.command('NOOP')).toMatch(/^250 /)
})

test('a broken renewed certificate leaves the old one in use', async () => {
  const { port, tls, untilLogged } = await startListener()
  tls.change({ cert: 'no PEM', key: 'no PEM' })
  await untilLogged('the old one stays')
  const client = await RawClient.open(port, 'peer.test')
  const secure = await client.startTls()
  expect((secure as TLSSocket).getPeerCertificate().subject.CN).toBe('mail.example.test')
})

test('the self-signed certificate names the host and this machine, and is valid for ten years', async () => {
  const nowMs = Date.UTC(2026, 10, 21)
  const { X509Certificate, createPrivateKey } = await import('node:crypto')
  const { cert, key } = await createSelfSigned({ hostname: 'mx.example.test', nowMs })
  const certificate = new X509Certificate(cert)
  expect(certificate.subjectAltName).toBe('DNS:mx.example.test, DNS:localhost, IP Address:127.0.0.1')
  expect(certificate.checkPrivateKey(createPrivateKey(key))).toBe(true)
  expect(createPrivateKey(key).asymmetricKeyDetails?.namedCurve).toBe('prime256v1')
  expect(new Date(certificate.validFrom).getTime()).toBeLessThan(nowMs)
  expect(new Date(certificate.validTo).getUTCFullYear()).toBe(2036)
})
