/** Tests mail to other domains, directly to their mail servers: real DNS and real SMTP servers, all on loopback. */
import { afterAll, expect, test } from 'vitest'
import { type LimitOverrides, mergeLimits } from '../../src/config/limits.ts'
import { createSelfSigned } from '../../src/net/self-signed.ts'
import { openStore } from '../../src/store/store.ts'
import { storeNeeds } from '../store/test-store.ts'
import { verifySignature } from '../support/dkim-verify.ts'
import { type DnsServer, startDns, type Zones } from '../support/dns-server.ts'
import { type Behaviour, FakeMx, mxAddress } from '../support/fake-mx.ts'
import { startWorld, type World } from '../support/world.ts'

/** The settings that the tests of one world have in common. */
interface Settings {
  readonly limits?: LimitOverrides
  readonly env?: Readonly<Record<string, string>>
}

/** What tests share: the server, its DNS, and the port on which every fake mail server listens. */
interface SendingWorld extends AsyncDisposable {
  readonly world: World
  readonly dns: DnsServer
  readonly zones: Zones
  readonly port: number
}

async function startSending({ limits = {}, env = {} }: Settings): Promise<SendingWorld> {
  const zones: Zones = {}
  const dns = await startDns(zones)
  const holder = new FakeMx({}) // holds the port while no test runs
  await holder.listen('127.0.0.1', 0)
  const world = await startWorld({
    env: {
      ...{ MARTLET_OUTBOUND: 'direct', MARTLET_OUTBOUND_PORT: `${holder.port}`, MARTLET_DNS_SERVERS: dns.address },
      ...env,
    },
    limits: mergeLimits({ server: { shutdownGraceMs: 50 } }, limits),
  })
  return {
    ...{ world, dns, zones, port: holder.port },
    async [Symbol.asyncDispose]() {
      await world[Symbol.asyncDispose]()
      await dns[Symbol.asyncDispose]()
      await holder[Symbol.asyncDispose]()
    },
  }
}

/** Most tests need no special settings. The worlds start with their first test. */
const worlds = new Map<Settings, Promise<SendingWorld>>()
afterAll(async () => {
  for (const shared of worlds.values()) await (await shared)[Symbol.asyncDispose]()
})
function sharedWorld(settings: Settings): Promise<SendingWorld> {
  const shared = worlds.get(settings) ?? startSending(settings)
  worlds.set(settings, shared)
  return shared
}

const USUAL: Settings = {}
/** A message that is delayed stays in the queue; a domain with many servers gets few attempts. A DNS server that is silent is soon given up. */
const NO_RETRY: Settings = {
  limits: { delivery: { retryFirstMs: 600_000, hostsMax: 4 }, dns: { tryMs: 1_000, triesMax: 1 } },
}
const ONLY_PUBLIC: Settings = { env: { MARTLET_ALLOW_PRIVATE_NETWORKS: 'false' } }
/** Retries soon. The other worlds do not, because to poll so often costs time. */
const SHORT_TIMEOUTS: Settings = {
  limits: { delivery: { greetingMs: 150, commandMs: 150, dataMs: 150, retryFirstMs: 20, pollMs: 20 } },
}

let testCount = 0

/**
 * Starts servers for `a.test` (and `b.test`, `c.test`, …) as described, and an inbox that sends. Each test has its own
 * domains and addresses, so that tests can share a world: on the wire, `a.test` is `a.t7.test`, and 127.0.0.2 is
 * 127.0.7.2. Everything here translates in both directions.
 *
 * @param own  the test stops the server, or needs settings of its own
 */
