/** An HTTP client with very low cost, so that the benchmark measures the server: one request at a time per connection. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'

export interface HttpLoad {
  readonly url: string
  readonly connections: number
  readonly durationMs: number
  /** Returns the path of the next request. */
  readonly path: () => string
  readonly headers: Readonly<Record<string, string>>
}

/** @returns responses with status 200 per second. @throws for any other status */
export async function loadHttp({ url, connections, durationMs, path, headers }: HttpLoad) {
  const { host, hostname, port } = new URL(url)
  const lines = Object.entries({ host, ...headers }).map(([name, value]) => `${name}: ${value}\r\n`)
  const sockets = await Promise.all(Array.from({ length: connections }, () => open(hostname, Number(port))))
  const startMs = performance.now()
  const counts = await Promise.all(sockets.map(run))
  const seconds = (performance.now() - startMs) / 1_000
  for (const socket of sockets) socket.destroy()
  const count = counts.reduce((sum, each) => sum + each, 0)
  return { count, perSecond: count / seconds }

  async function run(socket: Socket): Promise<number> {
    let count = 0
    while (performance.now() - startMs < durationMs) {
      socket.write(`GET ${path()} HTTP/1.1\r\n${lines.join('')}\r\n`)
      await readResponse(socket)
      count += 1
    }
    return count
  }
}

async function open(host: string, port: number): Promise<Socket> {
  const socket = connect(port, host).setNoDelay(true)
  await once(socket, 'connect')
  return socket
}

/** Reads one response, whose length its header states. */
function readResponse(socket: Socket): Promise<void> {
  return new Promise((resolve, reject) => {
    let head = ''
    let left: number | undefined
    const end = (error?: Error) => {
      socket.off('data', read).off('close', closed)
      if (error) reject(error)
      else resolve()
    }
    const closed = () => end(new Error('the server closed the connection'))
    const read = (bytes: Buffer) => {
      if (left === undefined) {
        head += bytes.toString('latin1')
        const headEnd = head.indexOf('\r\n\r\n')
        if (headEnd < 0) return
        if (!head.startsWith('HTTP/1.1 200')) return end(new Error(head))
        left = Number(/^content-length: (\d+)/im.exec(head)![1]) - (head.length - headEnd - 4)
      } else left -= bytes.length
      if (left <= 0) end()
    }
    socket.on('data', read).on('close', closed)
  })
}
