/**
 * kill -9 at random instants under load. How the test knows: every 250 and every 200 is written down; clients do what
 * clients do (repeat what was not acknowledged, come back with their cursor); in the end mailboxes, queue and event log
 * must tell the same story, each thing once; and a webhook must have been told all of it, the same each time.
 *
 * KILL_CUTS sets the number of cuts (10 by default, many by hand), KILL_SEED the dice.
 */
import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createTransport } from 'nodemailer'
import { expect, onTestFinished, test } from 'vitest'
import { startReceiver } from '../receiver.ts'
import { type ServerProcess, startServer } from '../server-process.ts'
import { type Frame, openSocket, type TestSocket } from '../socket-client.ts'

const CUTS = Number(process.env.KILL_CUTS ?? 10)
const SEED = Number(process.env.KILL_SEED ?? Date.now() % 1_000_000)
const KEY = 'am_test_key_for_kill_nine'
const SENDERS = 4
const TYPES = ['message.received', 'message.sent', 'message.delivered', 'message.held', 'message.bounced']
const LARGE = 'x'.repeat(76) // repeated to pass inlineBytesMax, so that blobs are cut as well

test(`${CUTS} cuts: every 250 and every 200 is there once, every event once`, {
  timeout: 60_000 + CUTS * 10_000,
}, async () => {
  console.log(`KILL_SEED=${SEED}`)
  const run = await createRun()
  for (let cut = 0; cut < CUTS; cut += 1) {
    await run.start()
    const load = run.load()
    // The one sleep of the suite: the instant of the cut is what is varied here, and nothing waits for it.
    await delay(100 + run.random() * 700)
    await run.kill()
    await load
  }
  await run.start()
  await run.repeatUnacknowledged()
  await run.settled()

  const ledger = await run.read()
  // Nothing acknowledged is lost, nothing is there twice.
  expect(ledger.inbound).toEqual(new Map([...run.mails].map((id) => [id, 1])))
  expect(ledger.sent).toEqual(new Map([...run.answers].map((id) => [id, 1])))
  expect(ledger.notices).toEqual(new Map([...run.answers].map((id) => [id, 1]))) // the bounce and its notice are one
  expect(ledger.local).toEqual(new Map([...run.answers].map((id) => [id, 1])))
  // Every event once: in the log, and in what the subscriber that was cut off and came back has heard.
  expect(ledger.repeatedEvents).toEqual([])
  expect(ledger.eventCounts).toEqual({
    'message.received': run.mails.size + 2 * run.answers.size,
    'message.sent': run.answers.size,
    'message.delivered': run.answers.size,
    'message.held': run.answers.size,
    'message.bounced': run.answers.size,
  })
  expect(run.heard.map(({ event_id }) => event_id)).toEqual(ledger.eventIds)
  // The webhook has heard all of it, some twice; then with the same id, and the same bytes.
  const told = await run.toldByWebhook(ledger.eventIds.length)
  expect([...told.keys()].toSorted()).toEqual(ledger.eventIds.toSorted())
  expect([...told.values()].filter((bodies) => bodies.size > 1)).toEqual([])
  console.log(`${run.mails.size} mails in, ${run.answers.size} sent, ${ledger.eventIds.length} events`)
})