async function withMxs(
  behaviours: readonly Behaviour[],
  { zones = {}, settings = USUAL, own = false }: { zones?: Zones; settings?: Settings; own?: boolean } = {},
) {
  testCount += 1
  const number = testCount
  const toWire = (text: string) =>
    own ? text : text.replace(/\.test$/, `.t${number}.test`).replace(/127\.0\.0\.(?=\d+\]?$)/, `127.0.${number}.`)
  const fromWire = (text: string) =>
    text.replaceAll(`.t${number}.test`, '.test').replaceAll(`127.0.${number}.`, '127.0.0.')
  const shared = own ? await startSending(settings) : await sharedWorld(settings)
  const { world, dns, port } = shared

  const mxs: FakeMx[] = []
  const all: Zones = {}
  for (const [index, behaviour] of behaviours.entries()) {
    const mx = new FakeMx(behaviour)
    await mx.listen(toWire(mxAddress(index)), port)
    mxs.push(mx)
    const letter = 'abcdef'[index]!
    all[`${letter}.test`] = { MX: [{ preference: 10, exchange: `mx.${letter}.test` }] }
    all[`mx.${letter}.test`] = { A: [mxAddress(index)] }
  }
  for (const [name, records] of Object.entries({ ...all, ...zones })) {
    shared.zones[toWire(name)] =
      typeof records === 'string'
        ? records
        : {
            ...records,
            ...(records.A && { A: records.A.map(toWire) }),
            ...(records.MX && { MX: records.MX.map((mx) => ({ ...mx, exchange: toWire(mx.exchange) })) }),
          }
  }
  const ada = await world.agentmail.inboxes.create({ username: own ? 'ada' : `ada${number}`, displayName: 'Ada' })
  const socket = await world.subscribe({
    eventTypes: ['message.delivered', 'message.delayed', 'message.bounced', 'message.held'],
    inboxIds: [ada.inboxId],
  })
  return {
    world,
    mxs: mxs as readonly FakeMx[],
    ada,
    port,
    /** The questions for names of this test. */
    questions: () => dns.questions.filter((question) => question.endsWith(`.t${number}.test`)),
    /** Resolves with the next event of the inbox. */
    async event(type: string) {
      return JSON.parse(fromWire(JSON.stringify(await socket.next(type))))
    },
    /** Resolves with the first message to a server. */
    async mail(mx: FakeMx = mxs[0]!) {
      const mail = await mx.mail()
      return { ...mail, from: mail.from.replace(ada.email, 'ada@mail.localhost'), to: mail.to.map(fromWire) }
    },
    async send(to: string | string[], more: { subject?: string; text?: string; attachments?: object[] } = {}) {
      const mail = { to: [to].flat().map(toWireAddress), subject: 'hello', text: 'hello', ...more }
      return world.agentmail.inboxes.messages.send(ada.inboxId, mail as never)
    },
    async deliveries(messageId: string) {
      return JSON.parse(fromWire(JSON.stringify(await deliveriesOf(world, ada.email, messageId))))
    },
    async [Symbol.asyncDispose]() {
      socket.close()
      if (own) await shared[Symbol.asyncDispose]()
      for (const mx of mxs) await mx[Symbol.asyncDispose]()
    },
  }

  /** Of `ann@a.test`, `ann@[127.0.0.2]` or `Ann <ann@a.test>`. */
  function toWireAddress(address: string): string {
    return address.endsWith('>') ? `${toWire(address.slice(0, -1))}>` : toWire(address)
  }
}

async function deliveriesOf(world: World, inbox: string, messageId: string) {
  const { body } = await world.request(
    'GET',
    `/v0/inboxes/${inbox}/messages/${encodeURIComponent(messageId)}/deliveries`,
  )
  return body.deliveries
}

test('a message reaches the mail server of another domain, and its signature is valid there', async () => {
  await using all = await withMxs([{}])
  const text = `grüße\r\n.\r\n..two dots\r\n${'long '.repeat(400)}`
  const sent = await all.send('Zoë <zoe@a.test>', { subject: 'grüße', text })

  const mail = await all.mail()
  expect(mail).toMatchObject({ to: ['zoe@a.test'], isTls: false })
  expect(mail.from).toMatch(/^<ada@mail\.localhost>/)
  expect(all.mxs[0]!.commands[0]).toBe('EHLO mail.localhost')
  const raw = await all.world.agentmail.inboxes.messages.getRaw(all.ada.inboxId, sent.messageId)
  expect(mail.data).toBe(await (await fetch(raw.downloadUrl)).text())
  for (const line of mail.wire.toString('latin1').split('\r\n')) expect(line).toMatch(/^(?!\.$)[\x20-\x7e\t]{0,998}$/)
  expect(await verifySignature(mail.data, all.world)).toBe('pass')

  expect((await all.event('message.delivered')).delivery).toMatchObject({ recipients: ['zoe@a.test'] })
  const [delivery] = await all.deliveries(sent.messageId)
  expect(delivery).toMatchObject({ state: 'delivered', last_code: 250, last_enhanced_code: '2.0.0', attempts: 1 })
  expect(delivery.history).toMatchObject([
    { target: 'direct', outcome: 'delivered', reply: '250 2.0.0 taken', remote: `mx.a.test [127.0.0.2]:${all.port}` },
  ])
  expect(delivery.history[0]).not.toHaveProperty('tls')
  const copy = await all.world.agentmail.inboxes.messages.get(all.ada.inboxId, sent.messageId)
  expect(copy.labels).toEqual(['delivered', 'sent'])
})

