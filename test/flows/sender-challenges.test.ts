/**
 * Challenges of senders, through all layers: SMTP from untrusted clients, DNS, the mail to the sender, the page of its link, and what
 * clients see. All tests share one server; each uses domains and inboxes of its own.
 */
import { createTransport } from 'nodemailer'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type DnsServer, type Records, startDns, type Zones } from '../support/dns-server.ts'
import { type FakeMx, mxAddress, startMxs } from '../support/fake-mx.ts'
import { keyZone, sign } from '../support/signed-mail.ts'
import { changeRows, readRows } from '../support/test-database.ts'
import { startWorld, type World } from '../support/world.ts'

const zones: Zones = { 'mx.test': { A: [mxAddress(0)] } }
const MX: Records = { MX: [{ preference: 10, exchange: 'mx.test' }] }
let dns: DnsServer
let mx: FakeMx
let world: World
let closeMxs: () => PromiseLike<void>

beforeAll(async () => {
  dns = await startDns(zones)
  const { mxs, port, ...rest } = await startMxs({})
  mx = mxs[0]
  closeMxs = rest[Symbol.asyncDispose]
  world = await startWorld({
    env: {
      ...{ MARTLET_TRUSTED_NETWORKS: 'none', MARTLET_DNS_SERVERS: dns.address, MARTLET_OUTBOUND: 'direct' },
      ...{ MARTLET_OUTBOUND_PORT: `${port}`, MARTLET_PUBLIC_URL: 'https://mail.test' },
      MARTLET_SENDER_CHALLENGES: 'inboxes',
    },
    limits: { challenges: { perNetworkHourMax: 1_000 } },
  })
})
afterAll(async () => {
  await world?.[Symbol.asyncDispose]()
  await closeMxs?.()
  await dns?.[Symbol.asyncDispose]()
})

const call = async (method: string, path: string, body?: unknown, key?: string) =>
  world.request(method, path, { ...(body !== undefined && { body }), ...(key && { key }) })

async function makeInbox(username: string, challenge_senders: boolean | null = true): Promise<string> {
  const { status, body } = await call('POST', '/v0/inboxes', { username, challenge_senders })
  expect(status, JSON.stringify(body)).toBe(200)
  return body.inbox_id
}

interface Mail {
  readonly to: string
  readonly from: string
  /** Of the envelope; default: as in From. */
  readonly sender?: string
  readonly subject?: string
  /** Fields with their line ends. */
  readonly more?: string
  /** Address of the client. */
  readonly client?: string
  readonly signedBy?: string
  readonly toField?: string
}

let count = 0

/** Sends a message from outside. @returns it as the API lists it */
async function deliver(mail: Mail) {
  const { to, from, sender = from, subject = 'hello', more = '', client = '127.0.0.1', toField = to } = mail
  count += 1
  const unsigned = `From: Ann <${from}>\r\nTo: ${toField}\r\nSubject: ${subject}\r\nMessage-ID: <${count}@x.test>\r\n${more}\r\nHello ${count}\r\n`
  const raw = mail.signedBy === undefined ? unsigned : await sign(unsigned, { domain: mail.signedBy })
  const where = { host: '127.0.0.1', port: world.smtpPort, localAddress: client }
  const transport = createTransport({ ...where, tls: { rejectUnauthorized: false } })
  await transport.sendMail({ envelope: { from: sender, to }, raw })
  transport.close()
  return message(to, `<${count}@x.test>`)
}

const message = async (inbox: string, id: string) =>
  (await call('GET', `/v0/inboxes/${inbox}/messages/${encodeURIComponent(id)}`)).body

const challengesTo = (address: string) => mx.messages.filter(({ to }) => to.includes(address))

/** Waits for a challenge. @returns the path of its link */
async function linkTo(address: string, number = 1): Promise<string> {
  await mx.until(() => challengesTo(address).length >= number)
  const data = challengesTo(address)[number - 1]!.data.replace(/=\r\n/g, '') // quoted-printable
  return /https:\/\/mail\.test(\/verify-sender\/[\w-]{43})\r\n/.exec(data)![1]!
}

const confirm = (path: string) => world.request('POST', path, { key: '' })

