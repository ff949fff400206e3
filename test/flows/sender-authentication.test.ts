/**
 * Who wrote a message, through all layers: SMTP from an untrusted client, a real DNS server, the API and the stored bytes. All tests
 * share one server; each uses a domain of its own.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type DnsServer, startDns, type Zones } from '../support/dns-server.ts'
import { keyZone, sign } from '../support/signed-mail.ts'
import { startWorld, type World } from '../support/world.ts'

const zones: Zones = {}
let dns: DnsServer
let world: World
let inboxId: string

beforeAll(async () => {
  dns = await startDns(zones)
  world = await startWorld({
    env: { MARTLET_TRUSTED_NETWORKS: 'none', MARTLET_DNS_SERVERS: dns.address },
  })
  inboxId = (await world.agentmail.inboxes.create({ username: 'ada' })).inboxId
})
afterAll(async () => {
  await world[Symbol.asyncDispose]()
  await dns[Symbol.asyncDispose]()
})

/** @returns the message as the API shows it, and its raw bytes */
async function deliver(mail: string | Buffer, sender = 'bounce@unrelated.example') {
  await world.smtp.send({
    envelope: { from: sender, to: inboxId },
    raw: mail,
  })
  const { messages } = (
    await world.request('GET', `/v0/inboxes/${inboxId}/messages?limit=1&include_unauthenticated=true&include_spam=true`)
  ).body
  const path = `/v0/inboxes/${inboxId}/messages/${encodeURIComponent(messages[0].message_id)}`
  const message = (await world.request('GET', path)).body
  const raw = (await (await fetch((await world.request('GET', `${path}/raw`)).body.download_url)).text()) as string
  return { message, raw }
}

function mailFrom(from: string, extra = ''): string {
  return `From: ${from}\r\nTo: ada@mail.localhost\r\nSubject: hello\r\nMessage-ID: <${crypto.randomUUID()}@x.test>\r\n${extra}\r\nDear Ada,\r\nthe invoice is attached.\r\n`
}

test('a message that its domain has signed has a verified domain, and says how', async () => {
  Object.assign(zones, keyZone('signed.example'), {
    '_dmarc.signed.example': { TXT: ['v=DMARC1; p=reject'] },
    '1.0.0.127.in-addr.arpa': { PTR: ['mx.unrelated.example'] },
    'mx.unrelated.example': { A: ['127.0.0.1'] },
    'unrelated.example': { TXT: ['v=spf1 ip4:127.0.0.1 -all'] },
  })
  const { message, raw } = await deliver(await sign(mailFrom('Ann <ann@signed.example>'), { domain: 'signed.example' }))
  expect(message.verified_domain).toBe('signed.example')
  expect(message.labels).toEqual(['received', 'unread'])
  expect(message.authentication).toEqual({
    result: 'pass',
    from_domain: 'signed.example',
    spf: {
      ...{ result: 'pass', domain: 'unrelated.example', identity: 'mailfrom', aligned: false },
      reason: expect.stringContaining('designates 127.0.0.1 as permitted sender'),
    },
    dkim: [{ result: 'pass', domain: 'signed.example', selector: 's1', algorithm: 'rsa-sha256', aligned: true }],
    dmarc: { result: 'pass', domain: 'signed.example', policy: 'reject' },
    arc: { result: 'none' },
    iprev: { result: 'pass', name: 'mx.unrelated.example' },
  })
  expect(raw).toMatch(
    /^Return-Path: <bounce@unrelated.example>\r\nAuthentication-Results: mail.localhost;\r\n spf=pass /,
  )
  expect(raw).toContain(' dkim=pass header.d=signed.example header.s=s1 header.a=rsa-sha256;\r\n')
  expect(raw).toContain(
    ' dmarc=pass (p=reject) header.from=signed.example;\r\n iprev=pass policy.iprev=127.0.0.1\r\nReceived: from ',
  )
})

/** SPF for the client of these tests, without a DMARC record. */
const PERMITS = { TXT: ['v=spf1 ip4:127.0.0.1 -all'] }
const DENIES = { TXT: ['v=spf1 -all'] }

