/**
 * How fast are the commands of mail programs, beside Dovecot with the same messages?
 *
 *   npm run bench -- imap             MESSAGES=10000 SESSIONS=500
 *
 * One connection asks for a mailbox of varied messages of about 5 KB: flags, envelopes, whole messages, one message at a
 * time, a search for a word. Then APPEND over ten connections, the time until a new message is shown to a session in
 * IDLE, and the memory of idle sessions with and without TLS. Rates are medians of the rounds. Dovecot, where it is
 * installed, has a Maildir on the same disk.
 */
import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { hasDovecot, startDovecot } from '../test/support/dovecot.ts'
import { ImapSession, type ImapTarget } from './imap-load.ts'
import { createMailPool } from './mail-pool.ts'
import { KEY, startBenchServer } from './server.ts'
import { Session } from './smtp-load.ts'

const MESSAGES = Number(process.env.MESSAGES ?? 10_000)
const SESSIONS = Number(process.env.SESSIONS ?? 500)
/** limits.imap.connectionsPerAccountMax is 40. */
const SESSIONS_PER_INBOX = 25
const CLIENT_ADDRESSES = 50
/** Sessions before the memory is measured: the first ones cost the growth of the heap. */
const WARM_SESSIONS = 100
const ROUNDS = 3
const APPENDS = 1_000
const ARRIVALS = 200
/** 50 messages per second. */
const ARRIVAL_PAUSE_MS = 20
/** Time for the garbage collector to free what was allocated during set-up. */
const SETTLE_MS = 3_000

interface Peer {
  readonly name: string
  readonly plain: ImapTarget
  readonly tls?: ImapTarget
  /** Users of idle sessions; the user of `plain` if it has no limit of its own. */
  readonly idleUsers?: readonly string[]
  /** Of all of its processes, in bytes. */
  memory(): number
  /** Brings a message into INBOX, as mail arrives. */
  deliver?: (mail: Buffer) => Promise<unknown>
  stop(): Promise<void>
}

const mail = createMailPool()
const address = 'load@mail.localhost'

const peers = [await startOurs(), ...(hasDovecot() ? [await startTheirs()] : [])]
try {
  const results = new Map<string, number[]>()
  for (const peer of peers)
    for (const [what, value] of await measure(peer)) results.set(what, [...(results.get(what) ?? []), value])
  console.log(`${MESSAGES} messages of about 5 KB; ${peers.map(({ name }) => name).join(' | ')} | ratio`)
  for (const [what, [ours, theirs]] of results)
    console.log(
      `${what}: ${format(ours!)} | ${theirs === undefined ? 'not measured' : `${format(theirs)} | ${(ours! / theirs).toFixed(3)}`}`,
    )
} finally {
  for (const peer of peers) await peer.stop()
}

async function startOurs(): Promise<Peer> {
  const server = await startBenchServer({
    MARTLET_IMAP_PORT: '0',
    MARTLET_IMAPS_PORT: '0',
    MARTLET_IMAP_PLAIN_LOOPBACK: 'on',
  })
  await server.request('POST', '/inboxes', { username: 'load' })
  const idleUsers = Array.from({ length: Math.ceil(SESSIONS / SESSIONS_PER_INBOX) + 1 }, (_, index) => `idle${index}`)
  for (const username of idleUsers) await server.request('POST', '/inboxes', { username })
  const senders = await Promise.all(Array.from({ length: 10 }, () => Session.open(server.smtpPort)))
  let left = MESSAGES
  await Promise.all(
    senders.map(async (sender) => {
      while (left-- > 0) await sender.deliver('ann@example.test', address, mail(address))
    }),
  )
  const login = { user: address, password: KEY }
  return {
    name: 'Martlet',
    plain: { port: server.imapPort!, ...login },
    tls: { port: server.imapsPort!, isTls: true, ...login },
    idleUsers: idleUsers.map((name) => `${name}@mail.localhost`),
    memory: () => residentBytes([server.pid]),
    deliver: (bytes) => senders[0]!.deliver('ann@example.test', address, bytes),
    stop: () => server.stop(),
  }
}

async function startTheirs(): Promise<Peer> {
  const dovecot = await startDovecot(Array.from({ length: MESSAGES }, () => mail(address)))
  return {
    name: 'Dovecot',
    plain: dovecot,
    memory: () => residentBytes(descendants(dovecot.pid)),
    stop: async () => dovecot[Symbol.asyncDispose](),
  }
}

