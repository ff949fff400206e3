/** Opens ports for a moment, to find out whether the server could listen on them. */
import { createServer } from 'node:net'
import { type ListenAddress, listenError } from '../config/listen-address.ts'

/** @throws StartupError if the port cannot be opened. A port that is off, or chosen by the system, is not tried */
export async function checkPortFree(address: ListenAddress): Promise<void> {
  const { host, port } = address
  if (port === 'off' || port === 0) return
  const server = createServer((socket) => socket.destroy()) // a client that connects now must not keep it open
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(listenError(error, address)))
    server.listen(port, host, resolve)
  })
  await new Promise((resolve) => server.close(resolve))
}