test.each<[string, Zones, string, { result: string; labels?: string[]; verified?: boolean }]>([
  ['SPF passes for From', { 'd1.example': PERMITS }, 'a@d1.example', { result: 'pass', verified: true }],
  ['SPF passes for a domain above From', { 'd2.example': PERMITS }, 'a@d2.example', { result: 'pass', verified: true }],
  [
    'only another domain has confirmed it',
    { 'd3.example': {}, 'other3.example': PERMITS },
    'a@other3.example',
    { result: 'unverified' },
  ],
  ['no domain has confirmed it', { 'd4.example': DENIES }, 'a@d4.example', { result: 'unauthenticated' }],
  ['DNS fails for SPF', { 'd5.example': 'fails' }, 'a@d5.example', { result: 'temperror' }],
  [
    'an alias of the SPF record is a loop',
    { 'd8.example': { CNAME: 'd8.example' } },
    'a@d8.example',
    { result: 'temperror' },
  ],
  [
    'the SPF record includes itself',
    { 'd9.example': { TXT: ['v=spf1 include:d9.example +all'] } },
    'a@d9.example',
    { result: 'unauthenticated' },
  ],
  [
    'the SPF record arrives over TCP',
    { 'd10.example': { TXT: [['v=spf1 ', ...new Array(60).fill('ip4:192.0.2.1 '), 'ip4:127.0.0.1 -all']] } },
    'a@d10.example',
    { result: 'pass', verified: true },
  ],
  [
    'the policy is quarantine, and nothing passes',
    { 'd11.example': DENIES, '_dmarc.d11.example': { TXT: ['v=DMARC1; p=quarantine'] } },
    'a@d11.example',
    { result: 'fail', labels: ['spam'] },
  ],
  [
    'the policy is quarantine, and its record has mistakes',
    { 'd14.example': DENIES, '_dmarc.d14.example': { TXT: ['v=DMARC1; p=quarantine;; rua; p=none; pct=100'] } },
    'a@d14.example',
    { result: 'fail', labels: ['spam'] },
  ],
  [
    'the policy is none, and nothing passes',
    { 'd12.example': DENIES, '_dmarc.d12.example': { TXT: ['v=DMARC1; p=none'] } },
    'a@d12.example',
    { result: 'unauthenticated' },
  ],
  [
    'the policy is reject, but DNS fails for SPF',
    { 'd13.example': 'fails', '_dmarc.d13.example': { TXT: ['v=DMARC1; p=reject'] } },
    'a@d13.example',
    { result: 'temperror' },
  ],
])('%s', async (_what, records, sender, expected) => {
  Object.assign(zones, records)
  const number = /\d+/.exec(sender)![0]
  const { message } = await deliver(mailFrom(`a@d${number}.example`), sender)
  const hidden = ['temperror', 'unauthenticated'].includes(expected.result) ? ['unauthenticated'] : []
  const labels = ['received', 'unread', ...(expected.labels ?? hidden)].sort()
  expect(message.authentication.result).toBe(expected.result)
  expect(message).toMatchObject({ labels, authentication: { from_domain: `d${number}.example` } })
  expect(message.verified_domain).toBe(expected.verified ? `d${number}.example` : undefined)
})

test('DNS that does not answer, or answers another question, is a temperror', async () => {
  const limits = { dns: { tryMs: 50, triesMax: 1 } }
  const env = { MARTLET_TRUSTED_NETWORKS: 'none', MARTLET_DNS_SERVERS: dns.address }
  await using hasty = await startWorld({ env, limits })
  const eve = await hasty.agentmail.inboxes.create({ username: 'eve' })
  const socket = await hasty.subscribe({ eventTypes: ['message.received.unauthenticated'] })
  Object.assign(zones, {
    'd6.example': DENIES,
    '_dmarc.d6.example': 'silent',
    'd7.example': DENIES,
    '_dmarc.d7.example': { TXT: ['v=DMARC1; p=none'], liesAs: 'x.example' },
  } satisfies Zones)
  for (const from of ['a@d6.example', 'a@d7.example']) {
    await hasty.smtp.send({ envelope: { from, to: eve.email }, raw: mailFrom(from) })
    expect((await socket.next()).message).toMatchObject({
      labels: ['received', 'unauthenticated', 'unread'],
      authentication: { result: 'temperror', dmarc: { result: 'temperror' } },
    })
  }
})