// Its owner could choose a common id, and collect the replies of others in one thread.
test("an id in the reply of a stranger's mail server does not join messages to a thread", async () => {
  const id = '010001975e1b2c3d-11112222-3333-4444-5555-666677778888-000000'
  await using all = await withMxs([{ on: (line) => (line === '.' ? `250 Ok ${id}` : undefined) }])
  const sent = await all.send('zoe@a.test')
  await all.event('message.delivered')
  const arrivals = await all.world.subscribe({ eventTypes: ['message.received'] })
  const raw = `From: zoe@a.test\r\nIn-Reply-To: <${id}@email.amazonses.com>\r\n\r\nyes`
  await all.world.smtp.send({ envelope: { from: 'zoe@a.test', to: all.ada.email }, raw })
  expect((await arrivals.next()).message.thread_id).not.toBe(sent.threadId)
})

test('the servers are tried by preference, and one that does not answer is skipped', async () => {
  const greetings: Behaviour[] = [{}, { greeting: '554 5.3.2 not today' }, { greeting: '421 4.3.2 going down' }]
  await using all = await withMxs(greetings, {
    zones: {
      'many.test': {
        MX: [
          { preference: 40, exchange: 'mx.a.test' },
          { preference: 10, exchange: 'refused.test' },
          { preference: 20, exchange: 'mx.b.test' },
          { preference: 30, exchange: 'mx.c.test' },
        ],
      },
      'refused.test': { A: ['127.0.0.99'] }, // no server listens there
    },
  })
  const sent = await all.send('zoe@many.test')

  await all.mail()
  await all.event('message.delivered')
  expect(all.mxs.map((mx) => mx.connections)).toEqual([1, 1, 1])
  expect(await all.deliveries(sent.messageId)).toMatchObject([{ state: 'delivered', attempts: 1 }])
})

test("a message to a domain without MX goes to the domain's own address (RFC 5321 §5.1)", async () => {
  await using all = await withMxs([{}], { zones: { 'plain.test': { A: [mxAddress(0)] } } })
  await all.send('zoe@plain.test')
  expect((await all.mail()).to).toEqual(['zoe@plain.test'])
})

test('a message to an address literal is delivered', async () => {
  await using all = await withMxs([{}])
  await all.send(`zoe@[${mxAddress(0)}]`)
  expect((await all.mail()).to).toEqual(['zoe@[127.0.0.2]'])
})

test.each<[string, Zones, string, string, RegExp]>([
  [
    'no such domain',
    {},
    'gone.test',
    '5.1.2',
    /^Cannot deliver to gone\.test: the domain does not exist; check the address/,
  ],
  [
    'neither MX nor address',
    { 'empty.test': { TXT: ['x'] } },
    'empty.test',
    '5.4.4',
    /it has neither a mail server nor an address/,
  ],
  [
    'a mail server without address',
    { 'lost.test': { MX: [{ preference: 1, exchange: 'nowhere.test' }] } },
    'lost.test',
    '5.4.4',
    /it has neither a mail server nor an address/,
  ],
  [
    'a null MX',
    { 'null.test': { MX: [{ preference: 0, exchange: '.' }], A: ['127.0.0.2'] } },
    'null.test',
    '5.1.10',
    /its DNS says that it accepts no mail \(null MX\)/,
  ],
  [
    'this server as the mail server',
    {
      'loop.test': {
        MX: [
          { preference: 10, exchange: 'Mail.localhost' },
          { preference: 10, exchange: 'mx.a.test' },
        ],
      },
    },
    'loop.test',
    '5.4.6',
    /its mail server is this server \(mail\.localhost\)/,
  ],
])('%s: the message bounces at once with the reason', async (_name, zones, domain, enhancedCode, replyPattern) => {
  await using all = await withMxs([{}], { zones })
  const sent = await all.send(`zoe@${domain}`)

  const { bounce } = await all.event('message.bounced')
  expect(bounce).toMatchObject({ type: 'Permanent', recipients: [{ address: `zoe@${domain}`, status: enhancedCode }] })
  const [delivery] = await all.deliveries(sent.messageId)
  expect(delivery).toMatchObject({ state: 'bounced', attempts: 1, last_enhanced_code: enhancedCode })
  expect(delivery.last_reply).toMatch(replyPattern)
  expect(all.mxs[0]!.connections).toBe(0)
})

