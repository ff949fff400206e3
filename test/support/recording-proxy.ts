/** A TCP proxy that records what two programs say to each other. */
import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

export interface RecordingProxy extends AsyncDisposable {
  readonly port: number
  /** What the clients sent, in the pieces in which it arrived. */
  readonly sent: readonly string[]
}

/** @param target port on loopback */
export async function startRecordingProxy(target: number): Promise<RecordingProxy> {
  const sent: string[] = []
  const sockets = new Set<Socket>()
  const server = createServer({ allowHalfOpen: true }, (client) => {
    const upstream = connect({ port: target, host: '127.0.0.1', allowHalfOpen: true })
    for (const [socket, other] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      sockets.add(socket)
      socket.on('close', () => sockets.delete(socket))
      socket.on('error', () => other.destroy())
      socket.pipe(other)
    }
    client.on('data', (chunk) => sent.push(chunk.toString('utf8')))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    sent,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
