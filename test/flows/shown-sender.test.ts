/**
 * The sender that a mail program and an agent are shown is the one that was authenticated: SMTP from an untrusted client, a real DNS
 * server, the API, and IMAP.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ImapClient } from '../imap/imap-client.ts'
import { type Account, createAccount, IMAP_ON } from '../imap/martlet-under-test.ts'
import { type DnsServer, startDns } from '../support/dns-server.ts'
import { startWorld, type World } from '../support/world.ts'

let dns: DnsServer
let world: World
let ada: Account

beforeAll(async () => {
  dns = await startDns({ 'evil.example': { TXT: ['v=spf1 ip4:127.0.0.1 -all'] } })
  const env = { ...IMAP_ON, MARTLET_TRUSTED_NETWORKS: 'none', MARTLET_DNS_SERVERS: dns.address }
  world = await startWorld({ env, limits: { access: { failedLoginDelayMs: 0 } } })
  ada = await createAccount(world)
})
afterAll(async () => {
  await world?.[Symbol.asyncDispose]()
  await dns?.[Symbol.asyncDispose]()
})

/** @returns the message over REST and as IMAP shows it */
async function deliver(mail: string) {
  await world.smtp.send({ envelope: { from: 'a@evil.example', to: ada.user }, raw: Buffer.from(mail, 'latin1') })
  const list = await world.request('GET', `/v0/inboxes/${ada.user}/messages?limit=1`)
  const id = encodeURIComponent(list.body.messages[0].message_id)
  const message = (await world.request('GET', `/v0/inboxes/${ada.user}/messages/${id}`)).body
  const client = await ImapClient.logIn(world.imapPort, ada)
  await client.ok('SELECT INBOX')
  const [fetched = ''] = await client.ok('FETCH * (ENVELOPE BODYSTRUCTURE)')
  const [, envelope, structure] = /ENVELOPE (.*) BODYSTRUCTURE (.*)\)$/s.exec(fetched)!
  return { message, envelope: envelope!, structure: structure! }
}

const mailOf = (fields: readonly string[], charset: string) =>
  `${[
    ...fields,
    'Subject: hello',
    `Message-ID: <${crypto.randomUUID()}@x.test>`,
    `Content-Type: text/plain; charset=${charset}`,
  ].join('\r\n')}\r\n\r\nhello\r\n`

/** Read as UTF-7: `? <ceo@bank.example> ( <a@evil.example> )`, where the second address is a comment. */
const UTF_7 = '\xff+ADw-ceo+AEA-bank.example+AD4- +ACg- <a@evil.example> )'
/** In Shift_JIS, the first two bytes in the quotes are one character; in others, the second one hides the quote after it. */
const SHIFT_JIS = '"\x83\\" <ceo@bank.example>, "x" <a@evil.example>'
/** ENVELOPE is not stored with the message, but computed for the client. */
const LONG_FIELD = `X-Long:${` ${'x'.repeat(900)}\r\n`.repeat(20)} x`

test.each([
  ['UTF-7', 'utf-7', UTF_7, []],
  ['Shift_JIS', 'shift_jis', SHIFT_JIS, []],
  ['UTF-7 with a long header', 'utf-7', UTF_7, [LONG_FIELD]],
])('the addresses of a message in %s are those that were authenticated', async (_, charset, written, more) => {
  const names = ['From', 'Sender', 'Reply-To', 'To', 'Cc']
  const { message, envelope } = await deliver(mailOf([...names.map((name) => `${name}: ${written}`), ...more], charset))
  expect(message.verified_domain).toBe('evil.example')
  const [to] = message.to
  for (const shown of [message.from, ...message.reply_to, to, ...message.cc])
    expect(shown).toMatch(/ <a@evil.example>$/)
  for (const name of names) expect(message.headers[name]).toBe(written.replace('\x83', '\u0192'))
  expect(envelope.match(/ NIL "a" "evil.example"\)/g)).toHaveLength(names.length)
  expect(envelope).not.toContain('"bank.example"')
})

test('so are those of a message in a message', async () => {
  const parts = [
    'Content-Type: text/plain; charset=utf-7\r\n\r\nhello',
    `Content-Type: message/rfc822\r\n\r\nFrom: ${UTF_7}\r\nSubject: inner\r\n\r\nhello`,
  ]
  const { structure } = await deliver(
    `From: a@evil.example\r\nSubject: x\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n${parts.map((part) => `--b\r\n${part}\r\n`).join('')}--b--\r\n`,
  )
  expect(structure).toContain(' NIL "a" "evil.example")')
  expect(structure).not.toContain('"bank.example"')
})

test('names are read in the charset of the body', async () => {
  const { message, envelope } = await deliver(mailOf(['From: \x93\xfa\x96{ <a@evil.example>'], 'shift_jis'))
  expect(message).toMatchObject({ from: '日本 <a@evil.example>', headers: { From: '日本 <a@evil.example>' } })
  expect(envelope).toContain(`(("=?utf-8?B?${Buffer.from('日本').toString('base64')}?=" NIL "a" "evil.example"))`)
})