test('servers with a better preference than this one are used', async () => {
  const preferred = [
    { preference: 20, exchange: 'mail.localhost' },
    { preference: 10, exchange: 'mx.a.test' },
  ]
  await using all = await withMxs([{}], { zones: { 'loop.test': { MX: preferred } } })
  await all.send('zoe@loop.test')
  await all.mail()
})

test("a message is not sent to a server that greets with this server's own name", async () => {
  await using all = await withMxs([{ name: 'mail.localhost' }])
  const sent = await all.send('zoe@a.test')
  await all.event('message.bounced')
  const [delivery] = await all.deliveries(sent.messageId)
  expect(delivery).toMatchObject({ last_enhanced_code: '5.4.6' })
  expect(delivery.last_reply).toMatch(/has the name of this server/)
})

test.each([
  ['a mail server in a private network', 'zoe@a.test', 'mx.a.test [127.0.0.2]'],
  ['an address in place of a name', 'zoe@ip.test', '[127.0.0.2]'],
  ['an address literal', 'zoe@[127.0.0.2]', '[127.0.0.2]'],
  ['an address in a private network without MX', 'zoe@plain.test', 'plain.test [127.0.0.2]'],
])('%s is not called if private networks are not allowed', async (_name, address, place) => {
  await using all = await withMxs([{}], {
    settings: ONLY_PUBLIC,
    zones: {
      'ip.test': { MX: [{ preference: 1, exchange: '127.0.0.2' }] },
      'plain.test': { A: ['127.0.0.2'], AAAA: ['::1'] },
    },
  })
  const sent = await all.send(address)

  await all.event('message.bounced')
  const [delivery] = await all.deliveries(sent.messageId)
  expect(delivery).toMatchObject({ state: 'bounced', last_enhanced_code: '5.4.4' })
  expect(delivery.last_reply).toContain(`${place}`)
  expect(delivery.last_reply).toContain('is in a private network, to which this server may not connect')
  expect(all.mxs[0]!.connections).toBe(0)
})

