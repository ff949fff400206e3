/**
 * The reference for the `sockets` benchmark: a server of `ws` alone that sends each message it receives to all sockets.
 * The benchmark starts it as a separate process.
 */
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { WebSocketServer } from 'ws'

const server = new WebSocketServer({ port: 0, host: '127.0.0.1', perMessageDeflate: false })
server.on('connection', (socket) => {
  socket.on('message', (data) => {
    const text = String(data)
    for (const each of server.clients) each.send(text)
  })
})
await once(server, 'listening')
console.log(JSON.stringify({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` }))