test('a sender confirms that it wrote a message: this one and later ones from there are verified, for this inbox', async () => {
  Object.assign(zones, { 'flow.example': MX })
  const inbox = await makeInbox('flow')
  const other = await makeInbox('flow-other', false)
  const { body: key } = await call('POST', `/v0/inboxes/${inbox}/api-keys`, {})
  const socket = await world.subscribe({ inboxIds: [inbox], eventTypes: ['sender.verified', 'sender.revoked'] })
  const inAssmbl = async (query = '') => (await call('GET', `/inbox${query}`, undefined, key.api_key)).body.items

  const mail = { to: inbox, from: 'Ann@flow.example', subject: 'Buy my things' }
  const first = await deliver(mail)
  expect(first.labels).toContain('unauthenticated')
  expect(first.verified_sender).toBeUndefined()
  const path = await linkTo('ann@flow.example')

  // The mail: nothing answers it, and nothing in it comes from the sender.
  const [challenge] = challengesTo('ann@flow.example')
  expect(challenge!.from).toBe('<>')
  expect(challenge!.data).toContain('Auto-Submitted: auto-replied\r\n')
  expect(challenge!.data).toContain(`From: Martlet <${inbox}>\r\n`)
  expect(challenge!.data).not.toMatch(/Buy my things|<1@x\.test>|In-Reply-To|References/)

  // Scanners of mail open links: that confirms nothing.
  for (const method of ['GET', 'HEAD', 'GET']) {
    const page = await world.request(method, path, { key: '' })
    expect(page.status).toBe(200)
    expect(page.headers.get('content-security-policy')).toContain("default-src 'none'")
    expect(page.headers.get('cache-control')).toBe('no-store')
    if (method === 'GET')
      expect(page.body).toMatch(/ann@flow\.example[\s\S]*network address 127\.0\.0\.1[\s\S]*<form method="post">/)
  }
  expect((await message(inbox, first.message_id)).verified_sender).toBeUndefined()
  expect(await inAssmbl('?verified_only=true')).toEqual([])
  expect((await world.request('DELETE', path, { key: '' })).status).toBe(405)

  const form = { 'content-type': 'application/x-www-form-urlencoded' }
  const confirmed = await world.request('POST', path, { key: '', headers: form })
  expect(confirmed).toMatchObject({ status: 200, body: expect.stringContaining('Confirmed') })
  const { sender } = await socket.next('sender.verified')
  expect(sender).toMatchObject({ inbox_id: inbox, address: 'ann@flow.example', origin: 'network:127.0.0.1' })
  for (const again of [await confirm(path), await world.request('GET', path, { key: '' })]) {
    expect(again).toMatchObject({ status: 404, body: expect.stringContaining('does not work') })
  }

  expect((await message(inbox, first.message_id)).verified_sender).toBe('ann@flow.example')
  const second = await deliver({ ...mail, subject: 'second' })
  expect(second.verified_sender).toBe('ann@flow.example')
  expect(second.verified_domain).toBeUndefined()
  expect((await deliver({ ...mail, to: other })).verified_sender).toBeUndefined()
  const seen = (await inAssmbl()).map((item: { SenderVerified: boolean }) => item.SenderVerified)
  expect(seen).toEqual([true, true])
  expect(await inAssmbl('?verified_only=true')).toHaveLength(2)

  const at = `/v0/inboxes/${inbox}/verified-senders`
  const { body: listed } = await call('GET', at)
  expect(listed).toMatchObject({
    count: 1,
    verified_senders: [{ sender_id: sender.sender_id, address: 'ann@flow.example', origin: 'network:127.0.0.1' }],
  })
  expect((await call('DELETE', `${at.replace(inbox, other)}/${sender.sender_id}`)).status).toBe(404)
  expect((await call('DELETE', `${at}/${sender.sender_id}`)).status).toBe(204)
  await socket.next('sender.revoked')
  expect((await message(inbox, second.message_id)).verified_sender).toBeUndefined()
  expect(await inAssmbl('?verified_only=true')).toEqual([])
  expect((await call('DELETE', `${at}/${sender.sender_id}`)).status).toBe(404)
  expect(challengesTo('ann@flow.example')).toHaveLength(1)
})

