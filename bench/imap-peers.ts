/** The servers that the IMAP benchmark compares: Martlet, and Dovecot where it is installed, with the same messages. */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { hasDovecot, startDovecot } from '../test/support/dovecot.ts'
import type { ImapTarget } from './imap-load.ts'
import { createMailPool } from './mail-pool.ts'
import { type BenchServer, KEY, startBenchServer } from './server.ts'
import { Session } from './smtp-load.ts'

export interface ImapPeer {
  readonly name: string
  readonly plain: ImapTarget
  /** Of all of its processes, in bytes. */
  memory(): number
  /** The longest stall of its event loop since the last call, in ms; Martlet only. */
  stallMs?: () => Promise<number>
  /** Brings a message into INBOX, as mail arrives. */
  deliver?: (mail: Buffer) => Promise<unknown>
  readonly server?: BenchServer
  /** Martlet on SQLite only. Its ports change. */
  restart?: () => Promise<void>
  stop(): Promise<void>
}

export const IMAP_SETTINGS = {
  MARTLET_IMAP_PORT: '0',
  MARTLET_IMAPS_PORT: '0',
  MARTLET_IMAP_PLAIN_LOOPBACK: 'on',
}

const SENDERS = 20
const mail = createMailPool()
export const ADDRESS = 'load@mail.localhost'
export const nextMail = () => mail(ADDRESS)

export async function startMartlet(messages: number): Promise<ImapPeer> {
  let server = await startBenchServer(IMAP_SETTINGS)
  await server.request('POST', '/inboxes', { username: 'load' })
  const senders = await Promise.all(Array.from({ length: SENDERS }, () => Session.open(server.smtpPort)))
  let left = messages
  await Promise.all(
    senders.map(async (sender) => {
      while (left-- > 0) await sender.deliver('ann@example.test', ADDRESS, nextMail())
    }),
  )
  return {
    name: 'Martlet',
    get server() {
      return server
    },
    get plain() {
      return { port: server.imapPort!, user: ADDRESS, password: KEY }
    },
    memory: () => residentBytes([server.pid]),
    stallMs: async () => (await server.probe()).stallMaxMs,
    deliver: (bytes) => senders[0]!.deliver('ann@example.test', ADDRESS, bytes),
    ...(server.databaseUrl === undefined && { restart }),
    stop: () => server.stop(),
  }

  async function restart(): Promise<void> {
    await server.stop(true)
    server = await startBenchServer({ ...IMAP_SETTINGS, MARTLET_DATA_DIR: server.dataDir })
    senders[0] = await Session.open(server.smtpPort)
  }
}

/** @returns undefined if it is not installed */
export async function startTheirs(messages: number): Promise<ImapPeer | undefined> {
  if (!hasDovecot()) return undefined
  const dovecot = await startDovecot(Array.from({ length: messages }, nextMail))
  return {
    name: 'Dovecot',
    plain: dovecot,
    memory: () => residentBytes(descendants(dovecot.pid)),
    stop: async () => dovecot[Symbol.asyncDispose](),
  }
}

/** Pages that processes share count in part, where the system says so (PSS). */
export function residentBytes(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    try {
      const [, kib = '0'] = /^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')) ?? []
      return sum + Number(kib) * 1_024
    } catch {
      return sum // it has ended
    }
  }, 0)
}

function descendants(pid: number): number[] {
  const children = execFileSync('ps', ['-o', 'pid=', '--ppid', String(pid)], { encoding: 'utf8' })
    .split('\n')
    .map(Number)
    .filter((child) => child > 0)
  return [pid, ...children]
}
