/**
 * Clients that record every response, for tests in which a process dies under load. They behave like careful clients:
 * they repeat what was not acknowledged (a message with the same bytes, a send with its Idempotency-Key), and they
 * reconnect with their cursor.
 *
 * At the end, mailboxes, queue and event log must agree with each other, and a webhook must have received every event
 * (`expectOneStory`).
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { createTransport } from 'nodemailer'
import { expect } from 'vitest'
import { RawClient } from '../smtp/raw-client.ts'
import { endOfLog, ReconnectingClient } from './reconnecting-clients.ts'
import { type Frame, openSocket } from './socket-client.ts'
import type { WebhookSink } from './webhook-sink.ts'

const TYPES = ['message.received', 'message.sent', 'message.delivered', 'message.held', 'message.bounced']
const LARGE = 'x'.repeat(76) // repeated to exceed inlineBytesMax, so that some kills happen while blobs are written
/** The time that a client waits before it repeats. */
const REPEAT_MS = 150
/** The filter for sent messages. */
const SENT = '&labels=sent'

/** A server from the viewpoint of its clients. */
export interface Place {
  readonly url: string
  readonly smtpPort: number
}

interface Load {
  readonly senders: number
  readonly callers: number
  /** Clients that add and remove labels. */
  readonly labellers?: number
  /** Senders whose inbox is deleted before the end of each message: they fail beside the others of their group commit. */
  readonly failing?: number
  /** end: a client stops at a failure, for `repeatUnacknowledged` later; repeat: it tries until success. */
  readonly onFailure: 'end' | 'repeat'
}

interface LedgerNeeds {
  readonly key: string
  /** The server for the next connection. */
  readonly place: () => Place
  /** Returns a number from 0 to 1. */
  readonly random: () => number
  /** The share of messages that are large enough for a blob; one twentieth by default. */
  readonly largeShare?: number
  /** Receives the events by webhook. */
  readonly sink?: WebhookSink
  /** Called when a message was acknowledged: by 250 over SMTP, with its Message-ID, or by 200 over HTTP. */
  readonly onAccepted?: (over: 'smtp' | 'http', id: string, startedAtMs: number) => void
}

export class Ledger {
  /** Message-IDs of messages that were answered 250. */
  readonly inbound = new Set<string>()
  /** message_ids of sends that were answered 200. */
  readonly sends = new Set<string>()
  /** Labels whose addition was answered with 200. */
  readonly labels = new Set<string>()
  /** The number of messages that were refused because their inbox had been deleted. */
  refusedForGood = 0
  /** Counts of temporary failures, of messages over SMTP and of sends. */
  readonly refused = { inbound: 0, sends: 0 }
  /** The number of requests without a response, because the connection broke. */
  unanswered = 0
  /** The time of the slowest failure. */
  refusalMaxMs = 0
  /** Responses that a client must never get; they end its attempts. */
  readonly wrongAnswers: string[] = []

  readonly #needs: LedgerNeeds
  /** Texts of unacknowledged messages by Message-ID, so that a repetition has the same bytes. */
  readonly #openInbound = new Map<string, string>()
  /** Idempotency-Keys that were not acknowledged yet. */
  readonly #openSends = new Set<string>()
  /** Message-IDs and keys whose only response was a failure. */
  readonly #saidToFail = { inbound: new Set<string>(), sends: new Set<string>() }
  /** Clients of `prepareFailing`. */
  readonly #beforeLastLine: RawClient[] = []
  readonly #wakes = new Set<() => void>()
  #reader: ReconnectingClient | undefined
  #isOver = false

  constructor(needs: LedgerNeeds) {
    this.#needs = needs
  }

  /** The events that a subscriber which reconnects with its cursor has received. */
  get received(): readonly Frame[] {
    return this.#reader!.received
  }

  /** Codes with which the server closed the subscriber's socket. */
  get closes(): readonly number[] {
    return this.#reader!.closes
  }

  /** Creates the inboxes and the webhook, and subscribes. */
  async open(): Promise<void> {
    for (const username of ['in', 'out', 'local']) {
      await this.#api('POST', '/inboxes', { username, client_id: username })
    }
    const { sink } = this.#needs
    if (sink) await this.#api('POST', '/webhooks', { url: sink.url, event_types: TYPES })
    const { place, key } = this.#needs
    const after = await endOfLog(place(), key)
    this.#reader = new ReconnectingClient('socket', { place, key, after, types: TYPES, onEvent: () => this.#wake() })
  }

  async close(): Promise<void> {
    await this.#reader?.stop()
  }