test('a message with the same From from elsewhere is not verified by the answer', async () => {
  Object.assign(zones, { 'forged.example': MX, ...keyZone('relay.example') })
  const inbox = await makeInbox('forged')
  const mail = { to: inbox, from: 'ann@forged.example' }
  await deliver(mail)
  await confirm(await linkTo(mail.from))
  expect((await deliver(mail)).verified_sender).toBe(mail.from)
  const forgeries = [
    { ...mail, client: '127.0.0.9' },
    { ...mail, signedBy: 'relay.example' }, // the origin is another
    { ...mail, sender: 'eve@forged.example' },
    { ...mail, sender: '' },
    { ...mail, from: 'ann2@forged.example' },
  ]
  for (const forgery of forgeries) expect((await deliver(forgery)).verified_sender).toBeUndefined()
})

test('a message that another domain has signed is bound to that domain, wherever it comes from', async () => {
  Object.assign(zones, { 'hosted.example': MX, ...keyZone('host.example') })
  const inbox = await makeInbox('hosted')
  const mail = { to: inbox, from: 'ann@hosted.example', signedBy: 'host.example' }
  expect((await deliver(mail)).authentication.result).toBe('unverified')
  const path = await linkTo(mail.from)
  expect((await world.request('GET', path, { key: '' })).body).toContain('signs as host.example')
  await confirm(path)
  expect((await deliver({ ...mail, client: '127.0.0.9' })).verified_sender).toBe(mail.from)
  expect((await deliver({ to: inbox, from: mail.from })).verified_sender).toBeUndefined()
})

test('automatic mail, lists, bounces and mail that is probably forged cause no challenge', async () => {
  const dmarc = { '_dmarc.dmarc.example': { TXT: ['v=DMARC1; p=none'] } }
  Object.assign(zones, {
    ...{ 'quiet.example': MX, 'dmarc.example': MX, ...dmarc, ...keyZone('signed.example') },
    'fail.example': { ...MX, TXT: ['v=spf1 -all'] },
    'softfail.example': { ...MX, TXT: ['v=spf1 ~all'] },
  })
  zones['signed.example'] = MX
  const inbox = await makeInbox('quiet')
  const off = await makeInbox('quiet-off', false)
  const byDefault = await makeInbox('quiet-default', null)
  await call('POST', `/v0/inboxes/${inbox}/lists/send/block`, { entry: 'listed@quiet.example' })
  await call('POST', `/v0/inboxes/${inbox}/lists/receive/block`, { entry: 'blocked@quiet.example' })
  const from = (name: string) => `${name}@quiet.example`
  const broken = (
    await sign('From: Ann <a@signed.example>\r\nSubject: x\r\n\r\nother\r\n', { domain: 'signed.example' })
  ).split('From:')[0]!
  for (const mail of [
    { from: from('bounce'), sender: '' },
    { from: from('other'), sender: from('another') },
    { from: from('auto'), more: 'Auto-Submitted: auto-replied\r\n' },
    { from: from('generated'), more: 'auto-submitted: auto-generated; x=y\r\n' },
    { from: from('bulk'), more: 'Precedence: Bulk\r\n' },
    { from: from('list'), more: 'List-Id: <l.quiet.example>\r\n' },
    { from: from('news'), more: 'List-Unsubscribe: <mailto:x@quiet.example>\r\n' },
    { from: from('bcc'), toField: 'undisclosed-recipients:;' },
    { from: from('listed') },
    { from: from('blocked') },
    { from: from('noreply') },
    { from: from('MAILER-DAEMON') },
    { from: from('owner-list') },
    { from: from('list-request') },
    { from: 'a@dmarc.example' },
    { from: 'a@fail.example' },
    { from: 'a@softfail.example' },
    { from: 'a@signed.example', more: broken },
    { from: 'postmaster@mail.localhost' },
    { from: from('off'), to: off },
    { from: from('default'), to: byDefault },
  ]) {
    expect((await deliver({ to: inbox, ...mail })).message_id, mail.from).toBeDefined()
  }
  await deliver({ to: inbox, from: from('last') })
  await linkTo(from('last'))
  const asked = mx.messages.flatMap(({ to }) => to).filter((address) => !/@(flow|forged|strict|hosted)\./.test(address))
  expect(asked).toEqual([from('last')])
  // A job that a list stopped has left no link.
  expect(await readRows(world, "select id from verified_senders where address = 'listed@quiet.example'")).toEqual([])
})