test.each<[string, Behaviour, string, RegExp]>([
  [
    'hangs after EHLO',
    { on: (line) => (/^EHLO/.test(line) ? 'hang' : undefined) },
    '4.4.1',
    /did not answer in time during the greeting/,
  ],
  ['hangs before its greeting', { greeting: 'hang' }, '4.4.1', /mx\.a\.test did not answer in time during/],
  ['closes before its greeting', { greeting: 'close' }, '4.4.2', /closed the connection during the greeting/],
  [
    'greets with 421',
    { greeting: '421 4.3.2 busy' },
    '4.3.2',
    /ended the session during the greeting; will retry: 421 4.3.2 busy/,
  ],
  [
    'hangs after MAIL',
    { on: (line) => (/^MAIL/.test(line) ? 'hang' : undefined) },
    '4.4.1',
    /did not answer in time before the message was sent/,
  ],
  [
    'hangs after DATA',
    { on: (line) => (line === 'DATA' ? 'hang' : undefined) },
    '4.4.1',
    /did not answer in time before the message was sent/,
  ],
  [
    'hangs after the mail',
    { on: (line) => (line === '.' ? 'hang' : undefined) },
    '4.4.1',
    /did not answer in time after the whole message was sent; it may have accepted the message/,
  ],
  [
    'resets after the mail',
    { on: (line) => (line === '.' ? 'reset' : undefined) },
    '4.4.2',
    /closed the connection after the whole message was sent; it may have accepted the message/,
  ],
  [
    'says 421 in the middle',
    { on: (line) => (/^RCPT/.test(line) ? '421 4.3.2 going down' : undefined) },
    '4.3.2',
    /421 4.3.2 going down/,
  ],
  [
    'rejects MAIL temporarily',
    { on: (line) => (/^MAIL/.test(line) ? '451 4.7.1 greylisted' : undefined) },
    '4.7.1',
    /temporarily rejected mail from this sender; will retry: 451 4.7.1 greylisted/,
  ],
  [
    'wants TLS first, after TLS has failed', // the message bounced
    { on: (line) => (/^MAIL/.test(line) ? '530 5.7.0 Must issue a STARTTLS command first' : undefined) },
    '5.7.0',
    /temporarily rejected mail from this sender; will retry: 530 5.7.0 Must issue a STARTTLS command first/,
  ],
  [
    'rejects the message temporarily',
    { on: (line) => (line === '.' ? '452 4.3.1 disk full' : undefined) },
    '4.3.1',
    /temporarily rejected this message; will retry: 452 4.3.1 disk full/,
  ],
])('a server that %s delays the message until it recovers', async (_name, behaviour, status, replyPattern) => {
  await using all = await withMxs([behaviour], { settings: SHORT_TIMEOUTS })
  const sent = await all.send('zoe@a.test')

  expect((await all.event('message.delayed')).delay).toMatchObject({ recipients: ['zoe@a.test'] })
  const [{ history }] = await all.deliveries(sent.messageId)
  expect(history[0]).toMatchObject({ outcome: 'failed_for_now', enhanced_code: status })
  expect(history[0].reply).toMatch(replyPattern)
  expect(history[0].remote).toBe(`mx.a.test [127.0.0.2]:${all.port}`)

  all.mxs[0]!.behaviour = {}
  await all.event('message.delivered')
  const copy = await all.world.agentmail.inboxes.messages.get(all.ada.inboxId, sent.messageId)
  expect(copy.labels).toEqual(['delivered', 'sent'])
})

test.each<[string, Behaviour, string, RegExp]>([
  [
    'the sender',
    { on: (line) => (/^MAIL/.test(line) ? '550 5.7.1 not you' : undefined) },
    '5.7.1',
    /mx\.a\.test rejected mail from this sender: 550 5.7.1 not you/,
  ],
  [
    'the sender, with PIPELINING',
    {
      extensions: ['PIPELINING'],
      on: (line) =>
        /^MAIL/.test(line) ? '550 5.7.1 not you' : /^RCPT|^DATA/.test(line) ? '503 5.5.1 no MAIL' : undefined,
    },
    '5.7.1',
    /rejected mail from this sender: 550 5.7.1 not you/,
  ],
  [
    'the recipient',
    { on: (line) => (/^RCPT/.test(line) ? '550-5.1.1 no such\r\n550 5.1.1 user' : undefined) },
    '5.1.1',
    /rejected mail for this address: 550 5.1.1 no such user/,
  ],
  [
    'the content',
    { on: (line) => (line === '.' ? '554 5.6.0 spam' : undefined) },
    '5.6.0',
    /rejected this message: 554 5.6.0 spam/,
  ],
])('a permanent refusal of %s bounces the message with the reply', async (_name, behaviour, status, replyPattern) => {
  await using all = await withMxs([behaviour])
  const sent = await all.send('zoe@a.test')

  const { bounce } = await all.event('message.bounced')
  expect(bounce.recipients).toEqual([{ address: 'zoe@a.test', status }])
  const [delivery] = await all.deliveries(sent.messageId)
  expect(delivery).toMatchObject({ state: 'bounced', attempts: 1 })
  expect(delivery.last_reply).toMatch(replyPattern)
  expect(all.mxs[0]!.messages).toEqual([])
  await all.mxs[0]!.until(() => all.mxs[0]!.openConnections === 0)
  expect(all.mxs[0]!.commands.at(-1)).toBe('QUIT')
})

