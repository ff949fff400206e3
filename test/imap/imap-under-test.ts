/**
 * The server that a suite of IMAP tests is run against: the sessions with a store in memory, or a whole server. Suites use nothing
 * else of it, so that every store is held to the same rules.
 */
import { afterAll, beforeAll } from 'vitest'
import { type LimitOverrides, withLimits } from '../../src/config/limits.ts'
import { createImapServers, type ImapServers } from '../../src/edges/imap/listener/imap-listener.ts'
import type { MailStore } from '../../src/edges/imap/session/mail-store.ts'
import { createEventLoop } from '../../src/event-loop.ts'
import { createLog } from '../../src/log.ts'
import { createMetrics } from '../../src/metrics.ts'
import { createSelfSigned } from '../../src/net/self-signed.ts'
import { MemoryMailStore } from '../support/memory-mail-store.ts'
import { ImapClient } from './imap-client.ts'

export interface ImapUnderTest {
  /** With STARTTLS; clients of this machine may log in without TLS. */
  readonly port: number
  readonly tlsPort: number
  /** A new account with empty mailboxes: INBOX, Sent, Drafts, Trash, Archive and Spam, all subscribed. */
  createAccount(): Promise<{ readonly user: string; readonly password: string }>
  stop(): Promise<void>
}

export interface MemoryServer extends ImapUnderTest {
  readonly store: MemoryMailStore
  readonly servers: ImapServers
  readonly logged: string[]
}

let certificate: ReturnType<typeof createSelfSigned> | undefined

export async function startMemoryServer(
  overrides: LimitOverrides = {},
  options: { readonly allowsPlainLoopback?: boolean; readonly messageBytesMax?: number } = {},
): Promise<MemoryServer> {
  const store = new MemoryMailStore()
  const started = await startImapServers(store, overrides, options)
  let users = 0
  return {
    ...{ store, ...started },
    async createAccount() {
      const account = { user: `user${++users}`, password: 'secret' }
      store.addInbox(account.user, account.password)
      return account
    },
  }
}

/** The listeners with any store. */
export async function startImapServers(
  store: MailStore,
  overrides: LimitOverrides = {},
  { allowsPlainLoopback = true, messageBytesMax = 1_000_000 } = {},
): Promise<Omit<MemoryServer, 'store' | 'createAccount'>> {
  certificate ??= createSelfSigned({ hostname: 'mail.example.test', nowMs: Date.now() })
  const pair = await certificate
  const logged: string[] = []
  const limits = withLimits(overrides)
  const address = { host: '127.0.0.1', port: 0, variable: 'MARTLET_IMAP_PORT' } as const
  const servers = createImapServers({
    ...{ store, limits, messageBytesMax, allowsPlainLoopback, imap: address, imaps: address },
    log: createLog('debug', { write: (line) => void logged.push(line) }),
    metrics: createMetrics(),
    eventLoop: createEventLoop(limits),
    tls: { current: () => pair, onChange: () => () => undefined },
    serverId: { name: 'Memory' },
  })
  const { port } = await servers.imap!.listen()
  const { port: tlsPort } = await servers.imaps!.listen()
  return {
    ...{ port, tlsPort, servers, logged },
    async stop() {
      await Promise.all([servers.imap!.stop(0), servers.imaps!.stop(0)])
    },
  }
}

/** For the tests of a file, which share one server. */
export function useServer<Server extends ImapUnderTest>(start: () => Promise<Server>): { readonly current: Server } {
  let server: Server | undefined
  beforeAll(async () => {
    server = await start()
  })
  afterAll(() => server?.stop())
  return {
    get current() {
      return server!
    },
  }
}

/** A session of a new account; `again` opens another one of the same account. */
export async function openSession(
  server: ImapUnderTest,
): Promise<{ client: ImapClient; again(): Promise<ImapClient> }> {
  const account = await server.createAccount()
  const again = () => ImapClient.logIn(server.port, account)
  return { client: await again(), again }
}

/** A mailbox with messages whose subjects are "one", "two" …, selected by each of `count` sessions. */
export async function openMailbox(
  server: ImapUnderTest,
  { subjects = ['one', 'two', 'three'], sessions = 1, name = 'Work' } = {},
): Promise<ImapClient[]> {
  const { client, again } = await openSession(server)
  await client.ok(`CREATE ${name}`)
  for (const subject of subjects) {
    const { status, text } = await client.append(name, messageWith(subject))
    if (status !== 'OK') throw new Error(text)
  }
  const clients = [client]
  while (clients.length < sessions) clients.push(await again())
  for (const each of clients) await each.ok(`SELECT ${name}`)
  return clients
}

export function messageWith(subject: string, body = `The text of ${subject}.`): string {
  return [
    'From: Ann <ann@example.test>',
    'To: ben@example.test',
    `Subject: ${subject}`,
    `Message-ID: <${subject.replaceAll(' ', '.')}@example.test>`,
    'Date: Mon, 7 Feb 1994 21:52:25 -0800',
    '',
    `${body}\r\n`,
  ].join('\r\n')
}
