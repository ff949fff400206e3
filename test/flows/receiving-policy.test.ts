/**
 * What a postmaster decides about mail of other servers: rates, spam, complaints, and the events of refused mail. Through SMTP from an
 * untrusted client, a real DNS server, a server that speaks rspamd's protocol, and the API. All tests share one server; each uses
 * addresses and domains of its own.
 */
import { createPublicKey } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { signMessage } from '../../src/formats/dkim/dkim-sign.ts'
import { type DnsServer, startDns, type Zones } from '../support/dns-server.ts'
import { type FakeRspamd, startRspamd } from '../support/fake-rspamd.ts'
import { knownSigningKey } from '../support/shared-signing-keys.ts'
import { readRows } from '../support/test-database.ts'
import { startWorld, type World } from '../support/world.ts'

const SENDER_MAX = 8
const RECIPIENT_MAX = 5
const zones: Zones = {}
let dns: DnsServer
let rspamd: FakeRspamd
let world: World

beforeAll(async () => {
  dns = await startDns(zones)
  rspamd = await startRspamd()
  world = await startWorld({
    env: {
      MARTLET_TRUSTED_NETWORKS: 'none',
      MARTLET_DNS_SERVERS: dns.address,
      MARTLET_SENDER_RATE: String(SENDER_MAX),
      MARTLET_RECIPIENT_RATE: String(RECIPIENT_MAX),
      MARTLET_RSPAMD_URL: rspamd.url,
    },
    limits: {
      policy: { refusalFlushMs: 20, refusalSummaryMs: 20, refusalEventsPerHour: 2, rspamdMs: 1_000, rspamdPauseMs: 0 },
    },
  })
})
afterAll(async () => {
  await world[Symbol.asyncDispose]()
  await rspamd[Symbol.asyncDispose]()
  await dns[Symbol.asyncDispose]()
})
beforeEach(() => {
  rspamd.reply = { action: 'no action', score: 0.5, required_score: 15, symbols: {} }
})

async function newInbox(username: string): Promise<string> {
  return (await world.agentmail.inboxes.create({ username })).inboxId
}

/** Makes SPF pass for mail from this domain. */
function permit(domain: string): string {
  zones[domain] = { TXT: ['v=spf1 ip4:127.0.0.1 -all'] }
  return domain
}

function send(domain: string, to: string | string[], more: { raw?: string; body?: string } = {}) {
  const raw =
    more.raw ??
    `From: a@${domain}\r\nTo: x@mail.localhost\r\nDate: ${new Date().toUTCString()}\r\nSubject: hello\r\nMessage-ID: <${crypto.randomUUID()}@x.test>\r\n\r\n${more.body ?? 'hello'}\r\n`
  return world.smtp.send({ envelope: { from: `a@${domain}`, to }, raw })
}

test('a sender, and an address, can have a limit per hour, and those that are refused have events', async () => {
  const [ada, bob, eve] = [await newInbox('ada'), await newInbox('bob'), await newInbox('eve')]
  const socket = await world.subscribe({ eventTypes: ['message.refused'] })
  const busy = permit('busy.example')
  for (let count = 0; count < 4; count += 1) await send(busy, [ada, bob])
  for (let count = 4; count < SENDER_MAX; count += 1) await send(busy, eve)
  await expect(send(busy, eve)).rejects.toThrow('450 4.7.1 Too many messages from busy.example: at most 8 per hour')
  expect((await socket.next('message.refused')).refusal).toEqual({
    ...{ inbox_id: eve, recipient: eve, sender: 'a@busy.example', client_address: '127.0.0.1' },
    code: 'sender_rate_exceeded',
    reason: 'Too many messages from busy.example: at most 8 per hour',
    ...{ timestamp: expect.any(String), count: 1 },
  })

  const other = permit('other.example')
  await send(other, [ada, eve])
  const tooMany = `450 4.7.1 Too many messages for ${ada}: at most ${RECIPIENT_MAX} per hour`
  await expect(send(other, ada)).rejects.toThrow(tooMany)
  // The other recipients of a message get it.
  await send(other, [ada, bob])
  // Further ones are counted, so that nobody can fill the log.
  for (let count = 0; count < 3; count += 1) await expect(send(other, ada)).rejects.toThrow(tooMany)
  let refused = 0
  let events = 0
  while (refused < 5) {
    const { refusal } = await socket.next('message.refused')
    expect(refusal).toMatchObject({ inbox_id: ada, code: 'recipient_rate_exceeded' })
    events += 1
    refused += refusal.count
  }
  expect([refused, events <= 5]).toEqual([5, true])
})

