/** An HTTP server that speaks the protocol of rspamd's normal worker, and records what it was asked. */
import { once } from 'node:events'
import { createServer, type IncomingHttpHeaders } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface FakeRspamd extends AsyncDisposable {
  readonly url: string
  readonly asked: {
    readonly path: string
    readonly headers: IncomingHttpHeaders
    readonly rcpt: string[]
    readonly body: string
  }[]
  /** The response. "hang": there is none; a number: an HTTP status; other texts are sent as they are. */
  reply: object | string | number
}

export async function startRspamd(): Promise<FakeRspamd> {
  const asked: FakeRspamd['asked'] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk) => chunks.push(chunk))
    request.on('end', () => {
      const rcpt = request.rawHeaders.filter((_value, at, all) => at % 2 === 1 && all[at - 1]!.toLowerCase() === 'rcpt')
      const { url: path = '', headers } = request
      asked.push({ path, headers, rcpt, body: Buffer.concat(chunks).toString('latin1') })
      const { reply } = fake
      if (reply === 'hang') return
      if (typeof reply === 'number') response.writeHead(reply).end('no')
      else
        response
          .setHeader('content-type', 'application/json')
          .end(typeof reply === 'string' ? reply : JSON.stringify(reply))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const fake: FakeRspamd = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    reply: { action: 'no action', score: 0, required_score: 15, symbols: {} },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
  return fake
}
