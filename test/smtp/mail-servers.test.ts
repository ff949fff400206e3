/**
 * Postfix and Exim relay mail to the MX, which trusts no network: who wrote it, what becomes of mail that is refused or deferred, and
 * the extensions of SMTP that they use. Postfix runs where it is installed and the tests run as root; Exim is downloaded.
 *
 * Mail for `tls…@mail.localhost` is relayed over TLS, other mail in clear text through a proxy that records it. Mail for the senders,
 * in `sender.example`, goes to a fake mail server: bounces arrive there.
 */
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { createTransport, type SendMailOptions } from 'nodemailer'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { unpackedOrSkip } from '../support/debian-packages.ts'
import { type DnsServer, startDns } from '../support/dns-server.ts'
import { EXIM_PACKAGES, startExim } from '../support/exim.ts'
import { type FakeMx, mxAddress, startMxs } from '../support/fake-mx.ts'
import { freePort } from '../support/free-port.ts'
import { isPostfixThere, startPostfix } from '../support/postfix.ts'
import { type RecordingProxy, startRecordingProxy } from '../support/recording-proxy.ts'
import { keyZone, sign } from '../support/signed-mail.ts'
import { diskFolder } from '../support/test-folders.ts'
import { startWorld, type World } from '../support/world.ts'

const MESSAGE_BYTES_MAX = 100_000
const UTF8_SENDER = 'jürgen@sender.example'

let dns: DnsServer
let world: World
let proxy: RecordingProxy
let bounces: FakeMx
let closeMxs: AsyncDisposable
let folder: string

beforeAll(async () => {
  dns = await startDns({
    ...keyZone('sender.example'),
    'sender.example': { TXT: ['v=spf1 ip4:127.0.0.1 -all'] },
    '_dmarc.sender.example': { TXT: ['v=DMARC1; p=reject'] },
    'forged.example': { TXT: ['v=spf1 -all'] },
    '_dmarc.forged.example': { TXT: ['v=DMARC1; p=reject'] },
    '1.0.0.127.in-addr.arpa': { PTR: ['relay.example'] },
    'relay.example': { A: ['127.0.0.1'] },
  })
  world = await startWorld({
    env: {
      ...{ MARTLET_TRUSTED_NETWORKS: 'none', MARTLET_DNS_SERVERS: dns.address },
      MARTLET_MESSAGE_BYTES_MAX: `${MESSAGE_BYTES_MAX}`,
    },
  })
  proxy = await startRecordingProxy(world.smtpPort)
  const { mxs, ...closing } = await startMxs({ extensions: ['8BITMIME', 'SMTPUTF8'] })
  closeMxs = closing
  bounces = mxs[0]
  folder = await mkdtemp(join(diskFolder(), 'martlet-test-')) // sockets have short paths
  await chmod(folder, 0o755) // they change to other users
})
afterAll(async () => {
  await proxy?.[Symbol.asyncDispose]()
  await world?.[Symbol.asyncDispose]()
  await dns?.[Symbol.asyncDispose]()
  await closeMxs?.[Symbol.asyncDispose]()
  if (folder) await rm(folder, { recursive: true, force: true })
})

interface Relay {
  readonly port: number
  log(): string
  stop(): void | Promise<void>
}

async function postfix(skip: (why: string) => never): Promise<Relay> {
  if (!isPostfixThere()) skip('Postfix is not installed, or the tests do not run as root')
  const [clear, tls] = [`smtp:[127.0.0.1]:${proxy.port}`, `tls:[127.0.0.1]:${world.smtpPort}`]
  return startPostfix({
    folder: join(folder, 'postfix'),
    port: await freePort(),
    hostname: 'relay.example',
    settings: {
      smtpd_relay_restrictions: 'permit_mynetworks, reject',
      transport_maps: `regexp:{{/^tls.*@mail\\.localhost$$/ ${tls}}, {/@mail\\.localhost$$/ ${clear}}}`,
      default_transport: `smtp:[${mxAddress(0)}]:${bounces.port}`,
      // Times of its queue are whole seconds: with 1 s, it found a message while it was still deferring it, and then left it alone.
      ...{ minimal_backoff_time: '2s', maximal_backoff_time: '2s', queue_run_delay: '1s' },
      smtpd_discard_ehlo_keywords: 'chunking',
    },
    services: 'tls unix - - n - - smtp -o smtp_tls_security_level=encrypt',
  })
}