test('rspamd gets the message and its envelope, and its actions decide', async () => {
  const [fay, gil] = [await newInbox('fay'), await newInbox('gil')]
  const spam = await world.subscribe({ eventTypes: ['message.received.spam', 'message.refused'] })
  const domain = permit('shop.example')
  rspamd.asked.length = 0
  rspamd.reply = {
    ...{ action: 'add header', score: 7.25, required_score: 15 },
    thresholds: { reject: 15, 'add header': 6, greylist: 4 },
    symbols: { SHORT: { score: 0.25 }, BAYES_SPAM: { score: 7, description: 'Bayes' }, IGNORED: { score: 0 } },
  }
  await send(domain, [fay, gil], { body: 'cheap pills' })
  const [asked] = rspamd.asked
  expect(asked).toMatchObject({
    path: '/checkv2',
    rcpt: [fay, gil],
    headers: { from: 'a@shop.example', ip: '127.0.0.1', helo: expect.any(String), 'mta-name': 'mail.localhost' },
  })
  expect(asked!.body).toMatch(/^From: a@shop.example\r\n(?:.+\r\n)+\r\ncheap pills\r\n$/)
  const { message } = await spam.next('message.received.spam')
  expect(message).toMatchObject({
    labels: ['received', 'spam', 'unread'],
    verified_domain: 'shop.example',
    spam: {
      ...{ checker: 'rspamd', is_spam: true, score: 7.25, threshold: 6 },
      reasons: [
        { name: 'BAYES_SPAM', score: 7, description: 'Bayes' },
        { name: 'SHORT', score: 0.25 },
      ],
    },
  })
  await spam.next('message.received.spam')

  rspamd.reply = { action: 'reject', score: 20, required_score: 15, symbols: {} }
  await expect(send(domain, fay)).rejects.toThrow('550 5.7.1 The message was taken for spam')
  expect((await spam.next('message.refused')).refusal).toMatchObject({ inbox_id: fay, code: 'spam_rejected' })
  rspamd.reply = { action: 'soft reject', score: 5, required_score: 15, symbols: {} }
  await expect(send(domain, fay)).rejects.toThrow('451 4.7.1 The message is not accepted now')
  expect((await spam.next('message.refused')).refusal).toMatchObject({ inbox_id: fay, code: 'spam_deferred' })

  const standard = await world.subscribe({ inboxIds: [fay] })
  rspamd.reply = { action: 'greylist', score: 4.5, required_score: 15, symbols: {} }
  await send(domain, fay)
  expect((await standard.next('message.received')).message.spam).toMatchObject({
    is_spam: false,
    score: 4.5,
    threshold: 15,
  })
})