test.each([[['8BITMIME']], [['PIPELINING']]])('each recipient fails independently (%j)', async (extensions) => {
  const replies: Record<string, string> = { gone: '550 5.1.1 gone', busy: '450 4.2.1 busy' }
  const on = (line: string) => replies[/^RCPT TO:<(\w+)@/.exec(line)?.[1] ?? '']
  await using all = await withMxs([{ extensions, on }], { settings: NO_RETRY })
  const sent = await all.send(['gone@a.test', 'zoe@a.test', 'busy@a.test'])

  expect((await all.event('message.delivered')).delivery.recipients).toEqual(['zoe@a.test'])
  const deliveries = await all.deliveries(sent.messageId)
  expect(
    deliveries.map((each: { recipient: string; state: string; last_code: number }) => [
      each.recipient,
      each.state,
      each.last_code,
    ]),
  ).toEqual([
    ['gone@a.test', 'bounced', 550],
    ['zoe@a.test', 'delivered', 250],
    ['busy@a.test', 'queued', 450],
  ])
  expect(all.mxs[0]!.messages).toHaveLength(1)
})

// RFC 5321 §4.5.3.1.10: each recipient above the limit of an old server bounced.
test('552 to a recipient is temporary unless its enhanced code has another reason than too many recipients', async () => {
  const replies: Record<string, string> = {
    eleventh: '552 5.5.3 Too many recipients',
    twelfth: '552 Too many recipients',
    full: '552 5.2.2 Mailbox full',
    unknown: '552 5.1.1 No such user',
    refused: '552 5.7.1 Not for you',
  }
  const on = (line: string) => replies[/^RCPT TO:<(\w+)@/.exec(line)?.[1] ?? '']
  await using all = await withMxs([{ on }], { settings: NO_RETRY })
  const sent = await all.send(['zoe@a.test', ...Object.keys(replies).map((name) => `${name}@a.test`)])
  expect((await all.event('message.delivered')).delivery.recipients).toEqual(['zoe@a.test'])
  const deliveries = await all.deliveries(sent.messageId)
  const states = deliveries.map((each: { recipient: string; state: string }) => [
    each.recipient.split('@')[0],
    each.state,
  ])
  expect(Object.fromEntries(states)).toEqual({
    zoe: 'delivered',
    eleventh: 'queued',
    twelfth: 'queued',
    full: 'bounced',
    unknown: 'bounced',
    refused: 'bounced',
  })
})

test('when every recipient is refused, no DATA is sent', async () => {
  await using all = await withMxs([{ on: (line) => (/^RCPT/.test(line) ? '550 5.1.1 gone' : undefined) }])
  await all.send(['zoe@a.test', 'bob@a.test'])
  await all.event('message.bounced')
  expect(all.mxs[0]!.commands).not.toContain('DATA')
})

test('a DNS failure or timeout delays the message', async () => {
  await using all = await withMxs([{}], {
    zones: { 'fails.test': 'fails', 'silent.test': 'silent' },
    settings: NO_RETRY,
  })
  for (const domain of ['fails.test', 'silent.test']) {
    const sent = await all.send(`zoe@${domain}`)
    await all.event('message.delayed')
    const [delivery] = await all.deliveries(sent.messageId)
    expect(delivery).toMatchObject({ state: 'queued', last_enhanced_code: '4.4.3' })
    expect(delivery.last_reply).toMatch(/the DNS query failed \(.+\); will retry/)
  }
})

test('servers that refuse connections delay the message, and the reply names each of them', async () => {
  await using all = await withMxs([{}], {
    zones: {
      'down.test': { MX: [{ preference: 1, exchange: 'mx.down.test' }] },
      'mx.down.test': { A: ['127.0.0.98', '127.0.0.99'] },
    },
    settings: NO_RETRY,
  })
  const sent = await all.send('zoe@down.test')
  await all.event('message.delayed')
  const [delivery] = await all.deliveries(sent.messageId)
  expect(delivery).toMatchObject({ state: 'queued', last_enhanced_code: '4.4.1' })
  expect(delivery.last_reply).toBe(
    `Cannot deliver to down.test: [127.0.0.98]:${all.port}: connection refused; [127.0.0.99]:${all.port}: connection refused; will retry`,
  )
})

