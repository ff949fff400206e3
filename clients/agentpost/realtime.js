// Events over a WebSocket that reconnects by itself, subscribes again and resumes after the last event.
import { AgentPostError } from './transport.js'

const FIRST_WAIT_MS = 1_000
const LONGEST_WAIT_MS = 60_000
const TRIES_MAX = 10
/** The key was deleted or changed, or the client sends too many frames (RFC 6455 §7.4.1). */
const POLICY_VIOLATION = 1008

export class Realtime {
  #transport

  constructor(transport) {
    this.#transport = transport
  }

  connect() {
    return new RealtimeConnection(this.#transport)
  }
}

export class RealtimeConnection {
  #transport
  #listeners = new Map()
  #socket
  #isOpen = false
  #isClosed = false
  #failures = 0
  #timer
  /** Filters by their JSON: each is subscribed to once per connection. */
  #filters = new Map()
  /** Position after the last event, or of the first subscription. */
  #cursor

  constructor(transport) {
    this.#transport = transport
    // Listeners are added after connect() has returned.
    queueMicrotask(() => this.#open())
  }

  on(name, listener) {
    this.#listeners.set(name, [...(this.#listeners.get(name) ?? []), listener])
    return this
  }

  off(name, listener) {
    this.#listeners.set(
      name,
      (this.#listeners.get(name) ?? []).filter((each) => each !== listener),
    )
    return this
  }

  once(name, listener) {
    const first = (...values) => {
      this.off(name, first)
      listener(...values)
    }
    return this.on(name, first)
  }

  /** Also before the connection is open. Several subscriptions add up; each lasts for all connections to come. */
  subscribe({ events, event_types, inbox_id, inboxId, environmentIds, environment_ids } = {}) {
    const filter = {
      event_types: events ?? event_types,
      inbox_id: inbox_id ?? inboxId,
      environment_ids: environmentIds ?? environment_ids,
    }
    const key = JSON.stringify(filter)
    if (this.#filters.has(key)) return
    this.#filters.set(key, filter)
    if (this.#isOpen) void this.#send(filter)
  }

  close() {
    this.#isClosed = true
    clearTimeout(this.#timer)
    this.#socket?.close(1000)
  }

  async #open() {
    if (this.#isClosed) return
    try {
      const Socket = globalThis.WebSocket ?? (await import('ws')).WebSocket
      const url = `${this.#transport.origin.replace(/^http/, 'ws')}/ws?token=${encodeURIComponent(this.#transport.apiKey)}`
      const socket = new Socket(url)
      if (this.#isClosed) return socket.close()
      this.#socket = socket
      socket.onopen = () => this.#opened()
      socket.onmessage = ({ data }) => this.#received(String(data))
      socket.onerror = () => undefined // "close" follows, and says whether to try again
      socket.onclose = ({ code, reason }) => void this.#closed(code, String(reason))
    } catch (error) {
      this.#emit('error', error)
    }
  }

  #opened() {
    this.#isOpen = true
    this.#failures = 0
    for (const filter of this.#filters.values()) void this.#send(filter, this.#cursor)
    this.#emit('open')
  }

  async #send(filter, after) {
    const socket = this.#socket
    try {
      const environment = await this.#transport.environmentId()
      const environment_ids = filter.environment_ids ?? (environment === undefined ? undefined : [environment])
      if (socket.readyState === 1) socket.send(JSON.stringify({ type: 'subscribe', ...filter, environment_ids, after }))
    } catch (error) {
      this.#emit('error', error)
    }
  }

  #received(text) {
    const frame = JSON.parse(text)
    if (frame.type === 'ping') this.#socket.send('{"type":"pong"}')
    else if (frame.type === 'subscribed') this.#cursor ??= frame.cursor
    else if (frame.type === 'event') {
      this.#cursor = frame.cursor
      this.#emit('event', frame.data)
    } else if (frame.type === 'error') this.#failed(frame.error)
  }

  #failed({ message, ...rest }) {
    // The events after the cursor are gone: go on with new ones. Each filter gets this error, the first one counts.
    if (rest.code === 'cursor_expired' && this.#cursor !== undefined) {
      this.#cursor = undefined
      for (const filter of this.#filters.values()) void this.#send(filter)
    }
    this.#emit('error', new AgentPostError(message, rest))
  }

  async #closed(code, reason) {
    const wasOpen = this.#isOpen
    this.#isOpen = false
    this.#emit('close', code, reason)
    if (this.#isClosed) return
    if (code === POLICY_VIOLATION) return this.#end(new AgentPostError(`The server closed the connection: ${reason}`))
    this.#failures += 1
    // A browser does not say why a handshake failed.
    const refusal = wasOpen ? undefined : await this.#refusal()
    if (refusal) return this.#end(refusal)
    if (this.#failures > TRIES_MAX) return this.#end(new AgentPostError('The server cannot be reached'))
    const waitMs = Math.min(FIRST_WAIT_MS * 2 ** (this.#failures - 1), LONGEST_WAIT_MS)
    this.#timer = setTimeout(() => void this.#open(), waitMs)
  }

  /** The error if the server does not accept the key; undefined if another try may help. */
  async #refusal() {
    try {
      await this.#transport.call('GET', '/inboxes', { query: { limit: 1 } })
      return undefined
    } catch (error) {
      return error instanceof AgentPostError && error.status === 401 ? error : undefined
    }
  }

  #end(error) {
    this.#isClosed = true
    this.#emit('error', error)
  }

  #emit(name, ...values) {
    for (const listener of this.#listeners.get(name) ?? []) listener(...values)
  }
}