test.each<[string, FakeRspamd['reply']]>([
  ['answers with an error', 500],
  ['does not answer', 'hang'],
  ['sends no JSON', '<html>'],
  ['sends a score that is no finite number', '{"action":"no action","score":1e999}'],
  ['sends too much', `"${'x'.repeat(300_000)}"`],
])('while rspamd %s, mail is accepted and checked by the built-in rules', async (_what, reply) => {
  const name = `hal${String(reply).length}`
  const inbox = await newInbox(name)
  const domain = permit(`${name}.example`)
  const socket = await world.subscribe({ inboxIds: [inbox], eventTypes: ['message.received', 'message.received.spam'] })
  rspamd.reply = reply
  await send(domain, inbox)
  expect((await socket.next('message.received')).message.spam).toMatchObject({ checker: 'built-in', is_spam: false })
  const gtube = `XJS*C4JDBQADN1.NSBN3*2IDNEN*${'GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL'}*C.34X`
  await send(domain, inbox, { body: gtube })
  const { message } = await socket.next('message.received.spam')
  expect(message.spam).toMatchObject({ is_spam: true, threshold: 6, reasons: [{ name: 'gtube' }, {}] })
})

test('a message that DMARC refuses leaves an event in the inbox of each recipient', async () => {
  const ida = await newInbox('ida')
  zones['strict.example'] = { TXT: ['v=spf1 -all'] }
  zones['_dmarc.strict.example'] = { TXT: ['v=DMARC1; p=reject'] }
  const named = await world.subscribe({ eventTypes: ['message.refused'] })
  const standard = await world.subscribe({ inboxIds: [ida] })
  await expect(send('strict.example', ida)).rejects.toThrow('550 5.7.26')
  expect((await named.next('message.refused')).refusal).toMatchObject({
    ...{ inbox_id: ida, sender: 'a@strict.example', code: 'dmarc_rejected' },
    reason: expect.stringContaining('The DMARC policy of strict.example rejects this message'),
  })
  expect(standard.pending.filter((frame) => frame.type === 'event')).toEqual([])
})

function report(
  from: string,
  about: { messageId: string; sender: string; recipient?: string; type?: string; signature?: string },
): string {
  return [
    `From: <fbl@${from}>`,
    'To: <postmaster@mail.localhost>',
    `Message-ID: <${crypto.randomUUID()}@${from}>`,
    'Subject: FW: hello',
    'MIME-Version: 1.0',
    'Content-Type: multipart/report; report-type=feedback-report; boundary="b"',
    '',
    '--b',
    'Content-Type: text/plain',
    '',
    'This is an email abuse report.',
    '--b',
    'Content-Type: message/feedback-report',
    '',
    `Feedback-Type: ${about.type ?? 'abuse'}`,
    'User-Agent: SomeGenerator/1.0',
    'Version: 1',
    ...(about.recipient === undefined ? [] : [`Original-Rcpt-To: <${about.recipient}>`]),
    '',
    '--b',
    'Content-Type: message/rfc822',
    '',
    ...(about.signature === undefined ? [] : [about.signature]),
    `From: <${about.sender}>`,
    `Message-ID: ${about.messageId}`,
    'Subject: hello',
    '',
    'hello',
    '--b--',
    '',
  ].join('\r\n')
}

