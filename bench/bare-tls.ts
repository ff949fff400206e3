/**
 * The reference for idle connections: a bare server of Node with TLS, or without (argument "plain"), that answers each
 * connection with one line and keeps it. Each line of its input makes it collect garbage and print what is left. The benchmark
 * starts it as a process.
 */
import { type AddressInfo, createServer, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { createServer as createTlsServer } from 'node:tls'
import { createSelfSigned } from '../src/net/self-signed.ts'

const isTls = process.argv[2] === 'tls'
const sockets = new Set<Socket>()
const serve = (socket: Socket) => {
  sockets.add(socket)
  socket.on('error', () => socket.destroy())
  socket.on('close', () => sockets.delete(socket))
  socket.on('data', (chunk) => socket.write(chunk))
  socket.write('* OK ready\r\n')
}
const pair = await createSelfSigned({ hostname: 'localhost', nowMs: Date.now() })
const server = isTls ? createTlsServer(pair, serve) : createServer(serve)
server.listen(0, '127.0.0.1', () => {
  console.log(JSON.stringify({ port: (server.address() as AddressInfo).port }))
})
createInterface({ input: process.stdin }).on('line', () => {
  for (let round = 0; round < 3; round++) (globalThis as { gc?: () => void }).gc?.()
  const { heapUsed, external } = process.memoryUsage()
  console.log(JSON.stringify({ heap: heapUsed, external }))
})