async function createRun() {
  const dataDir = await mkdtemp(join(tmpdir(), 'martlet-test-'))
  const env: Record<string, string> = {
    MARTLET_DATA_DIR: dataDir,
    MARTLET_ROOT_KEY: KEY,
    MARTLET_HTTP_PORT: '0',
    MARTLET_SMTP_PORT: '0',
  }
  const random = dice(SEED)
  let server: ServerProcess | undefined
  let socket: TestSocket | undefined
  let cursor: string | undefined
  let wake: (() => void) | undefined
  /** Message-IDs of mails that were answered 250, and those that may have been. */
  const mails = new Set<string>()
  const doubtfulMails = new Set<string>()
  /** message_ids of sends that were answered 200, and keys of those that may have been. */
  const answers = new Set<string>()
  const doubtfulSends = new Set<string>()
  const heard: Frame[] = []
  const receiver = await startReceiver()
  onTestFinished(async () => {
    await receiver[Symbol.asyncDispose]()
    server?.signal('SIGKILL')
    await server?.exited
    await rm(dataDir, { recursive: true, force: true })
  })

  const api = async (
    method: string,
    path: string,
    body?: unknown,
    headers = {},
  ): Promise<{ status: number; body: Frame }> => {
    const response = await fetch(`${server!.url}/v0${path}`, {
      method,
      headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json', ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    return { status: response.status, body: await response.json() }
  }

  return {
    random,
    mails,
    answers,
    heard,

    async start() {
      server = await startServer(env)
      if (cursor === undefined) {
        for (const username of ['in', 'out', 'local']) await api('POST', '/inboxes', { username, client_id: username })
        await api('POST', '/webhooks', { url: receiver.url, event_types: TYPES })
      }
      await listen()
    },

    async kill() {
      server!.signal('SIGKILL')
      await server!.exited
      await socket!.closed
    },

    /** Runs until the server dies under it. */
    async load() {
      await Promise.all([
        ...Array.from({ length: SENDERS }, () => untilDead(() => deliver(`<${randomUUID()}@example.test>`))),
        untilDead(() => send(randomUUID())),
        untilDead(() => send(randomUUID())),
      ])
    },

    /** What a sending host and a careful client do after the crash: the same again. */
    async repeatUnacknowledged() {
      for (const id of [...doubtfulMails]) await deliver(id)
      for (const key of [...doubtfulSends]) await send(key)
    },

    /** The queue has said of every send how it ended, its notice has arrived, and the subscriber has heard it. */
    async settled() {
      const ends = ['message.delivered', 'message.held', 'message.bounced']
      const isEnd = ({ event_type, message }: Frame) =>
        ends.includes(event_type) || (event_type === 'message.received' && message.inbox_id === 'out@mail.localhost')
      while (heard.filter(isEnd).length < answers.size * 4) await next()
    },

    /** Event ids, each with the bodies that came under it; resolves when there are as many ids as that. */
    async toldByWebhook(count: number) {
      for (;;) {
        const bodies = new Map<string, Set<string>>()
        for (const { headers, body } of receiver.calls) {
          const id = String(headers['webhook-id']).replace('msg_', 'evt_')
          bodies.set(id, (bodies.get(id) ?? new Set()).add(body))
        }
        if (bodies.size >= count) return bodies
        await receiver.count(receiver.calls.length + 1)
      }
    },

    async read() {
      const log = await openSocket(`${server!.url.replace('http', 'ws')}/v0`, KEY)
      log.send({ type: 'subscribe', event_types: TYPES, after: 'earliest' })
      const events: Frame[] = []
      while (events.at(-1)?.cursor !== cursor) events.push(await log.next())
      log.close()
      const eventIds = events.map(({ event_id }) => event_id as string)
      const eventCounts: Record<string, number> = {}
      for (const { event_type } of events) eventCounts[event_type] = (eventCounts[event_type] ?? 0) + 1
      return {
        inbound: await countById('in@mail.localhost'),
        sent: await countById('out@mail.localhost', '&labels=sent'),
        notices: await countById('out@mail.localhost', '&labels=received', ({ in_reply_to }) => in_reply_to),
        local: await countById('local@mail.localhost'),
        eventIds,
        eventCounts,
        repeatedEvents: eventIds.filter((id, index) => eventIds.indexOf(id) !== index),
      }
    },
  }

  /** Subscribes where it was cut off; what it hears goes to `heard` in the background. */
  async function listen() {
    socket = await openSocket(`${server!.url.replace('http', 'ws')}/v0`, KEY)
    socket.send({ type: 'subscribe', event_types: TYPES, ...(cursor !== undefined && { after: cursor }) })
    await socket.nextFrame((frame) => frame.type === 'subscribed')
    const current = socket
    void (async () => {
      for (;;) {
        const event = await current.next()
        heard.push(event)
        cursor = event.cursor
        wake?.()
      }
    })().catch(() => undefined) // ends with its socket
    if (cursor === undefined) {
      await deliver('<first@example.test>') // so that there is a cursor to come back with
      while (cursor === undefined) await next()
    }
  }

  function next(): Promise<void> {
    return new Promise((resolve) => {
      wake = resolve
    })
  }

  async function deliver(id: string): Promise<void> {
    doubtfulMails.add(id)
    const transport = createTransport({
      host: '127.0.0.1',
      port: server!.smtpPort,
      ignoreTLS: true,
      connectionTimeout: 5_000,
    })
    try {
      const isLarge = random() < 0.05
      const text = isLarge ? `${LARGE}\n`.repeat(5_000) : `mail ${id}`
      await transport.sendMail({
        from: 'ann@example.test',
        to: 'in@mail.localhost',
        subject: id,
        messageId: id,
        date: new Date(0), // a repeated mail is the same mail
        // Its content follows from its id, so that the repetition is the same in every byte.
        text: doubtfulTexts.get(id) ?? remember(id, text),
      })
      mails.add(id)
      doubtfulMails.delete(id)
    } finally {
      transport.close()
    }
  }

  async function send(key: string): Promise<void> {
    doubtfulSends.add(key)
    const { status, body } = await api(
      'POST',
      '/inboxes/out@mail.localhost/messages/send',
      { to: ['local@mail.localhost', 'far@example.test', 'nobody@mail.localhost'], subject: key, text: 'hello' },
      { 'idempotency-key': key },
    )
    if (status !== 200) throw new Error(`send answered ${status}: ${JSON.stringify(body)}`)
    answers.add(body.message_id)
    doubtfulSends.delete(key)
  }

  /** How often each name occurs in the inbox. */
  async function countById(
    inbox: string,
    filter = '',
    nameOf: (message: Frame) => string = ({ message_id }) => message_id,
  ): Promise<Map<string, number>> {
    const counts = new Map<string, number>()
    let token: string | undefined
    do {
      const { body } = await api(
        'GET',
        `/inboxes/${inbox}/messages?limit=500${filter}${token ? `&page_token=${token}` : ''}`,
      )
      for (const message of body.messages) {
        const name = nameOf(message)
        counts.set(name, (counts.get(name) ?? 0) + 1)
      }
      token = body.next_page_token
    } while (token)
    return counts
  }
}

const doubtfulTexts = new Map<string, string>()
function remember(id: string, text: string): string {
  doubtfulTexts.set(id, text)
  return text
}

async function untilDead(act: () => Promise<void>): Promise<void> {
  for (;;) {
    try {
      await act()
    } catch {
      return // the server was killed: what was under way is in doubt, and noted as such
    }
  }
}

/** mulberry32: the same seed cuts at the same delays. */
function dice(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}