test('a message that fails the policy reject is refused with 5.7.26, and nothing is stored', async () => {
  Object.assign(zones, { 'r1.example': DENIES, '_dmarc.r1.example': { TXT: ['v=DMARC1; p=reject'] } })
  const count = async () => (await world.request('GET', `/v0/inboxes/${inboxId}/messages?include_spam=true`)).body.count
  const before = await count()
  const refused = deliver(mailFrom('a@r1.example'), 'a@r1.example')
  await expect(refused).rejects.toThrow(
    '550 5.7.26 The DMARC policy of r1.example rejects this message: neither SPF nor DKIM passes for that domain',
  )
  expect(await count()).toBe(before)
  const signed = await sign(mailFrom('a@r1.example'), { domain: 'r1.example' })
  Object.assign(zones, keyZone('r1.example'))
  const changed = deliver(signed.replace('invoice', 'malware'), 'a@r1.example')
  await expect(changed).rejects.toThrow('550 5.7.26')
  expect((await deliver(signed, 'a@r1.example')).message.verified_domain).toBe('r1.example')
})

test.each([
  ['several From fields', 'a@f1.example\r\nFrom: b@f1.example'],
  ['several addresses in From', 'a@f1.example, b@f1.example'],
  ['several addresses in one mailbox of From', '<ceo@bank.example> Ann <a@f1.example>'],
  ['several addresses without brackets', 'ceo@bank.example a@f1.example'],
  ['no address in From', 'Ann'],
])('%s are never confirmed', async (_what, from) => {
  Object.assign(zones, { 'f1.example': PERMITS })
  const { message } = await deliver(mailFrom(from), 'a@f1.example')
  expect(message.labels).toEqual(['received', 'unauthenticated', 'unread'])
  expect(message.verified_domain).toBeUndefined()
  expect(message.authentication).toMatchObject({ result: 'unauthenticated', spf: { result: 'pass' } })
})

test.each([
  ['junk in brackets', 'Ann <x> <a@f2.example>'],
  ['an address in brackets, twice', '<a@f2.example> <a@f2.example>'],
  ['the address of somebody else as a name', 'ann@other.example <a@f2.example>'],
])('a From with %s is confirmed as one without', async (_what, from) => {
  Object.assign(zones, { 'f2.example': PERMITS })
  const { message } = await deliver(mailFrom(from), 'a@f2.example')
  expect(message).toMatchObject({ verified_domain: 'f2.example', authentication: { result: 'pass' } })
})

/** Its domain rejects what it has not confirmed; `evil.example` has confirmed the message. */
const IMPERSONATED: Zones = {
  'bank.example': DENIES,
  '_dmarc.bank.example': { TXT: ['v=DMARC1; p=reject'] },
  'evil.example': PERMITS,
}

test('a From has the same address in every charset: the one that was checked is shown', async () => {
  Object.assign(zones, IMPERSONATED)
  // Read as UTF-7: "x" <ceo@bank.example> (" <a@evil.example> )
  const from = '"\xff+ACI +ADw-ceo+AEA-bank.example+AD4 +ACg-" <a@evil.example> +ACk-'
  const type = 'Content-Type: text/plain; charset=utf-7\r\n'
  const raw = Buffer.from(mailFrom(from, type), 'latin1')
  const { message } = await deliver(raw, 'a@evil.example')
  expect(message.verified_domain).toBe('evil.example')
  expect(message.from).toContain('<a@evil.example>')
  expect(message.from).not.toContain('<ceo@bank.example>')
})

test('a From with white space before its colon is a field, also in the first line', async () => {
  Object.assign(zones, IMPERSONATED)
  const mail = (from: string) => mailFrom(from).replace('From:', 'From :')
  await expect(deliver(mail('ceo@bank.example'), 'a@evil.example')).rejects.toThrow('550 5.7.26')
  expect((await deliver(mail('a@evil.example'), 'a@evil.example')).message.verified_domain).toBe('evil.example')
})

