/** Peers that occupy resources: idle connections, requests that never end, and subscribers that never read. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { SQUATTERS, scale, type Target } from './attack.ts'
import { open } from './frames.ts'
import { request } from './http-peer.ts'

export interface Squatters {
  /** Connections that the server has not closed. */
  readonly open: () => number
  leave(): void
}

export async function squat(target: Target): Promise<Squatters> {
  const { httpPort, smtpPort, inboxKey, rootKey } = target
  const sockets: Socket[] = []
  const from = (index: number) => SQUATTERS[index % SQUATTERS.length]!
  const opened: Promise<unknown>[] = []
  const hold = (port: number, index: number, ...pieces: readonly (string | Buffer)[]) => {
    const socket = connect({ port, host: '127.0.0.1', localAddress: from(index) }, () => {
      for (const piece of pieces) socket.write(piece)
    })
    socket.on('error', () => undefined) // the server may close it
    sockets.push(socket)
    opened.push(once(socket, 'connect').catch(() => undefined))
    return socket
  }

  for (let index = 0; index < scale.held; index++) {
    // Streams and sockets of one inbox and of the whole organization; none of them is ever read.
    const key = index % 2 === 0 ? inboxKey : rootKey
    hold(httpPort, index, request('GET', '/v0/events/stream', { key })).pause()
    const socket = open(target, key, from(index))
    socket.on('open', () => socket.send('{"type":"subscribe"}'))
    socket.on('message', () => socket.pause())
    socket.on('upgrade', ({ socket: raw }) => sockets.push(raw as Socket))
    opened.push(once(socket, 'open').catch(() => undefined))

    hold(httpPort, index, 'GET /v0/pods HTTP/1.1\r\nHost: x\r\nX: ') // a header that never ends
    hold(httpPort, index, request('GET', '/v0/events?wait_seconds=60&after=latest', { key }))
    hold(smtpPort, index)
  }
  const body = Buffer.alloc(scale.largeBytes, '{"unknown":"')
  const head = request('POST', `/v0/inboxes/${target.victim}/messages/send`, {
    key: rootKey,
    headers: ['Content-Type: application/json', `Content-Length: ${body.length + 1}`],
  })
  for (let index = 0; index < scale.unfinished; index++) hold(httpPort, index, head, body)
  await Promise.all(opened)
  return {
    open: () => sockets.filter((socket) => !socket.destroyed && !socket.readableEnded).length,
    leave() {
      for (const socket of sockets) socket.destroy()
    },
  }
}