test('only a few of hundreds of mail servers of a domain are looked up and tried, and each is named', async () => {
  const zones: Record<string, Zones[string]> = {
    'many.test': {
      MX: Array.from({ length: 300 }, (_, index) => ({ preference: 10, exchange: `mx${index}.many.test` })),
    },
  }
  for (let index = 0; index < 300; index += 1) {
    zones[`mx${index}.many.test`] = { A: [`127.9.${index >> 8}.${index & 255}`] }
  }
  const deliveryHostsMax = NO_RETRY.limits!.delivery!.hostsMax!
  await using all = await withMxs([{}], {
    zones,
    settings: NO_RETRY,
  })
  const sent = await all.send('zoe@many.test')
  await all.event('message.delayed')
  const [delivery] = await all.deliveries(sent.messageId)
  const tried: string[] = delivery.last_reply.match(/127\.9\.\d+\.\d+/g)
  expect(new Set(tried).size).toBeGreaterThan(0)
  expect(new Set(tried).size).toBeLessThanOrEqual(deliveryHostsMax)
  // One list of servers, which is too long for UDP and so queried again over TCP, and addresses of two families for
  // each.
  expect(all.questions().length).toBeLessThanOrEqual(2 + 2 * deliveryHostsMax)
})

test('TLS is used where it is offered, even with a certificate that cannot be verified', async () => {
  const tls = await createSelfSigned({ hostname: 'mx.a.test', nowMs: Date.now() })
  await using all = await withMxs([{ tls }])
  const sent = await all.send('zoe@a.test')
  expect((await all.mail()).isTls).toBe(true)
  await all.event('message.delivered')
  const [{ history }] = await all.deliveries(sent.messageId)
  expect(history[0].tls).toBe('TLSv1.3 (unverified)')
})

test.each<[string, Behaviour, number]>([
  ['whose handshake is broken', { tls: 'broken' }, 2],
  ['that offers STARTTLS and refuses it', { extensions: ['STARTTLS'] }, 1],
])('a server %s gets the message without TLS', async (_name, behaviour, connections) => {
  await using all = await withMxs([behaviour])
  const sent = await all.send('zoe@a.test')
  expect(await all.mail()).toMatchObject({ isTls: false, connection: connections })
  await all.event('message.delivered')
  expect(await all.deliveries(sent.messageId)).toMatchObject([{ state: 'delivered', attempts: 1 }])
})

test("a message larger than the server's SIZE limit is not sent to it", async () => {
  await using all = await withMxs([{ extensions: ['SIZE 1000'] }])
  const sent = await all.send('zoe@a.test', { text: 'x'.repeat(2_000) })
  await all.event('message.bounced')
  const [delivery] = await all.deliveries(sent.messageId)
  expect(delivery).toMatchObject({ last_enhanced_code: '5.3.4' })
  expect(delivery.last_reply).toMatch(
    /^mx\.a\.test accepts at most 1000 bytes, and the message has \d{4}; send smaller/,
  )
  expect(all.mxs[0]!.commands.some((line) => line.startsWith('MAIL'))).toBe(false)
})

test('a message to an international address is sent to a server with SMTPUTF8, and bounces at one without', async () => {
  await using all = await withMxs([{ extensions: ['8BITMIME', 'SMTPUTF8', 'SIZE'] }, { extensions: ['8BITMIME'] }])
  const sent = await all.send(['zoë@a.test', 'zoë@b.test'])

  const mail = await all.mail()
  expect(mail.to).toEqual(['zoë@a.test'])
  expect(mail.from).toMatch(/^<ada@mail\.localhost> SMTPUTF8 BODY=8BITMIME SIZE=\d+$/)
  await Promise.all([all.event('message.bounced'), all.event('message.delivered')])
  const deliveries = await all.deliveries(sent.messageId)
  expect(deliveries).toMatchObject([{ state: 'delivered' }, { state: 'bounced', last_enhanced_code: '5.6.7' }])
  expect(deliveries[1].last_reply).toMatch(/^mx\.b\.test does not accept addresses with non-ASCII characters/)
})

test('SMTPUTF8 is requested even if only the header needs it', async () => {
  await using all = await withMxs([{ extensions: ['8BITMIME', 'SMTPUTF8'] }, { extensions: ['8BITMIME', 'SMTPUTF8'] }])
  await all.send(['zoë@a.test', 'bob@b.test'])
  expect((await all.mail(all.mxs[1])).from).toBe('<ada@mail.localhost> BODY=8BITMIME SMTPUTF8')
})

test('an international domain needs no SMTPUTF8', async () => {
  await using all = await withMxs([{}], {
    zones: { 'xn--bcher-kva.test': { MX: [{ preference: 1, exchange: 'mx.a.test' }] } },
  })
  await all.send('zoe@bücher.test')
  expect(await all.mail()).toMatchObject({ to: ['zoe@xn--bcher-kva.test'], from: '<ada@mail.localhost>' })
})

