/** An HTTP client that sends exactly the bytes it is given, and checks the response. */
import { connect, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { renderError } from '../../src/edges/http/dialects/agentmail/agentmail-errors.ts'
import { type ErrorCode, errors, MailError } from '../../src/errors.ts'
import { ATTACKERS, scale, type Target } from './attack.ts'

export interface HttpAnswer {
  readonly status: number
  readonly headers: ReadonlyMap<string, string>
  readonly body: string
}

/** Bytes to send, or a pause in milliseconds. */
export type Piece = Buffer | string | number

interface Exchange {
  /** Number of responses to wait for; 0: the peer disconnects when it has sent everything. */
  readonly answers?: number
  /**
   * For requests that need no response: the peer disconnects after this time. Otherwise a missing response is a
   * failure.
   */
  readonly silentMs?: number
  /** For requests that Node answers by itself: this status, without a body. */
  readonly bare?: number
}

/** Stands for the parameters of any error. */
const anything = new Proxy({}, { get: () => 'x' }) as never
/** Every error of the catalogue, as clients receive it. */
const rendered = (Object.keys(errors) as ErrorCode[]).map((code) => renderError(new MailError(code, anything)))
const codes = new Set(rendered.map(({ body }) => body.code))
const statuses = new Set([
  ...[100, 101, 200, 201, 204],
  ...rendered.map(({ status }) => status).filter((status) => status < 500),
  ...[408, 431], // what Node's parser refuses (edges/http/server/error-handler.ts)
  503,
])

/**
 * Sends the pieces over a new connection.
 *
 * @returns a short name of the result, for the statistics
 * @throws as `judge`
 */
export async function exchange(
  { httpPort }: Pick<Target, 'httpPort'>,
  pieces: Iterable<Piece>,
  { answers = 1, silentMs, bare }: Exchange = {},
): Promise<string> {
  const socket = connect({ port: httpPort, host: '127.0.0.1', localAddress: ATTACKERS[0]! })
  const over = new AbortController()
  let received: Buffer = Buffer.alloc(0)
  const read = (): HttpAnswer[] => readAnswers(received)
  const answered = new Promise<string>((resolve) => {
    socket.on('error', () => undefined) // "close" follows
    socket.on('close', () => resolve('closed'))
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk])
      if (answers > 0 && read().length >= answers) resolve('answered')
    })
    const timer = setTimeout(() => resolve('silent'), silentMs ?? scale.answerTimeoutMs)
    over.signal.addEventListener('abort', () => clearTimeout(timer))
  })
  const sent = send(socket, pieces, over.signal)
  const ending = await Promise.race([answered, ...(answers === 0 ? [sent.then(() => 'sent')] : [])])
  over.abort()
  socket.destroy()
  await sent
  const all = read()
  for (const answer of all) if (answer.status !== bare) judge(answer)
  if (ending === 'silent' && silentMs === undefined) throw new Error(`no answer within ${scale.answerTimeoutMs} ms`)
  return all.length === 0 ? `HTTP ${ending}` : `HTTP ${[...new Set(all.map(({ status }) => status))].join(', ')}`
}

async function send(socket: Socket, pieces: Iterable<Piece>, signal: AbortSignal): Promise<void> {
  for (const piece of pieces) {
    if (signal.aborted || socket.destroyed) return
    if (typeof piece === 'number') await delay(piece, undefined, { signal }).catch(() => undefined)
    else if (!socket.write(piece)) await drained(socket, signal)
  }
}

function drained(socket: Socket, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    socket.once('drain', resolve).once('close', resolve)
    signal.addEventListener('abort', () => resolve())
  })
}

/** @throws Error for a response that is no use to a client, or that reports a server error */
export function judge({ status, headers, body }: HttpAnswer): void {
  const words = `${status} ${body.slice(0, 200)}`
  if (!statuses.has(status)) throw new Error(`a status that is not in the catalogue: ${words}`)
  if (status < 400) return
  let parsed: { name?: unknown; code?: unknown; message?: unknown }
  try {
    parsed = JSON.parse(body)
  } catch {
    throw new Error(`an error that is not JSON: ${words}`)
  }
  const isWhole = typeof parsed.name === 'string' && typeof parsed.message === 'string'
  if (!isWhole || !codes.has(parsed.code as string)) throw new Error(`an error without name, message or code: ${words}`)
  if (status === 503 && !headers.has('retry-after')) throw new Error(`503 without Retry-After: ${words}`)
}

/** Returns the complete responses. A body without a length ends with its connection, so it is treated as empty here. */
function readAnswers(bytes: Buffer): HttpAnswer[] {
  const answers: HttpAnswer[] = []
  let rest = bytes
  for (;;) {
    const end = rest.indexOf('\r\n\r\n')
    if (end < 0) return answers
    const [first = '', ...fields] = rest.toString('latin1', 0, end).split('\r\n')
    const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(first)?.[1])
    if (Number.isNaN(status)) throw new Error(`not HTTP: ${first.slice(0, 100)}`)
    const headers = new Map(
      fields.map((field) => [field.split(':', 1)[0]!.toLowerCase(), field.replace(/^[^:]*:\s*/, '')]),
    )
    const body = status < 200 || status === 204 ? { text: '', size: 0 } : readBody(rest, end + 4, headers)
    if (!body) return answers
    if (status !== 100) answers.push({ status, headers, body: body.text })
    rest = rest.subarray(end + 4 + body.size)
  }
}

/** @returns undefined while it is not complete */
function readBody(bytes: Buffer, start: number, headers: ReadonlyMap<string, string>) {
  if (headers.get('transfer-encoding') === 'chunked') return readChunks(bytes, start)
  const size = Number(headers.get('content-length') ?? 0)
  return bytes.length - start < size ? undefined : { text: bytes.toString('utf8', start, start + size), size }
}

function readChunks(bytes: Buffer, start: number): { text: string; size: number } | undefined {
  const chunks: Buffer[] = []
  let at = start
  for (;;) {
    const end = bytes.indexOf('\r\n', at)
    if (end < 0) return undefined
    const size = Number.parseInt(bytes.toString('latin1', at, end), 16)
    if (bytes.length < end + 2 + size + 2) return undefined
    chunks.push(bytes.subarray(end + 2, end + 2 + size))
    at = end + 2 + size + 2
    if (size === 0) return { text: Buffer.concat(chunks).toString(), size: at - start }
  }
}

/** Returns a request as one piece of bytes. */
export function request(
  method: string,
  path: string,
  { key, body, headers = [] }: { key?: string; body?: Buffer | string; headers?: readonly string[] } = {},
): Buffer {
  const head = [
    `${method} ${path} HTTP/1.1`,
    'Host: x',
    ...(key === undefined ? [] : [`Authorization: Bearer ${key}`]),
    ...(body === undefined ? [] : ['Content-Type: application/json', `Content-Length: ${Buffer.byteLength(body)}`]),
    ...headers,
  ]
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), Buffer.from(body ?? '')])
}
