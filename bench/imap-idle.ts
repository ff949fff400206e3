/**
 * The memory of idle IMAP sessions: each figure from a server process that has just started and has no other work, as the
 * growth from the first sessions to all of them, after garbage collections. Beside it, a bare server of Node in the same run.
 * Part of imap.ts.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { connect as connectTls } from 'node:tls'
import { fileURLToPath } from 'node:url'
import { ImapSession } from './imap-load.ts'
import { IMAP_SETTINGS, residentBytes } from './imap-peers.ts'
import { KEY, startBenchServer } from './server.ts'

/** limits.imap.connectionsPerAccountMax is 40. */
const SESSIONS_PER_INBOX = 25
const CLIENT_ADDRESSES = 50
/** Sessions before the memory is measured: the first ones load code. */
const WARM_SESSIONS = 100
const OPENED_AT_ONCE = 10
/** Time for what has ended to become garbage: handshakes, logins. */
const SETTLE_MS = 2_000

/** Bytes per session. */
export interface IdleMemory {
  readonly resident: number
  readonly heap: number
  readonly external: number
}

export async function measureIdle(isTls: boolean, count: number): Promise<IdleMemory> {
  const server = await startBenchServer(IMAP_SETTINGS, ['--expose-gc'])
  const users = Math.ceil((WARM_SESSIONS + count) / SESSIONS_PER_INBOX)
  for (let user = 0; user < users; user++) await server.request('POST', '/inboxes', { username: `idle${user}` })
  const target = { port: isTls ? server.imapsPort! : server.imapPort!, isTls, password: KEY }
  const open = async (index: number) => {
    const localAddress = `127.0.0.${2 + (index % CLIENT_ADDRESSES)}`
    const session = await ImapSession.open({ ...target, user: `idle${index % users}@mail.localhost`, localAddress })
    await session.command('SELECT INBOX')
    await session.idle()
    return session
  }
  const read = async () => {
    await server.probe() // collects
    const { heapBytes, externalBytes } = await server.probe()
    return { resident: residentBytes([server.pid]), heap: heapBytes, external: externalBytes }
  }
  try {
    return await growth(count, open, read)
  } finally {
    await server.stop()
  }
}

/** Sockets alone, of a server that does nothing. */
export async function measureBare(isTls: boolean, count: number, certificate?: string): Promise<IdleMemory> {
  const path = fileURLToPath(new URL('./bare-tls.js', import.meta.url))
  const child = spawn(process.execPath, ['--expose-gc', path, isTls ? 'tls' : 'plain', certificate ?? ''], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const next = async () => JSON.parse((await lines.next()).value as string) as never
  const { port } = (await next()) as { port: number }
  const open = async (index: number) => {
    const localAddress = `127.0.0.${2 + (index % CLIENT_ADDRESSES)}`
    let socket: Socket = connect({ port, host: '127.0.0.1', localAddress })
    await once(socket, 'connect')
    if (isTls) socket = connectTls({ socket, rejectUnauthorized: false })
    await once(socket, 'data')
    return { close: () => socket.destroy() }
  }
  const read = async () => {
    child.stdin.write('collect\n')
    const { heap, external } = (await next()) as { heap: number; external: number }
    return { resident: residentBytes([child.pid!]), heap, external }
  }
  try {
    return await growth(count, open, read)
  } finally {
    const exited = once(child, 'exit')
    child.kill()
    await exited
  }
}

async function growth(
  count: number,
  open: (index: number) => Promise<{ close(): void }>,
  read: () => Promise<IdleMemory>,
): Promise<IdleMemory> {
  const sessions: { close(): void }[] = []
  const openUpTo = async (sum: number) => {
    while (sessions.length < sum) {
      const some = Math.min(OPENED_AT_ONCE, sum - sessions.length)
      sessions.push(...(await Promise.all(Array.from({ length: some }, (_, index) => open(sessions.length + index)))))
    }
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
    return read()
  }
  const before = await openUpTo(WARM_SESSIONS)
  const after = await openUpTo(WARM_SESSIONS + count)
  for (const session of sessions) session.close()
  return {
    resident: (after.resident - before.resident) / count,
    heap: (after.heap - before.heap) / count,
    external: (after.external - before.external) / count,
  }
}