test('a destination that hangs, with a backlog, does not delay another one', async () => {
  await using all = await withMxs([{ greeting: 'hang' }, {}], {
    settings: { limits: { delivery: { destinationConcurrencyMax: 2 } } },
    own: true,
  })
  for (let count = 0; count < 30; count++) await all.send('zoe@a.test')
  await all.mxs[0]!.until(() => all.mxs[0]!.connections === 2)
  await all.send('bob@b.test')
  expect((await all.mail(all.mxs[1])).to).toEqual(['bob@b.test'])
  expect(all.mxs[0]!.connections).toBe(2)
})

test('a held message is delivered by the route that the release names', async () => {
  await using relay = new FakeMx({})
  await relay.listen('127.0.0.1', 0)
  const env = { MARTLET_OUTBOUND: 'capture', MARTLET_RELAY_URL: `smtp://127.0.0.1:${relay.port}` }
  await using all = await withMxs([{}], { settings: { env }, own: true })
  for (const route of ['direct', 'relay']) {
    const { messageId } = await all.send(`${route}@a.test`)
    await all.event('message.held')
    const body = { inbox_id: all.ada.email, message_id: messageId, route }
    expect((await all.world.request('POST', '/v0/queue/release', { body })).body).toEqual({ changed: 1 })
  }
  expect((await all.mail()).to).toEqual(['direct@a.test'])
  expect((await relay.mail()).to).toEqual(['relay@a.test'])
})

// One such address used to make the delivery fail for every recipient, repeatedly for three days.
test.each(['direct', 'relay'])(
  'a queued address that SMTP cannot represent bounces, and the others get the mail (%s)',
  async (route) => {
    await using relay = new FakeMx({})
    await relay.listen('127.0.0.1', 0)
    const env = { MARTLET_OUTBOUND: 'capture', MARTLET_RELAY_URL: `smtp://127.0.0.1:${relay.port}` }
    await using all = await withMxs([{}], { settings: { env }, own: true })
    const { world, ada } = all
    const { messageId } = await all.send(['zoe@a.test', 'odd@a.test', 'bob@a.test'])
    const states = async () => (await all.deliveries(messageId)).map((each: { state: string }) => each.state)
    await expect.poll(states).toEqual(['held', 'held', 'held'])
    await world.stop()
    await changeRecipient(world, 'odd@a.test', '"a>b"@a.test') // as an earlier version queued it
    await world.restart()
    const socket = await world.subscribe({ eventTypes: ['message.bounced', 'message.received'] })

    const body = { inbox_id: ada.email, message_id: messageId, route }
    expect((await world.request('POST', '/v0/queue/release', { body })).body).toEqual({ changed: 3 })

    const mx = route === 'relay' ? relay : all.mxs[0]!
    expect((await mx.mail()).to).toEqual(['zoe@a.test', 'bob@a.test'])
    const { bounce } = await socket.next('message.bounced')
    expect(bounce).toMatchObject({ type: 'Permanent', recipients: [{ address: '"a>b"@a.test', status: '5.1.3' }] })
    expect((await socket.next('message.received')).message.text).toContain('To "a>b"@a.test:')
    await expect.poll(states).toEqual(['delivered', 'bounced', 'delivered'])
  },
)

async function changeRecipient({ dataDir, shared }: World, from: string, to: string): Promise<void> {
  const needs = storeNeeds({ dataDir })
  const store = await openStore({ ...needs, config: { ...needs.config, databaseUrl: shared.databaseUrl } })
  await store.transaction(async (tx) => {
    await tx.updateTable('recipients').set({ address: to }).where('address', '=', from).execute()
  })
  await store.close()
}

test('a stop closes connections that hang, and the message is sent after the next start', async () => {
  await using all = await withMxs([{ greeting: 'hang' }], {
    settings: { limits: { delivery: { retryFirstMs: 20, pollMs: 20 } } },
    own: true,
  })
  await all.send('zoe@a.test')
  const [mx] = all.mxs
  await mx!.until(() => mx!.connections === 1)
  mx!.behaviour = {}
  await all.world.restart()
  expect((await mx!.mail()).to).toEqual(['zoe@a.test'])
})
