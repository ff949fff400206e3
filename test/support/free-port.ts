/**
 * Returns a port of the loopback interface for a program that does not accept port 0. It is not reserved until then.
 */
import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'

export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

/** Settings of a server without the ports of mail programs: with the default ports, two servers could not run at the same time. */
export const MAIL_PROGRAMS_OFF = {
  ...{ MARTLET_SUBMISSION_PORT: 'off', MARTLET_SUBMISSIONS_PORT: 'off' },
  ...{ MARTLET_IMAP_PORT: 'off', MARTLET_IMAPS_PORT: 'off' },
} as const