test.each([
  ['a line that begins with a space', ' x\r\n'],
  ['several of them', '\t\r\n \r\n'],
  ['the first line of a file of mbox', 'From ceo@bank.example Mon Nov 30 00:00:00 2026\r\n'],
])('a From after %s is checked', async (_what, first) => {
  Object.assign(zones, IMPERSONATED)
  const refused = deliver(`${first}${mailFrom('ceo@bank.example')}`, 'a@evil.example')
  await expect(refused).rejects.toThrow('550 5.7.26')
  const { message } = await deliver(`${first}${mailFrom('a@evil.example')}`, 'a@evil.example')
  expect(message).toMatchObject({ verified_domain: 'evil.example', from: 'a@evil.example', subject: 'hello' })
})

test('forged results in our name are removed; those of others stay', async () => {
  Object.assign(zones, { 'a1.example': DENIES })
  const fields = [
    'Authentication-Results: mail.localhost; dmarc=pass header.from=a1.example',
    'X-Kept: 1',
    'AUTHENTICATION-RESULTS: (x) MAIL.localhost;\r\n spf=pass',
    'Authentication-Results: relay.example; spf=pass',
  ]
  const { raw } = await deliver(mailFrom('a@a1.example', `${fields.join('\r\n')}\r\n`), 'a@a1.example')
  const servers = [...raw.matchAll(/^authentication-results:.*$/gim)].map(([line]) => line)
  expect(servers).toEqual([
    'Authentication-Results: mail.localhost;',
    'Authentication-Results: relay.example; spf=pass',
  ])
  expect(raw).toContain('X-Kept: 1\r\nAuthentication-Results: relay')
  expect(raw).not.toContain('dmarc=pass')
})

test('a large message, in a blob, gets the same fields, and loses the same ones', async () => {
  Object.assign(zones, keyZone('big.example'))
  const forged = 'Authentication-Results: mail.localhost; spf=pass\r\n'
  const body = `${'0123456789 '.repeat(6)}\r\n`.repeat(8_000)
  const mail = await sign(`${mailFrom('a@big.example', forged)}${body}`, { domain: 'big.example' })
  const { message, raw } = await deliver(mail, 'a@big.example')
  expect(message.verified_domain).toBe('big.example')
  expect(raw.match(/^authentication-results:/gim)).toHaveLength(1)
  expect(raw).toContain('dkim=pass header.d=big.example')
  expect(raw.endsWith(body)).toBe(true)
  expect(message.size).toBe(Buffer.byteLength(raw))
})

/** Fields up to the limits of what is read of a header. */
const bytesMax = 256 * 1024
const longField = (size: number) => `X-Pad: ${'x'.repeat(size - 9)}\r\n`
const [forgedFirst, forgedLast] = ['spf', 'dmarc'].map(
  (method) => `Authentication-Results: mail.localhost;\r\n ${method}=pass header.from=bank.example\r\n`,
) as [string, string]

test.each([
  ['more fields than are read', 'X:\r\n'.repeat(20_000)],
  ['more bytes than are read', longField(bytesMax)],
])('a header with %s loses hundreds of forged results, and nothing else', async (_what, padding) => {
  Object.assign(zones, IMPERSONATED)
  const kept = Array.from({ length: 300 }, (_, index) => `X-Kept: ${index}\r\n`)
  const { raw } = await deliver(mailFrom('a@evil.example', padding + kept.join(forgedLast)), 'a@evil.example')
  expect(raw.match(/^authentication-results:/gim)).toHaveLength(1)
  expect(raw).not.toContain('header.from')
  expect(raw).toContain(padding + kept.join(''))
  expect(raw).toContain('\r\n\r\nDear Ada,\r\n')
})

