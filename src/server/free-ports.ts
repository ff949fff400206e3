/** Opens ports for a moment, to find out whether the server could listen on them. */
import { createServer } from 'node:net'
import { type ListenAddress, listenError } from '../config/listen-address.ts'
import { StartupError } from '../errors.ts'

/**
 * Tries every address, so that one start names all ports that are in use.
 *
 * @throws StartupError with one sentence per port that cannot be opened
 */
export async function checkPortsFree(addresses: readonly ListenAddress[]): Promise<void> {
  const errors: unknown[] = []
  for (const address of addresses) await checkPortFree(address).catch((error) => errors.push(error))
  const unexpected = errors.find((error) => !(error instanceof StartupError))
  if (unexpected !== undefined) throw unexpected
  const sentences = new Set((errors as StartupError[]).map(({ message }) => message)) // MARTLET_HOST is one error
  if (sentences.size > 0) throw new StartupError([...sentences].join('\n'), { cause: errors[0] })
}

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