test('a report of spam by a confirmed domain is a complaint, and ends mail to that recipient', async () => {
  const { agentmail } = world
  const [jan, postmaster] = [await newInbox('jan'), 'postmaster@mail.localhost']
  const socket = await world.subscribe({ inboxIds: [jan], eventTypes: ['message.complained'] })
  const labelsOf = async (id: string) =>
    (await world.request('GET', `/v0/inboxes/${jan}/messages/${encodeURIComponent(id)}`)).body.labels
  const provider = permit('provider.example')
  const one = await agentmail.inboxes.messages.send(jan, { to: 'kim@provider.example', text: 'hello' })
  const about = { messageId: one.messageId, sender: jan }

  zones['forger.example'] = { TXT: ['v=spf1 -all'] }
  await send('forger.example', postmaster, { raw: report('forger.example', about) })
  await send(provider, postmaster, { raw: report(provider, { ...about, type: 'not-spam' }) })
  await send(provider, postmaster, { raw: report(provider, { ...about, messageId: '<unknown@mail.localhost>' }) })
  expect(await labelsOf(one.messageId)).not.toContain('complained')

  const complaint = report(provider, about)
  await send(provider, postmaster, { raw: complaint })
  const event = {
    ...{ inbox_id: jan, message_id: one.messageId, type: 'abuse', sub_type: 'General' },
    recipients: ['kim@provider.example'],
  }
  expect((await socket.next('message.complained')).complaint).toMatchObject(event)
  expect(await labelsOf(one.messageId)).toContain('complained')
  const entry = await world.request('GET', '/v0/lists/send/block/kim@provider.example')
  expect(entry.body).toMatchObject({ read_only: true, reason: 'Complained: abuse, reported by provider.example' })
  await expect(agentmail.inboxes.messages.send(jan, { to: 'kim@provider.example', text: 'x' })).rejects.toMatchObject({
    statusCode: 403,
  })

  // Of several recipients, one cannot end the mail to another.
  const two = await agentmail.inboxes.messages.send(jan, {
    to: ['lea@provider.example', 'max@else.example'],
    text: 'x',
  })
  const second = { messageId: two.messageId, sender: jan }
  await send(provider, jan, { raw: report(provider, { ...second, recipient: 'max@else.example' }) })
  // A provider that repeats a report changes nothing.
  const inbox = await newInbox('reports')
  await send(provider, inbox, { raw: complaint })
  await send(provider, inbox, { raw: report(provider, { ...second, recipient: 'lea@provider.example' }) })
  expect((await socket.next('message.complained')).complaint.recipients).toEqual(['lea@provider.example'])
  expect((await world.request('GET', '/v0/lists/send/block/max@else.example')).status).toBe(404)
})

test('a domain that is not the recipient is believed only if it has the message, not if it knows its Message-ID', async () => {
  const uma = await newInbox('uma')
  const socket = await world.subscribe({ inboxIds: [uma], eventTypes: ['message.complained'] })
  const sent = await world.agentmail.inboxes.messages.send(uma, { to: 'vic@victim.example', text: 'hello' })
  const stored = await world.request('GET', `/v0/inboxes/${uma}/messages/${encodeURIComponent(sent.messageId)}`)
  // Others know this Message-ID from References of another message.
  const about = { messageId: sent.messageId, sender: uma }
  const inbox = await newInbox('reports2')
  const provider = permit('hoster.example')
  await send(provider, inbox, { raw: report(provider, { ...about, signature: 'DKIM-Signature: v=1; b=' }) })
  await send(provider, inbox, { raw: report(provider, about) })
  const blocked = () => world.request('GET', '/v0/lists/send/block/vic@victim.example')
  expect((await blocked()).status).toBe(404)
  const signature = `DKIM-Signature: ${stored.body.headers['DKIM-Signature']}`
  expect(signature).toMatch(/b=/)
  await send(provider, inbox, { raw: report(provider, { ...about, signature }) })
  expect((await socket.next('message.complained')).complaint.recipients).toEqual(['vic@victim.example'])
  expect((await blocked()).status).toBe(200)
})

// Its peer got an error for the stored report, each time that it repeated it.
test('a complaint about a message whose bytes are lost is recorded without comparing its signatures', async () => {
  const wim = await newInbox('wim')
  const socket = await world.subscribe({ inboxIds: [wim], eventTypes: ['message.complained'] })
  const attachment = { filename: 'a.txt', content: Buffer.alloc(400_000, 'a').toString('base64') }
  const sent = await world.agentmail.inboxes.messages.send(wim, {
    ...{ to: 'xena@lost.example', text: 'hello', attachments: [attachment] },
  })
  const [[key]] = (await readRows(
    world,
    `select blob_key from contents join messages on messages.content_id = contents.id
      where blob_key is not null order by contents.created_at desc limit 1`,
  )) as [[string]]
  await rm(join(world.shared.blobsDir, key.slice(0, 2), key))
  const about = { messageId: sent.messageId, sender: wim, signature: 'DKIM-Signature: v=1; b=unknown' }
  await send(permit('lost.example'), await newInbox('reports3'), { raw: report('lost.example', about) })
  expect((await socket.next('message.complained')).complaint.recipients).toEqual(['xena@lost.example'])
})

