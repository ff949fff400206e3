/** An HTTP server for webhooks: it records the requests, and responds as the test specifies. */
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders, type ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { World } from './world.ts'

/** One complete request. */
export interface Call {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  /** The body as received. */
  readonly body: string
  // biome-ignore lint/suspicious/noExplicitAny: tests read any event
  readonly event: any
  /** The time when its last byte was read, as `performance.now()`. */
  readonly at: number
}

/** Responds to a call. If it does nothing, the caller waits. */
export type Answering = (response: ServerResponse, call: Call) => void

export interface WebhookSink extends AsyncDisposable {
  readonly url: string
  readonly port: number
  /** All calls so far. */
  readonly calls: readonly Call[]
  answer: Answering
  /** The number of connections ever opened. */
  readonly connections: number
  /** Resolves when there are at least that many calls. */
  count(count: number): Promise<readonly Call[]>
}

export const ok: Answering = (response) => void response.writeHead(204).end()

export async function startWebhookSink(
  answer: Answering = ok,
  { port = 0, host = '127.0.0.1' } = {},
): Promise<WebhookSink> {
  const calls: Call[] = []
  const sockets = new Set<Socket>()
  let connections = 0
  let wake: (() => void)[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const body = Buffer.concat(chunks).toString()
      const { method = '', url: path = '', headers } = request
      const call = {
        method,
        path,
        headers,
        body,
        event: body === '' ? undefined : JSON.parse(body),
        at: performance.now(),
      }
      calls.push(call)
      sink.answer(response, call)
      for (const each of wake.splice(0)) each()
    })
  })
  server.on('connection', (socket) => {
    connections += 1
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  server.listen(port, host)
  await once(server, 'listening')
  const at = (server.address() as AddressInfo).port

  const sink: WebhookSink = {
    url: `http://${host}:${at}/hook`,
    port: at,
    calls,
    answer,
    get connections() {
      return connections
    },
    async count(count) {
      while (calls.length < count) await new Promise<void>((resolve) => wake.push(resolve))
      return calls
    },
    async [Symbol.asyncDispose]() {
      wake = []
      for (const socket of sockets) socket.destroy()
      server.close()
      await once(server, 'close')
    },
  }
  return sink
}

/** Deletes every webhook: after each test of a file whose tests share a server, so that none gets the mail of the next test. */
export async function deleteWebhooks({ agentmail }: World): Promise<void> {
  const { webhooks } = await agentmail.webhooks.list({ limit: 100 })
  await Promise.all(webhooks.map(({ webhookId }) => agentmail.webhooks.delete(webhookId)))
}
