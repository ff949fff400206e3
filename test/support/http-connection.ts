/**
 * One HTTP/1.1 connection for tests that send thousands of requests, one after the other: it costs a fraction of a request by
 * `fetch` or `node:http`. It reads the status and, if it has a Content-Length, the body.
 */
import { connect, type Socket } from 'node:net'

export interface PlainRequest {
  readonly method: string
  readonly path: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | undefined
  /** Reads only the status of a success, which may have no end, and closes the connection. */
  readonly mayStream?: boolean
}

export interface PlainResponse {
  readonly status: number
  /** "" unless the response has a Content-Length. */
  readonly body: string
}

interface Waiting {
  readonly mayStream: boolean
  readonly resolve: (response: PlainResponse) => void
  readonly reject: (error: Error) => void
}

const HEAD_END = '\r\n\r\n'
const LAST_CHUNK = '0\r\n\r\n'

export class HttpConnection implements Disposable {
  readonly #port: number
  #socket: Socket | undefined
  #received: Buffer = Buffer.alloc(0)
  #waiting: Waiting | undefined

  constructor(port: number) {
    this.#port = port
  }

  /** Opens the connection if the server has closed it. There must be only one call at a time. */
  request({ method, path, headers = {}, body, mayStream = false }: PlainRequest): Promise<PlainResponse> {
    return new Promise((resolve, reject) => {
      this.#waiting = { mayStream, resolve, reject }
      const fields = Object.entries({
        host: `127.0.0.1:${this.#port}`,
        ...headers,
        ...(body !== undefined && { 'content-length': `${Buffer.byteLength(body)}` }),
      }).map(([name, value]) => `${name}: ${value}\r\n`)
      this.#socket ??= this.#open()
      this.#socket.write(`${method} ${path} HTTP/1.1\r\n${fields.join('')}\r\n${body ?? ''}`)
    })
  }

  [Symbol.dispose](): void {
    this.#socket?.destroy()
  }

  #open(): Socket {
    const socket = connect(this.#port, '127.0.0.1').setNoDelay()
    this.#received = Buffer.alloc(0)
    socket.on('data', (bytes) => {
      this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes])
      this.#read()
    })
    socket.on('error', () => undefined) // "close" follows
    socket.on('close', () => {
      if (this.#socket !== socket) return
      this.#socket = undefined
      this.#waiting?.reject(new Error(`the server closed the connection; it had sent: ${this.#received}`))
    })
    return socket
  }

  /** Resolves the request if its response is complete. */
  #read(): void {
    const headEnd = this.#received.indexOf(HEAD_END)
    if (headEnd === -1) return
    const head = this.#received.toString('latin1', 0, headEnd).toLowerCase()
    const status = Number(head.slice('http/1.1 '.length, 'http/1.1 200'.length))
    const start = headEnd + HEAD_END.length
    const length = /^content-length: (\d+)/m.exec(head)?.[1]
    if (length !== undefined) {
      const end = start + Number(length)
      if (this.#received.length >= end) this.#answer(head, status, this.#received.toString('utf8', start, end))
    } else if (status < 400 && this.#waiting?.mayStream) this.#answer(`${head}\nconnection: close`, status, '')
    else if (status === 204 || this.#received.subarray(start).toString('latin1').endsWith(LAST_CHUNK)) {
      this.#answer(head, status, '')
    }
  }

  #answer(head: string, status: number, body: string): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    this.#received = Buffer.alloc(0)
    if (/^connection: close/m.test(head)) {
      this.#socket?.destroy()
      this.#socket = undefined
    }
    waiting?.resolve({ status, body })
  }
}