test('subdomains of a domain are one sender', async () => {
  const inboxes = [await newInbox('ned'), await newInbox('oda')]
  for (let count = 0; count < SENDER_MAX; count += 1) await send(permit(`s${count}.many.example`), inboxes[count % 2]!)
  const tooMany = `450 4.7.1 Too many messages from many.example: at most ${SENDER_MAX} per hour`
  await expect(send(permit('other.many.example'), await newInbox('pat'))).rejects.toThrow(tooMany)
})

test('who sends a signed message of another domain again does not use up the limit of that domain', async () => {
  const honest = permit('honest.example')
  const privateKey = knownSigningKey()
  const key = createPublicKey(privateKey).export({ type: 'spki', format: 'der' }).toString('base64')
  zones[`s._domainkey.${honest}`] = { TXT: [['v=DKIM1; k=rsa; p=', key.slice(0, 200), key.slice(200)]] }
  const text = `From: a@${honest}\r\nTo: x@mail.localhost\r\nMessage-ID: <signed@${honest}>\r\n\r\nhello\r\n`
  const signing = { domain: honest, selector: 's', privateKey, signedAt: new Date() }
  const raw = (await signMessage(Buffer.from(text), signing)).toString()
  const inboxes = [await newInbox('sam'), await newInbox('tia')]
  const socket = await world.subscribe({ inboxIds: inboxes })
  // Also where SPF passes, since it passes for a domain that is not that of the From.
  permit('replays.example')
  for (let count = 0; count < SENDER_MAX; count += 1) {
    const from = count < SENDER_MAX / 2 ? 'unlisted.example' : 'replays.example'
    await send(from, inboxes[count % 2]!, { raw })
  }
  expect((await socket.next('message.received')).message).toMatchObject({ verified_domain: honest })
  const tooMany = `450 4.7.1 Too many messages from ${honest} by the network 127.0.0.1: at most ${SENDER_MAX} per hour`
  await expect(send('replays.example', inboxes[0]!, { raw })).rejects.toThrow(tooMany)
  await send(honest, inboxes[0]!)
})

test('all addresses of an inbox share its limit, and its number of events', async () => {
  const pia = await newInbox('pia')
  const aliases = Array.from({ length: 24 }, (_, index) => `pia.${index}@mail.localhost`)
  for (const address of aliases) await world.request('POST', `/v0/inboxes/${pia}/aliases`, { body: { address } })
  const socket = await world.subscribe({ inboxIds: [pia], eventTypes: ['message.refused'] })
  const domain = permit('aliases.example')
  for (let count = 0; count < RECIPIENT_MAX; count += 1) await send(domain, aliases[count]!)
  await expect(send(domain, aliases)).rejects.toThrow('450 4.7.1 Too many messages for pia.0@mail.localhost')
  let refused = 0
  let events = 0
  while (refused < aliases.length) {
    const { refusal } = await socket.next('message.refused')
    expect(refusal).toMatchObject({ inbox_id: pia, recipient: expect.stringMatching(/^pia\.\d+@/) })
    refused += refusal.count
    events += 1
  }
  expect([refused, events < aliases.length / 2]).toEqual([aliases.length, true])
})

test('messages that are refused do not use up the limit of an address', async () => {
  const ray = await newInbox('ray')
  const domain = permit('refused.example')
  rspamd.reply = { action: 'reject', score: 20, required_score: 15, symbols: {} }
  for (let count = 0; count < RECIPIENT_MAX; count += 1) await expect(send(domain, ray)).rejects.toThrow('550 5.7.1')
  rspamd.reply = { action: 'no action', score: 0, required_score: 15, symbols: {} }
  await send(domain, ray)
})