async function measure(peer: Peer): Promise<Map<string, number>> {
  const found = new Map<string, number>()
  const select = await seconds(async () => {
    const session = await ImapSession.open(peer.plain)
    await session.command('SELECT INBOX')
    session.close()
  })
  found.set('first SELECT, ms', select * 1_000)
  const session = await ImapSession.open(peer.plain)
  found.set('SELECT, ms', (await medianOf(() => seconds(() => session.command('SELECT INBOX')))) * 1_000)
  const all: readonly (readonly [string, string])[] = [
    ['FETCH FLAGS, messages/s', '(FLAGS)'],
    ['FETCH ENVELOPE, messages/s', '(ENVELOPE)'],
    ['FETCH BODY[], messages/s', '(BODY.PEEK[])'],
  ]
  for (const [what, items] of all) {
    await session.command(`FETCH 1:* ${items}`) // fills caches
    found.set(what, MESSAGES / (await medianOf(() => seconds(() => session.command(`FETCH 1:* ${items}`)))))
  }
  const single = await medianOf(() =>
    seconds(async () => {
      for (let number = 1; number <= 2_000; number++) await session.command(`FETCH ${number} (FLAGS ENVELOPE)`)
    }),
  )
  found.set('FETCH of one message, commands/s', 2_000 / single)
  const search = await medianOf(() => seconds(() => session.command('SEARCH TEXT "zebra crossing"')))
  found.set('SEARCH TEXT, ms', search * 1_000)
  session.close()
  found.set('APPEND over 10 connections, messages/s', await appendRate(peer))
  if (peer.deliver) found.set('250 to EXISTS at 50/s, p99 ms', await arrivalMs(peer, peer.deliver))
  for (const [what, target] of [
    ['plain', peer.plain],
    ['TLS', peer.tls],
  ] as const)
    if (target) found.set(`idle session, ${what}, KiB`, await idleKib(peer, target))
  return found
}

async function appendRate(peer: Peer): Promise<number> {
  const sessions = await Promise.all(Array.from({ length: 10 }, () => ImapSession.open(peer.plain)))
  await sessions[0]!.command('CREATE Appended')
  let left = APPENDS
  const took = await seconds(() =>
    Promise.all(
      sessions.map(async (session) => {
        while (left-- > 0) await session.append('Appended', mail(address))
      }),
    ),
  )
  for (const session of sessions) session.close()
  return APPENDS / took
}

async function arrivalMs(peer: Peer, deliver: (bytes: Buffer) => Promise<unknown>): Promise<number> {
  const session = await ImapSession.open(peer.plain)
  await session.command('SELECT INBOX')
  await session.idle()
  const times: number[] = []
  for (let count = 0; count < ARRIVALS; count++) {
    let acceptedAt = 0
    let shownAt = 0
    const shown = new Promise<void>((resolve) => {
      session.onUnsolicited = (text) => {
        if (!text.includes(' EXISTS')) return
        shownAt = performance.now()
        resolve()
      }
    })
    await deliver(mail(address))
    acceptedAt = performance.now()
    await shown
    times.push(Math.max(0, shownAt - acceptedAt))
    await pause(ARRIVAL_PAUSE_MS)
  }
  session.close()
  return times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)]!
}

async function idleKib(peer: Peer, target: ImapTarget): Promise<number> {
  const users = peer.idleUsers ?? [target.user]
  const sessions: ImapSession[] = []
  const open = async (upTo: number) => {
    while (sessions.length < upTo) {
      const localAddress = `127.0.0.${2 + (sessions.length % CLIENT_ADDRESSES)}`
      const user = users[sessions.length % users.length]!
      const session = await ImapSession.open({ ...target, user, localAddress })
      sessions.push(session)
      await session.command('SELECT INBOX')
      await session.idle()
    }
    await pause(SETTLE_MS)
    return peer.memory()
  }
  const before = await open(WARM_SESSIONS)
  const after = await open(SESSIONS)
  for (const session of sessions) session.close()
  await pause(SETTLE_MS)
  return (after - before) / (SESSIONS - WARM_SESSIONS) / 1_024
}

/** Pages that processes share count in part, where the system says so (PSS). */
function residentBytes(pids: readonly number[]): number {
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

async function seconds(work: () => Promise<unknown>): Promise<number> {
  const before = performance.now()
  await work()
  return (performance.now() - before) / 1_000
}

async function medianOf(measureOnce: () => Promise<number>): Promise<number> {
  const values: number[] = []
  for (let round = 0; round < ROUNDS; round++) values.push(await measureOnce())
  return values.toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)]!
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

function format(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(2)
}