async function exim(skip: (why: string) => never): Promise<Relay> {
  return startExim({
    files: await unpackedOrSkip(skip, EXIM_PACKAGES),
    folder: join(folder, 'exim'),
    port: await freePort(),
    hostname: 'relay.example',
    configuration: `
accept_8bitmime = true
smtputf8_advertise_hosts = *
acl_smtp_rcpt = accept
acl_smtp_data = accept
retry_interval_max = 1s
begin routers
tls:
  driver = manualroute
  local_parts = ^tls
  route_list = mail.localhost 127.0.0.1
  transport = tls
  self = send
martlet:
  driver = manualroute
  route_list = mail.localhost 127.0.0.1
  transport = martlet
  self = send
senders:
  driver = manualroute
  route_list = * ${mxAddress(0)}
  transport = senders
  self = send
begin transports
martlet:
  driver = smtp
  port = ${proxy.port}
  hosts_avoid_tls = *
tls:
  driver = smtp
  port = ${world.smtpPort}
  hosts_require_tls = *
  tls_verify_certificates =
senders:
  driver = smtp
  port = ${bounces.port}
begin retry
* * F,1h,1s
`,
  })
}

describe.each([
  ['postfix', postfix],
  ['exim', exim],
])('%s', (name, start) => {
  let relay: Relay
  let skipped: string | undefined

  beforeAll(async () => {
    const skip = (why: string): never => {
      skipped = why
      throw new Error(why)
    }
    relay = await start(skip).catch((error: unknown) => {
      if (skipped === undefined) throw error
      return { port: 0, log: () => '', stop: () => undefined }
    })
  })
  afterAll(() => relay?.stop())

  async function submit(mail: SendMailOptions): Promise<void> {
    const transport = createTransport({ host: '127.0.0.1', port: relay.port, ignoreTLS: true })
    await transport.sendMail({ from: 'ann@sender.example', subject: 'hello', text: 'hello', ...mail })
    transport.close()
  }

  async function createInbox(username: string): Promise<string> {
    return (await world.agentmail.inboxes.create({ username: `${username}-${name}` })).inboxId
  }

  /** Resolves with the next notice that the relay sends to this sender. */
  async function bounceFor(sender: string, from: number): Promise<string> {
    const found = () => bounces.messages.slice(from).find(({ to }) => to.includes(sender))
    await bounces.until(() => found() !== undefined)
    const { from: envelopeSender, data } = found()!
    expect(envelopeSender).toMatch(/^<>/)
    return data.replaceAll(/\s+/g, ' ')
  }

  test('signed mail arrives over TLS, and shows who wrote it', async ({ skip }) => {
    if (skipped) skip(skipped)
    const to = await createInbox('tls')
    const socket = await world.subscribe({ inboxIds: [to] })
    const text = `From: Ann <ann@sender.example>\r\nTo: ${to}\r\nSubject: signed\r\nMessage-ID: <signed-${name}@sender.example>\r\nDate: ${new Date().toUTCString()}\r\n\r\nDear Ada,\r\n\r\n.hidden dot\r\n`
    const raw = await sign(text, { domain: 'sender.example' })
    await submit({ envelope: { from: 'bounce@sender.example', to }, raw })
    const { message } = await socket.next('message.received')
    expect(message).toMatchObject({ labels: ['received', 'unread'], verified_domain: 'sender.example' })
    expect(message.text).toContain('\n.hidden dot')
    expect(message.authentication).toMatchObject({
      ...{ result: 'pass', from_domain: 'sender.example', dmarc: { result: 'pass', policy: 'reject' } },
      spf: { result: 'pass', domain: 'sender.example', aligned: true },
      dkim: [{ result: 'pass', domain: 'sender.example', aligned: true }],
      iprev: { result: 'pass', name: 'relay.example' },
    })
    expect(message.headers.Received).toContain('with ESMTPS')
  })

  test('of several recipients in one pipelined transaction, only the unknown one bounces', async ({ skip }) => {
    if (skipped) skip(skipped)
    const [ada, bob] = [await createInbox('ada'), await createInbox('bob')]
    const socket = await world.subscribe({ inboxIds: [ada, bob] })
    const [mails, pieces] = [bounces.messages.length, proxy.sent.length]
    const nobody = `nobody-${name}@mail.localhost`
    await submit({ to: [ada, nobody, bob] })
    const arrived = [await socket.next('message.received'), await socket.next('message.received')]
    expect(arrived.map(({ message }) => message.inbox_id).sort()).toEqual([ada, bob])
    const notice = await bounceFor('ann@sender.example', mails)
    expect(notice).toContain(`550 5.1.1`)
    expect(notice).toMatch(new RegExp(`Final-Recipient: rfc822; ?${nobody}`))
    expect(notice).not.toContain(`Final-Recipient: rfc822; ${ada}`)
    // RFC 2920 §3.1: the commands up to DATA arrive together.
    expect(proxy.sent.slice(pieces).find((piece) => piece.startsWith('MAIL FROM'))).toMatch(
      /^MAIL FROM:.*\r\n(?:RCPT TO:.*\r\n){3}DATA\r\n$/,
    )
  })

  test('mail that DMARC refuses bounces to its envelope sender', async ({ skip }) => {
    if (skipped) skip(skipped)
    const cy = await createInbox('cy')
    const mails = bounces.messages.length
    await submit({ envelope: { from: 'dan@sender.example', to: cy }, from: 'ceo@forged.example', to: cy })
    expect(await bounceFor('dan@sender.example', mails)).toContain(
      '550 5.7.26 The DMARC policy of forged.example rejects this message',
    )
    expect((await world.agentmail.inboxes.messages.list(cy)).count).toBe(0)
  })

  test('deferred mail stays in its queue, and arrives later', async ({ skip, onTestFailed }) => {
    if (skipped) skip(skipped)
    onTestFailed(() => console.log(relay.log()))
    const eve = await createInbox('eve')
    const socket = await world.subscribe({ inboxIds: [eve], eventTypes: ['message.refused', 'message.received'] })
    const quota = (value: number | null) =>
      world.request('PATCH', `/v0/inboxes/${eve}`, { body: { quota_messages: value } })
    await quota(1)
    await submit({ to: eve, subject: 'first' })
    const first = await socket.next('message.received')
    await submit({ to: eve, subject: 'later' })
    expect((await socket.next('message.refused')).refusal).toMatchObject({ code: 'inbox_full' })
    await world.agentmail.inboxes.messages.delete(eve, first.message.message_id)
    expect((await socket.next('message.received')).message.subject).toBe('later')
    expect(relay.log()).toContain(`452 4.2.2 The inbox ${eve} is full`)
  })

  test('a message over our SIZE bounces', async ({ skip }) => {
    if (skipped) skip(skipped)
    const fay = await createInbox('fay')
    const [mails, pieces] = [bounces.messages.length, proxy.sent.length]
    await submit({ from: 'gil@sender.example', to: fay, text: `${'x'.repeat(70)}\n`.repeat(2_000) })
    expect(await bounceFor('gil@sender.example', mails)).toMatch(
      /size 144466 exceeds size limit 100000|552 5\.3\.4 The message is larger than 100000 bytes/,
    )
    const bytes = proxy.sent.slice(pieces).join('').length
    expect(bytes).toBeLessThan(1_000) // it is refused before its bytes are sent (RFC 1870 §6.1)
  })

  test('8-bit text and addresses in UTF-8 arrive as they are', async ({ skip }) => {
    if (skipped) skip(skipped)
    const hal = await createInbox('hal')
    const socket = await world.subscribe({ inboxIds: [hal] })
    const pieces = proxy.sent.length
    const raw = `From: ${UTF8_SENDER}\r\nTo: ${hal}\r\nSubject: Grüße\r\nMessage-ID: <utf8-${name}@sender.example>\r\nDate: ${new Date().toUTCString()}\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nHäuser & Gärten\r\n`
    await submit({ envelope: { from: UTF8_SENDER, to: hal }, raw })
    const { message } = await socket.next('message.received')
    expect(message).toMatchObject({ from: UTF8_SENDER, subject: 'Grüße', verified_domain: 'sender.example' })
    expect(message.text.trim()).toBe('Häuser & Gärten')
    const command = proxy.sent.slice(pieces).find((piece) => piece.startsWith('MAIL FROM'))
    // Exim announces 8BITMIME only for mail for which its own client did.
    const body = name === 'postfix' ? '(?= .*BODY=8BITMIME)' : ''
    expect(command).toMatch(new RegExp(`^MAIL FROM:<${UTF8_SENDER}>(?= .*SIZE=\\d)${body}(?= .*SMTPUTF8)`))
  })
})