  /** Begins messages of the next load that will fail, so that one fails in its first group commit. */
  async prepareFailing(count: number): Promise<void> {
    for (let index = 0; index < count; index += 1) this.#beforeLastLine.push(await this.#beginForDeleted())
  }

  /** Resolves when every client has ended: at its first failure, or after `end`. */
  async load({ senders, callers, labellers = 0, failing = 0, onFailure }: Load): Promise<void> {
    this.#isOver = false
    const work = async (act: () => Promise<void>) => {
      while (!this.#isOver) {
        const isDone = await act().then(
          () => true,
          () => false,
        )
        if (!isDone && onFailure === 'end') return
      }
    }
    const persistent = async (act: () => Promise<void>): Promise<void> => {
      try {
        await act()
      } catch (error) {
        if (onFailure === 'end' || this.wrongAnswers.length > 0) throw error
        await delay(REPEAT_MS)
        await persistent(act)
      }
    }
    await Promise.all([
      ...Array.from({ length: senders }, () =>
        work(() => {
          const id = `<${randomUUID()}@example.test>`
          return persistent(() => this.#deliver(id))
        }),
      ),
      ...Array.from({ length: callers }, () =>
        work(() => {
          const key = randomUUID()
          return persistent(() => this.#send(key))
        }),
      ),
      ...Array.from({ length: labellers }, () =>
        work(async () => {
          const label = `l-${randomUUID()}`
          const id = await this.#anyMail()
          await persistent(() => this.#label(id, { add_labels: [label] }))
          this.labels.add(label)
          await persistent(() => this.#label(id, { remove_labels: [label] }))
        }),
      ),
      ...Array.from({ length: failing }, () => work(() => persistent(() => this.#deliverToDeleted()))),
    ])
  }

  /** Lets clients finish their current request, and then end. */
  end(): void {
    this.#isOver = true
  }

  /** Resolves when the condition is true; it is checked after each response to a client. */
  async until(fits: () => boolean): Promise<void> {
    while (!fits()) {
      await new Promise<void>((resolve) => {
        this.#wakes.add(resolve)
      })
    }
  }

  /**
   * Returns Message-IDs and keys that are stored although their client got a failure. Call it before anything is
   * repeated, and while no outcome is unknown.
   */
  async falseFailures(): Promise<string[]> {
    const [received, sent] = [
      await this.#subjects('in@mail.localhost'),
      await this.#subjects('out@mail.localhost', SENT),
    ]
    return [
      ...[...this.#saidToFail.inbound].filter((id) => received.has(id)),
      ...[...this.#saidToFail.sends].filter((key) => sent.has(key)),
    ]
  }

  /** Repeats what was not acknowledged, as a sending host and a careful client do. */
  async repeatUnacknowledged(): Promise<void> {
    for (const id of [...this.#openInbound.keys()]) await this.#deliver(id)
    for (const key of [...this.#openSends]) await this.#send(key)
  }

  /** Resolves when the subscriber has received the final events and the notice of every send. */
  async settled(): Promise<void> {
    const ends = ['message.delivered', 'message.held', 'message.bounced']
    const isEnd = ({ event_type, message }: Frame) =>
      ends.includes(event_type) || (event_type === 'message.received' && message.inbox_id === 'out@mail.localhost')
    await this.until(() => this.received.filter(isEnd).length >= this.sends.size * 4)
  }

  /** Expects that nothing acknowledged is lost, that nothing is stored twice, and that every event exists once. */
  async expectOneStory(): Promise<void> {
    expect(this.wrongAnswers).toEqual([])
    const once = (ids: Iterable<string>) => new Map([...ids].map((id) => [id, 1]))
    expect(await this.#countById('in@mail.localhost')).toEqual(once(this.inbound))
    expect(await this.#countById('out@mail.localhost', SENT)).toEqual(once(this.sends))
    const notices = await this.#countById('out@mail.localhost', '&labels=received', ({ in_reply_to }) => in_reply_to)
    expect(notices).toEqual(once(this.sends)) // each bounce has one notice
    expect(await this.#countById('local@mail.localhost')).toEqual(once(this.sends))

    const events = await this.#logged()
    const ids = events.map(({ event_id }) => event_id as string)
    const seen = new Set<string>()
    expect(ids.filter((id) => seen.has(id) || !seen.add(id))).toEqual([])
    const counts: Record<string, number> = {}
    for (const { event_type } of events) counts[event_type] = (counts[event_type] ?? 0) + 1
    expect(counts).toEqual({
      'message.received': this.inbound.size + 2 * this.sends.size,
      ...(this.sends.size > 0 && {
        'message.sent': this.sends.size,
        'message.delivered': this.sends.size,
        'message.held': this.sends.size,
        'message.bounced': this.sends.size,
      }),
    })
    // The events of the log must be those that the subscriber received over all its connections.
    expect(this.received.map(({ event_id }) => event_id)).toEqual(ids)
    if (this.#needs.sink) await this.#expectTold(this.#needs.sink, ids)
  }

  /** A webhook may receive an event twice, but then with the same id and the same bytes. */
  async #expectTold(sink: WebhookSink, ids: readonly string[]): Promise<void> {
    for (;;) {
      const bodies = new Map<string, Set<string>>()
      for (const { headers, body } of sink.calls) {
        const id = String(headers['webhook-id']).replace('msg_', 'evt_')
        bodies.set(id, (bodies.get(id) ?? new Set()).add(body))
      }
      if (bodies.size >= ids.length) {
        expect([...bodies.keys()].toSorted()).toEqual(ids.toSorted())
        expect([...bodies.values()].filter((each) => each.size > 1)).toEqual([])
        return
      }
      await sink.count(sink.calls.length + 1)
    }
  }

  get figures(): string {
    const { refused, refusedForGood, unanswered, inbound, sends, received } = this
    return (
      `${inbound.size} messages in, ${sends.size} sent, ${received.length} events; refused ${refused.inbound} messages and ` +
      `${refused.sends} sends, after ${Math.round(this.refusalMaxMs)} ms at most, and ${refusedForGood} messages to deleted ` +
      `inboxes; ${unanswered} got no response`
    )
  }

  async #deliver(id: string): Promise<void> {
    const isFirstTry = !this.#openInbound.has(id)
    const text = this.#openInbound.get(id) ?? this.#textFor(id)
    this.#openInbound.set(id, text)
    const transport = createTransport({
      host: '127.0.0.1',
      port: this.#needs.place().smtpPort,
      ignoreTLS: true,
      connectionTimeout: 5_000,
    })
    const startedAt = performance.now()
    try {
      await transport.sendMail({
        from: 'ann@example.test',
        to: 'in@mail.localhost',
        subject: id,
        messageId: id,
        date: new Date(0), // a repeated message has the same bytes
        text,
      })
      this.#needs.onAccepted?.('smtp', id, startedAt)
      this.inbound.add(id)
      this.#openInbound.delete(id)
      this.#saidToFail.inbound.delete(id)
    } catch (error) {
      const { responseCode, response } = error as { responseCode?: number; response?: string }
      if (responseCode === undefined) {
        this.unanswered += 1
        this.#saidToFail.inbound.delete(id)
      } else {
        this.#noteRefusal('inbound', startedAt)
        if (isFirstTry) this.#saidToFail.inbound.add(id)
        if (!/^4(51|21) 4\.3\./.test(response ?? '')) this.wrongAnswers.push(`${id}: ${response}`)
      }
      throw error
    } finally {
      transport.close()
      this.#wake()
    }
  }

  /** Sends a message whose inbox was deleted after RCPT. It must be refused, and no event or row may exist (`expectOneStory`). */
  async #deliverToDeleted(): Promise<void> {
    const peer = this.#beforeLastLine.pop() ?? (await this.#beginForDeleted())
    try {
      await this.#say(peer, '.', '550')
      this.refusedForGood += 1
    } finally {
      peer.socket.destroy()
    }
  }

  /** @returns a client that has sent all but the last line, and whose inbox has been deleted since RCPT */
  async #beginForDeleted(): Promise<RawClient> {
    const username = `deleted-${randomUUID()}`
    const inbox = `${username}@mail.localhost`
    await this.#change('POST', '/inboxes', { username })
    const peer = await RawClient.open(this.#needs.place().smtpPort, 'peer.test')
    try {
      await this.#say(peer, 'MAIL FROM:<ann@example.test>', '250')
      await this.#say(peer, `RCPT TO:<${inbox}>`, '250')
      await this.#say(peer, 'DATA', '354')
      peer.send('Subject: late\r\n\r\nhello\r\n')
      await this.#change('DELETE', `/inboxes/${inbox}`)
      return peer
    } catch (error) {
      peer.socket.destroy()
      throw error
    }
  }

  async #say(peer: RawClient, line: string, expected: string): Promise<void> {
    const reply = await peer.command(line)
    if (reply.startsWith(expected)) return
    if (!/^4(51|21) 4\.3\./.test(reply)) this.wrongAnswers.push(`${line}: ${reply}`)
    throw new Error(reply)
  }

  /** @throws unless it succeeds */
  async #change(method: string, path: string, body?: object): Promise<void> {
    const { status, body: answer } = await this.#api(method, path, body)
    if (status < 300) return
    if (status !== 503) this.wrongAnswers.push(`${method} ${path}: ${status} ${JSON.stringify(answer)}`)
    throw new Error(`${method} ${path} was answered ${status}`)
  }

  async #send(key: string): Promise<void> {
    const isFirstTry = !this.#openSends.has(key)
    this.#openSends.add(key)
    const startedAt = performance.now()
    try {
      const { status, headers, body } = await this.#api(
        'POST',
        '/inboxes/out@mail.localhost/messages/send',
        { to: ['local@mail.localhost', 'far@example.test', 'nobody@mail.localhost'], subject: key, text: 'hello' },
        { 'idempotency-key': key },
      ).catch((error: unknown) => {
        this.unanswered += 1
        this.#saidToFail.sends.delete(key)
        throw error
      })
      if (status === 409 && /still running/.test(body.message)) {
        await delay(REPEAT_MS) // until the lease of the interrupted attempt ends
        return await this.#send(key)
      }
      if (status === 200) {
        this.#needs.onAccepted?.('http', body.message_id, startedAt)
        this.sends.add(body.message_id)
        this.#openSends.delete(key)
        this.#saidToFail.sends.delete(key)
        return
      }
      this.#noteRefusal('sends', startedAt)
      if (isFirstTry) this.#saidToFail.sends.add(key)
      const isRight = status === 503 && headers.get('retry-after') !== null
      if (!isRight) this.wrongAnswers.push(`${key}: ${status} ${JSON.stringify(body)}`)
      throw new Error(`send answered ${status}`)
    } finally {
      this.#wake()
    }
  }

  /** Returns the id of an acknowledged message. */
  async #anyMail(): Promise<string> {
    await this.until(() => this.inbound.size > 0 || this.#isOver)
    const ids = [...this.inbound]
    const id = ids[Math.floor(this.#needs.random() * ids.length)]
    if (id === undefined) throw new Error('no message was received')
    return id
  }

  async #label(id: string, change: object): Promise<void> {
    await this.#change('PATCH', `/inboxes/in@mail.localhost/messages/${encodeURIComponent(id)}`, change)
  }

  #textFor(id: string): string {
    return this.#needs.random() < (this.#needs.largeShare ?? 0.05) ? `${LARGE}\n`.repeat(5_000) : `mail ${id}`
  }

  #noteRefusal(what: 'inbound' | 'sends', startedAt: number): void {
    this.refused[what] += 1
    this.refusalMaxMs = Math.max(this.refusalMaxMs, performance.now() - startedAt)
  }

  async #api(
    method: string,
    path: string,
    body?: unknown,
    headers = {},
  ): Promise<{ status: number; headers: Headers; body: Frame }> {
    const response = await fetch(`${this.#needs.place().url}/v0${path}`, {
      method,
      headers: { authorization: `Bearer ${this.#needs.key}`, 'content-type': 'application/json', ...headers },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const text = await response.text()
    return { status: response.status, headers: response.headers, body: text === '' ? {} : JSON.parse(text) }
  }

  /** Returns the whole log, up to the last event that the subscriber has received. */
  async #logged(): Promise<Frame[]> {
    const log = await openSocket(`${this.#needs.place().url.replace('http', 'ws')}/v0`, this.#needs.key)
    log.send({ type: 'subscribe', event_types: TYPES, after: 'earliest' })
    const events: Frame[] = []
    while (events.at(-1)?.cursor !== this.#reader!.cursor) events.push(await log.next())
    log.close()
    return events
  }

  /** Returns how many messages of the inbox have each id. */
  async #countById(
    inbox: string,
    filter = '',
    nameOf: (message: Frame) => string = ({ message_id }) => message_id,
  ): Promise<Map<string, number>> {
    const counts = new Map<string, number>()
    for await (const message of this.#messages(inbox, filter)) {
      counts.set(nameOf(message), (counts.get(nameOf(message)) ?? 0) + 1)
    }
    return counts
  }

  async #subjects(inbox: string, filter = ''): Promise<Set<string>> {
    const subjects = new Set<string>()
    for await (const { subject } of this.#messages(inbox, filter)) subjects.add(subject)
    return subjects
  }

  async *#messages(inbox: string, filter: string): AsyncGenerator<Frame> {
    let token: string | undefined
    do {
      const page = `limit=500${filter}${token ? `&page_token=${token}` : ''}`
      const { body } = await this.#api('GET', `/inboxes/${inbox}/messages?${page}`)
      yield* body.messages
      token = body.next_page_token
    } while (token)
  }

  #wake(): void {
    for (const wake of this.#wakes) wake()
    this.#wakes.clear()
  }
}