test.each([
  ['more fields than are read', 'X:\r\n'.repeat(20_000)],
  ['more bytes than are read', longField(bytesMax)],
  ['a long field at the limit', longField(2 * bytesMax)],
])('a header with %s confirms nothing, and loses forged results to its end', async (_what, padding) => {
  Object.assign(zones, IMPERSONATED)
  const rest = `From: ceo@bank.example\r\n${forgedLast}X-Kept: 1\r\n`
  const { message, raw } = await deliver(
    mailFrom('a@evil.example', `${forgedFirst}${padding}${rest}`),
    'a@evil.example',
  )
  expect(message).toMatchObject({ labels: ['received', 'unauthenticated', 'unread'], from: 'a@evil.example' })
  expect(message.verified_domain).toBeUndefined()
  expect(message.authentication).toMatchObject({
    ...{ result: 'unauthenticated', reason: 'the header is too large to be verified', spf: { result: 'pass' } },
    dkim: [],
  })
  expect(raw.match(/^authentication-results:/gim)).toHaveLength(1)
  expect(raw).not.toContain('header.from')
  expect(raw).toContain(`${padding}From: ceo@bank.example\r\nX-Kept: 1\r\n\r\nDear Ada,\r\n`)
  // A policy that rejects the From which was read rejects the message.
  const refused = deliver(mailFrom('ceo@bank.example', padding), 'a@evil.example')
  await expect(refused).rejects.toThrow('550 5.7.26')
})

test('a forged result at the limit of a header is removed as a whole', async () => {
  Object.assign(zones, IMPERSONATED)
  const before = mailFrom('a@evil.example').indexOf('\r\n\r\n') + 2
  const padding = longField(bytesMax - before - 30)
  const { raw } = await deliver(mailFrom('a@evil.example', `${padding}${forgedLast}X-Kept: 1\r\n`), 'a@evil.example')
  expect(raw).toContain(`${padding}X-Kept: 1\r\n\r\nDear Ada,\r\n`)
})

test('hidden messages have events of their own, and are found by lists, search and wait that include them', async () => {
  Object.assign(zones, { 'h1.example': DENIES })
  const socket = await world.subscribe({ eventTypes: ['message.received.unauthenticated'] })
  const standard = await world.subscribe()
  const wait = (query: string) =>
    world.request('GET', `/v0/inboxes/${inboxId}/messages/wait?from=a@h1.example&${query}`)
  const waiting = wait('include_unauthenticated=true&wait_seconds=30')
  const { message } = await deliver(mailFrom('a@h1.example'), 'a@h1.example')
  expect((await socket.next()).message.message_id).toBe(message.message_id)
  expect((await waiting).body.message.message_id).toBe(message.message_id)
  expect(standard.pending.filter((frame) => frame.type === 'event')).toEqual([])
  const listed = async (path: string) => (await world.request('GET', path)).body.messages.length
  expect(await listed(`/v0/inboxes/${inboxId}/messages?from=a@h1.example`)).toBe(0)
  expect(await listed(`/v0/inboxes/${inboxId}/messages?from=a@h1.example&include_unauthenticated=true`)).toBe(1)
  expect(await listed(`/v0/inboxes/${inboxId}/messages/search?q=h1.example&include_unauthenticated=true`)).toBe(1)
})

test('an entry of an allow list permits authenticated senders only', async () => {
  Object.assign(zones, { 'l1.example': PERMITS, 'l2.example': DENIES })
  const bob = await world.agentmail.inboxes.create({ username: 'bob' })
  for (const entry of ['l1.example', 'l2.example'])
    await world.request('POST', `/v0/inboxes/${bob.inboxId}/lists/receive/allow`, { body: { entry } })
  const labelsOf = async (domain: string) => {
    await world.smtp.send({ envelope: { from: `a@${domain}`, to: bob.email }, raw: mailFrom(`a@${domain}`) })
    const path = `/v0/inboxes/${bob.inboxId}/messages?limit=1&include_blocked=true&include_unauthenticated=true`
    return (await world.request('GET', path)).body.messages[0].labels
  }
  expect(await labelsOf('l1.example')).toEqual(['received', 'unread'])
  expect(await labelsOf('l2.example')).toEqual(['blocked', 'received', 'unauthenticated', 'unread'])
})

test('mail between inboxes asks no DNS, and counts as authenticated', async () => {
  const eve = await world.agentmail.inboxes.create({ username: 'eve' })
  const socket = await world.subscribe({ inboxIds: [inboxId] })
  const before = dns.questions.length
  await world.agentmail.inboxes.messages.send(eve.inboxId, { to: inboxId, text: 'x' })
  const { message } = await socket.next('message.received')
  expect(message).toMatchObject({ verified_domain: 'mail.localhost', authentication: { result: 'local' } })
  expect(dns.questions).toHaveLength(before)
})
