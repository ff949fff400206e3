/** The MX server as a real client sees it: nodemailer, with all its options. */
import { createTransport } from 'nodemailer'
import { expect, onTestFinished, test } from 'vitest'
import { startListener } from './listener.ts'

function transport(options: Record<string, unknown>) {
  const made = createTransport({ host: '127.0.0.1', tls: { rejectUnauthorized: false }, ...options } as never)
  onTestFinished(() => made.close())
  return made
}

const mail = { from: 'ann@example.test', to: 'ada@mail.example.test', subject: 'hello', text: 'hello' }

test('a message is accepted after STARTTLS', async () => {
  const { port, receiving } = await startListener()
  const info = await transport({ port, requireTLS: true }).sendMail(mail)
  expect(info.response).toBe('250 2.0.0 Ok: filed as m1')
  expect(receiving.filed[0]?.arrival).toMatchObject({
    protocol: 'ESMTPS',
    tls: expect.stringMatching(/^TLSv1\.3 TLS_/),
  })
})

test('a message is accepted in clear text, without TLS', async () => {
  const { port, receiving } = await startListener()
  await transport({ port, ignoreTLS: true }).sendMail(mail)
  expect(receiving.filed[0]?.arrival.protocol).toBe('ESMTP')
})

test('SMTPUTF8 addresses are accepted', async () => {
  const { port, receiving } = await startListener()
  await transport({ port }).sendMail({ ...mail, from: 'björn@example.test', to: 'grüße@mail.example.test' })
  expect(receiving.filed[0]).toMatchObject({
    arrival: { protocol: 'UTF8SMTPS' },
    envelope: { sender: 'björn@example.test', recipients: ['grüße@mail.example.test'] },
  })
})

test('an 8BITMIME body arrives byte for byte', async () => {
  const { port, receiving } = await startListener()
  const raw = Buffer.from('Subject: 8bit\r\nContent-Transfer-Encoding: 8bit\r\n\r\ngrüße 验证码\r\n')
  const envelope = { from: 'ann@example.test', to: 'ada@mail.example.test', use8BitMime: true }
  await transport({ port }).sendMail({ envelope, raw })
  expect(receiving.filed[0]?.raw).toEqual(raw)
})

test('a message of 30 MB arrives complete', async () => {
  const { port, receiving } = await startListener()
  const line = `${'.'.repeat(70)}\r\n`
  const raw = Buffer.from(`Subject: big\r\n\r\n${line.repeat(420_000)}`)
  await transport({ port, ignoreTLS: true }).sendMail({ envelope: { from: mail.from, to: mail.to }, raw })
  expect(receiving.filed[0]?.raw.equals(raw)).toBe(true)
})

test('a client that reads SIZE does not send a message over the limit', async () => {
  const { port, receiving } = await startListener({}, { MARTLET_MESSAGE_BYTES_MAX: '65536' })
  const sending = transport({ port }).sendMail({
    envelope: { from: mail.from, to: mail.to, size: 70_000 },
    raw: 'x'.repeat(70_000),
  })
  await expect(sending).rejects.toThrow('Message size larger than allowed 65536')
  expect(receiving.failures).toEqual([]) // no DATA was sent
})

test('unknown recipients among a hundred are refused, and the others get the message', async () => {
  const { port, receiving } = await startListener()
  const known = Array.from({ length: 90 }, (_, index) => `ada${index}@mail.example.test`)
  const unknown = Array.from({ length: 10 }, (_, index) => `nobody${index}@mail.example.test`)
  const info = await transport({ port }).sendMail({ ...mail, to: undefined, bcc: [...known, ...unknown] })
  expect(info.accepted).toEqual(known)
  expect(info.rejected).toEqual(unknown)
  expect(receiving.filed[0]?.envelope.recipients).toEqual(known)
})

test('pooled connections transfer many messages each', async () => {
  const { port, receiving } = await startListener()
  const pool = transport({ port, pool: true, maxConnections: 3, maxMessages: 100 })
  const subjects = Array.from({ length: 60 }, (_, index) => `mail ${index}`)
  await Promise.all(subjects.map((subject) => pool.sendMail({ ...mail, subject })))
  expect(new Set(receiving.filed.map((filed) => filed.arrival.traceId)).size).toBe(3)
  const arrived = receiving.texts.map((text) => /^Subject: (.*)$/m.exec(text)?.[1]?.trim())
  expect(arrived.sort()).toEqual(subjects.sort())
})

test('twenty simultaneous connections all deliver', async () => {
  const { port, receiving } = await startListener()
  await Promise.all(
    Array.from({ length: 20 }, (_, index) => transport({ port }).sendMail({ ...mail, subject: `mail ${index}` })),
  )
  expect(receiving.filed).toHaveLength(20)
  expect(new Set(receiving.filed.map((filed) => filed.arrival.traceId)).size).toBe(20)
})
