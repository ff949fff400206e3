/**
 * Returns a port of the loopback interface for a program that does not accept port 0. It is not reserved until then, so it lies below
 * those that the system gives to connections: one of them took such a port before the program did.
 */
import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'

/** Linux gives 32768 and above to connections, macOS and Windows 49152 and above. */
const [LOWEST, END] = [20_000, 32_000]

export async function freePort(): Promise<number> {
  const port = randomInt(LOWEST, END)
  const server = createServer().listen(port, '127.0.0.1')
  const isFree = await once(server, 'listening').then(
    () => true,
    () => false,
  )
  if (!isFree) return freePort()
  server.close()
  await once(server, 'close')
  return port
}

/** Settings of a server without the ports of mail programs: with the default ports, two servers could not run at the same time. */
export const MAIL_PROGRAMS_OFF = {
  ...{ MARTLET_SUBMISSION_PORT: 'off', MARTLET_SUBMISSIONS_PORT: 'off' },
  ...{ MARTLET_IMAP_PORT: 'off', MARTLET_IMAPS_PORT: 'off' },
} as const
