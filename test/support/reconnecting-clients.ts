/**
 * Subscribers that reconnect by themselves with the cursor of their last event, as clients do, and record their
 * events. At the end these must equal the log: `received` shows every repetition and every gap.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { openEventSource } from './event-source.ts'
import { type Frame, openSocket } from './socket-client.ts'

/** The time that a reader waits before it reconnects. */
const RECONNECT_MS = 100
/** The code of a socket that ended without a close frame: its server was killed. */
const DIED = 1006

export interface ReconnectingClientNeeds {
  /** The server for the next connection. */
  readonly place: () => { readonly url: string }
  readonly key: string
  /** The cursor at which the reader starts. */
  readonly after: string
  readonly types: readonly string[]
  /** Addresses of inboxes; all inboxes by default. */
  readonly inboxIds?: readonly string[]
  /** Whether the reader disconnects by itself after an event. */
  readonly disconnects?: () => boolean
  readonly onEvent?: (event: Frame) => void
  /** What it records of an event; by default all of it. */
  readonly record?: (event: Frame) => Frame
}

type Connect = (
  needs: ReconnectingClientNeeds & { readonly signal: AbortSignal; readonly closes: number[] },
) => AsyncIterable<Frame>

export class ReconnectingClient {
  /** Events in the order of their arrival. */
  readonly received: Frame[] = []
  /** Codes with which a server closed the reader's socket. */
  readonly closes: number[] = []
  /** The number of attempted connections. */
  tries = 0
  readonly #needs: ReconnectingClientNeeds
  readonly #connect: Connect
  readonly #running: Promise<void>
  #cursor: string
  #isStopped = false
  #leave = new AbortController()

  constructor(over: 'socket' | 'stream', needs: ReconnectingClientNeeds) {
    this.#connect = over === 'socket' ? overSocket : overStream
    this.#needs = needs
    this.#cursor = needs.after
    this.#running = this.#run()
  }

  get cursor(): string {
    return this.#cursor
  }

  async stop(): Promise<void> {
    this.#isStopped = true
    this.#leave.abort()
    await this.#running
  }

  async #run(): Promise<void> {
    while (!this.#isStopped) {
      await this.#listen().catch(() => undefined) // the server is down or refuses
      if (!this.#isStopped) await delay(RECONNECT_MS)
    }
  }

  async #listen(): Promise<void> {
    const { disconnects = () => false, onEvent = () => undefined, record = (event) => event } = this.#needs
    this.tries += 1
    this.#leave = new AbortController()
    const { signal } = this.#leave
    for await (const event of this.#connect({ ...this.#needs, after: this.#cursor, signal, closes: this.closes })) {
      this.received.push(record(event))
      this.#cursor = event.cursor
      onEvent(event)
      if (disconnects()) return // events in transit at that moment are ignored
    }
  }
}

/** Returns the cursor of the log's end. */
export async function endOfLog({ url }: { readonly url: string }, key: string): Promise<string> {
  const socket = await openSocket(`${url.replace('http', 'ws')}/v0`, key)
  socket.send({ type: 'subscribe' })
  const { cursor } = await socket.nextFrame(({ type }) => type === 'subscribed')
  socket.close()
  return cursor
}

const overSocket: Connect = async function* ({ place, key, after, types, inboxIds, signal, closes }) {
  const socket = await openSocket(`${place().url.replace('http', 'ws')}/v0`, key)
  signal.addEventListener('abort', () => socket.close())
  void socket.closed.then(({ code }) => code !== DIED && closes.push(code))
  try {
    socket.send({ type: 'subscribe', event_types: types, ...(inboxIds && { inbox_ids: inboxIds }), after })
    const answer = await socket.nextFrame(({ type }) => type !== 'event')
    if (answer.type !== 'subscribed') throw new Error(`refused: ${JSON.stringify(answer)}`)
    for (;;) yield await socket.next()
  } finally {
    socket.close()
  }
}

const overStream: Connect = async function* ({ place, key, after, types, inboxIds = [], signal }) {
  const query = new URLSearchParams()
  for (const type of types) query.append('event_types', type)
  for (const id of inboxIds) query.append('inbox_ids', id)
  const source = await openEventSource(`${place().url}/v0/events/stream?${query}`, { key, lastEventId: after })
  signal.addEventListener('abort', () => source.close())
  try {
    if (source.status !== 200) throw new Error(`refused: ${JSON.stringify(source.refusal)}`)
    for (;;) {
      const { data, lastEventId } = await source.next('message')
      yield { ...JSON.parse(data), cursor: lastEventId }
    }
  } finally {
    source.close()
  }
}