test('a link ends; a new message brings a new one; a wrong link is no error', async () => {
  Object.assign(zones, { 'late.example': MX })
  const inbox = await makeInbox('late')
  const mail = { to: inbox, from: 'ann@late.example' }
  await deliver(mail)
  const path = await linkTo(mail.from)
  await deliver(mail) // the first link is open: no second one
  await changeRows(world, "update verified_senders set expires_at = 1 where address = 'ann@late.example'")
  for (const method of ['GET', 'POST']) expect((await world.request(method, path, { key: '' })).status).toBe(404)
  await deliver(mail)
  const second = await linkTo(mail.from, 2)
  expect(second).not.toBe(path)
  expect((await confirm(path)).status).toBe(404)
  const [one, two] = await Promise.all([confirm(second), confirm(second)])
  expect([one.status, two.status].toSorted()).toEqual([200, 404])
  for (const wrong of [
    '/verify-sender/x',
    `/verify-sender/${'a'.repeat(43)}`,
    '/verify-sender/%00',
    '/verify-sender/',
  ]) {
    expect((await confirm(wrong)).status, wrong).toBe(404)
  }
  expect(challengesTo(mail.from)).toHaveLength(2)

  // The third one of the day is not sent.
  await changeRows(world, "delete from verified_senders where address = 'ann@late.example'")
  await deliver(mail)
  Object.assign(zones, { 'later.example': MX })
  await deliver({ to: inbox, from: 'ann@later.example' })
  await linkTo('ann@later.example')
  expect(challengesTo(mail.from)).toHaveLength(2)
  await call('DELETE', `/v0/inboxes/${inbox}`)
  await expect
    .poll(() => readRows(world, "select id from verified_senders where address = 'ann@later.example'"))
    .toEqual([])
})

test('many forged messages cause few challenges: per domain, per inbox, per network, and in all', async () => {
  for (const [limits, forged, allowed] of [
    [{ perDomainHourMax: 2 }, (n: number) => `a@s${n}.domain.example`, 2],
    [{ perInboxHourMax: 3 }, (n: number) => `a@inbox${n}.example`, 3],
    [{ perNetworkHourMax: 1 }, (n: number) => `a@network${n}.example`, 1],
    [{ totalHourMax: 2 }, (n: number) => `a@total${n}.example`, 2],
    [{ perSenderDayMax: 1 }, (n: number) => `a+${n}@tagged.example`, 1],
    [{ sendersPerInboxMax: 2 }, (n: number) => `a@unanswered${n}.example`, 2],
  ] as const) {
    await using small = await startWorld({
      env: {
        ...{ MARTLET_TRUSTED_NETWORKS: 'none', MARTLET_DNS_SERVERS: dns.address, MARTLET_OUTBOUND: 'capture' },
        ...{ MARTLET_PUBLIC_URL: 'https://mail.test', MARTLET_SENDER_CHALLENGES: 'all' },
      },
      limits: { challenges: limits },
    })
    const { body } = await small.request('POST', '/v0/inboxes', { body: { username: 'target' } })
    for (const n of [1, 2, 3, 4, 5]) {
      const from = forged(n)
      await small.smtp.send({ envelope: { from, to: body.inbox_id }, from, to: body.inbox_id, text: 'x' })
    }
    const waiting = () => readRows(small, "select id from jobs where kind = 'challenge-sender'")
    await expect.poll(waiting, { interval: 5 }).toEqual([])
    const { recipients } = (await small.request('GET', '/v0/queue')).body
    expect(
      recipients.map(({ kind }: { kind: string }) => kind),
      JSON.stringify(limits),
    ).toEqual(new Array(allowed).fill('challenge'))
  }
})

test('an inbox cannot ask for challenges that the operator does not allow', async () => {
  await using plain = await startWorld()
  const make = (body: object) => plain.request('POST', '/v0/inboxes', { body })
  expect(await make({ challenge_senders: true })).toMatchObject({
    ...{ status: 400, body: { message: expect.stringContaining('MARTLET_SENDER_CHALLENGES') } },
  })
  const { body } = await make({ challenge_senders: false })
  expect(body.challenge_senders).toBe(false)
  const at = `/v0/inboxes/${body.inbox_id}`
  expect((await plain.request('PATCH', at, { body: { challenge_senders: true } })).status).toBe(400)
  const cleared = await plain.request('PATCH', at, { body: { challenge_senders: null } })
  expect(cleared.body).not.toHaveProperty('challenge_senders')
})
