/**
 * A client of server-sent events as WHATWG HTML describes it ("Server-sent events", §9.2.5 and §9.2.6). A test waits
 * for its events instead of sleeping. It does not reconnect by itself: the test does, with `lastEventId`.
 */

export interface StreamedEvent {
  /** "message" if the block names no type. */
  readonly type: string
  readonly data: string
  readonly lastEventId: string
}

export interface TestEventSource extends AsyncDisposable {
  readonly status: number
  readonly headers: Headers
  /** The body of a response that is not a stream. */
  // biome-ignore lint/suspicious/noExplicitAny: tests read any response
  readonly refusal: any
  /** All dispatched events, in order. */
  readonly events: readonly StreamedEvent[]
  /** The id that its next connection would send. */
  readonly lastEventId: string
  readonly retryMs: number | undefined
  readonly comments: number
  /** Returns the next event that no call has returned yet, of this type if one is given. */
  next(type?: string): Promise<StreamedEvent>
  /** How the response ended: completely, or cut off. */
  readonly ended: Promise<'whole' | 'cut off'>
  close(): void
}

interface Connect {
  readonly key?: string
  readonly lastEventId?: string
  readonly headers?: Readonly<Record<string, string>>
}

export async function openEventSource(
  url: string,
  { key, lastEventId, headers }: Connect = {},
): Promise<TestEventSource> {
  const abort = new AbortController()
  const response = await fetch(url, {
    signal: abort.signal,
    headers: {
      accept: 'text/event-stream',
      ...(key !== undefined && { authorization: `Bearer ${key}` }),
      ...(lastEventId !== undefined && lastEventId !== '' && { 'last-event-id': lastEventId }),
      ...headers,
    },
  })
  const isStream = response.headers.get('content-type')?.split(';')[0] === 'text/event-stream'
  const parser = new StreamParser(lastEventId ?? '')
  const taken = new Set<StreamedEvent>()
  let check: () => void = () => undefined
  let isOver = false
  const ended = isStream && response.status === 200 ? read() : Promise.resolve('whole' as const)
  void ended.then(() => {
    isOver = true
    check()
  })

  return {
    status: response.status,
    headers: response.headers,
    refusal: isStream ? undefined : await response.json(),
    events: parser.events,
    get lastEventId() {
      return parser.lastEventId
    },
    get retryMs() {
      return parser.retryMs
    },
    get comments() {
      return parser.comments
    },
    ended,
    async next(type) {
      for (;;) {
        const event = parser.events.find((each) => !taken.has(each) && (type === undefined || each.type === type))
        if (event) {
          taken.add(event)
          return event
        }
        if (isOver) throw new Error('the stream ended while the test waited for an event')
        await new Promise<void>((resolve) => {
          check = resolve
        })
      }
    },
    close: () => abort.abort(),
    async [Symbol.asyncDispose]() {
      abort.abort()
      await ended
    },
  }

  async function read(): Promise<'whole' | 'cut off'> {
    const decoder = new TextDecoder() // drops a byte order mark, as the standard requires
    try {
      for await (const chunk of response.body!) {
        parser.feed(decoder.decode(chunk as Uint8Array, { stream: true }))
        check()
      }
      return 'whole'
    } catch {
      return 'cut off'
    }
  }
}

export class StreamParser {
  readonly events: StreamedEvent[] = []
  lastEventId: string
  retryMs: number | undefined
  comments = 0
  #rest = ''
  #data = ''
  #type = ''
  #id: string

  constructor(lastEventId: string) {
    this.lastEventId = lastEventId
    this.#id = lastEventId
  }

  feed(text: string): void {
    this.#rest += text
    for (;;) {
      // A CR at the end may be the first half of a CRLF.
      const end = /\r\n|\n|\r(?!$)/.exec(this.#rest)
      if (!end) return
      const line = this.#rest.slice(0, end.index)
      this.#rest = this.#rest.slice(end.index + end[0].length)
      this.#take(line)
    }
  }

  #take(line: string): void {
    if (line === '') {
      this.#dispatch()
      return
    }
    const colon = line.indexOf(':')
    if (colon === 0) {
      this.comments += 1
      return
    }
    const field = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (field === 'event') this.#type = value
    else if (field === 'data') this.#data += `${value}\n`
    else if (field === 'id' && !value.includes('\0')) this.#id = value
    else if (field === 'retry' && /^\d+$/.test(value)) this.retryMs = Number(value)
  }

  #dispatch(): void {
    this.lastEventId = this.#id
    const data = this.#data
    const type = this.#type || 'message'
    this.#data = ''
    this.#type = ''
    if (data === '') return
    this.events.push({ type, data: data.slice(0, -1), lastEventId: this.lastEventId })
  }
}
