/** What the IMAP benchmark measures of one server, part by part. Part of imap.ts. */
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import BetterSqlite from 'better-sqlite3'
import { ImapSession } from './imap-load.ts'
import { type ImapPeer, nextMail } from './imap-peers.ts'
import { cpuMs } from './server.ts'

/** By what was measured. */
export type Found = Map<string, number>

const ROUNDS = 3
const SINGLE_FETCHES = 2_000
const APPENDS = 1_000
const APPEND_CONNECTIONS = 10
const STORED = 1_000
const CREATED = Number(process.env.CREATED ?? 300)
const ARRIVALS = 200
/** 50 messages per second. */
const ARRIVAL_PAUSE_MS = 20

/** Parts by the name under which they are selected; each gets the number of messages in INBOX. */
export const parts: Readonly<Record<string, (peer: ImapPeer, found: Found, messages: number) => Promise<void>>> = {
  fetch: measureFetch,
  search: measureSearch,
  append: measureAppend,
  store: measureStore,
  create: measureCreate,
  arrivals: measureArrivals,
}

async function measureFetch(peer: ImapPeer, found: Found, messages: number): Promise<void> {
  const select = await seconds(async () => {
    const session = await ImapSession.open(peer.plain)
    await session.command('SELECT INBOX')
    session.close()
  })
  found.set('first SELECT, ms', select * 1_000)
  const session = await ImapSession.open(peer.plain)
  found.set('SELECT, ms', (await medianOf(() => seconds(() => session.command('SELECT INBOX')))) * 1_000)
  await withStall(peer, found, 'first FETCH ENVELOPE', async () => {
    const first = await seconds(() => session.command('FETCH 1:* (ENVELOPE)'))
    found.set('first FETCH ENVELOPE, messages/s', messages / first)
  })
  const all: readonly (readonly [string, string])[] = [
    ['FETCH FLAGS, messages/s', '(FLAGS)'],
    ['FETCH ENVELOPE, messages/s', '(ENVELOPE)'],
    ['FETCH BODY[], messages/s', '(BODY.PEEK[])'],
  ]
  await withStall(peer, found, 'FETCH', async () => {
    for (const [what, items] of all) {
      await session.command(`FETCH 1:* ${items}`) // fills caches
      found.set(what, messages / (await medianOf(() => seconds(() => session.command(`FETCH 1:* ${items}`)))))
    }
  })
  const single = await medianOf(() =>
    seconds(async () => {
      for (let count = 0; count < SINGLE_FETCHES; count++)
        await session.command(`FETCH ${1 + (count % messages)} (FLAGS ENVELOPE)`)
    }),
  )
  found.set('FETCH of one message, commands/s', SINGLE_FETCHES / single)
  session.close()
}

/** Of Martlet, also when the index of whole messages is made, and of a server that has just started. */
async function measureSearch(peer: ImapPeer, found: Found, messages: number): Promise<void> {
  const search = async (name: string) => {
    const session = await ImapSession.open(peer.plain)
    await session.command('SELECT INBOX')
    const one = () => seconds(() => session.command('SEARCH TEXT "zebra crossing"'))
    await withStall(peer, found, `first SEARCH TEXT${name}`, async () => {
      found.set(`first SEARCH TEXT${name}, ms`, (await one()) * 1_000)
    })
    found.set(`SEARCH TEXT${name}, ms`, (await medianOf(one)) * 1_000)
    session.close()
  }
  if (!peer.restart) {
    await search('')
    // Dovecot indexes nothing.
    found.set('first SEARCH TEXT of a new process, ms', found.get('first SEARCH TEXT, ms')!)
    found.set('SEARCH TEXT of a new process, ms', found.get('SEARCH TEXT, ms')!)
    return
  }
  await search('')
  const cpuBefore = cpuMs(peer.server!.pid)
  const took = await seconds(() => indexed(peer.server!.dataDir))
  found.set('rest of the index, s', took)
  found.set('rest of the index, CPU s', (cpuMs(peer.server!.pid) - cpuBefore) / 1_000)
  found.set('bytes of the index per message', sourceBytes(peer.server!.dataDir) / messages)
  await peer.restart()
  await search(' of a new process')
}

/** Resolves when the job that makes the index of whole messages has ended. */
async function indexed(dataDir: string): Promise<void> {
  const db = new BetterSqlite(join(dataDir, 'martlet.db'), { readonly: true })
  while (db.prepare(`select 1 from jobs where kind = 'index-sources'`).get()) await delay(50)
  db.close()
}

function sourceBytes(dataDir: string): number {
  const db = new BetterSqlite(join(dataDir, 'martlet.db'), { readonly: true })
  const { bytes } = db
    .prepare(
      `select sum(length(bytes)) as bytes from search_chunks where id / 48 in (select id from search_blocks where kind = 'source')`,
    )
    .get() as { bytes: number }
  db.close()
  return bytes
}

async function measureAppend(peer: ImapPeer, found: Found): Promise<void> {
  const opening = Array.from({ length: APPEND_CONNECTIONS }, () => ImapSession.open(peer.plain))
  const sessions = await Promise.all(opening)
  await sessions[0]!.command('CREATE Appended')
  const append = async () => {
    let left = APPENDS
    const took = await seconds(() =>
      Promise.all(
        sessions.map(async (session) => {
          while (left-- > 0) await session.append('Appended', nextMail())
        }),
      ),
    )
    return APPENDS / took
  }
  await append() // V8 compiles
  await withStall(peer, found, 'APPEND', async () => {
    found.set('APPEND over 10 connections, messages/s', await medianOf(append))
  })
  for (const session of sessions) session.close()
}

async function measureStore(peer: ImapPeer, found: Found, messages: number): Promise<void> {
  const session = await ImapSession.open(peer.plain)
  await session.command('SELECT INBOX')
  let sign = '-'
  await withStall(peer, found, 'STORE', async () => {
    const took = await medianOf(() => {
      sign = sign === '+' ? '-' : '+'
      return seconds(() => session.command(`STORE 1:${Math.min(STORED, messages)} ${sign}FLAGS.SILENT (\\Flagged)`))
    })
    found.set('STORE of 1,000 messages, ms', took * 1_000)
  })
  session.close()
}

async function measureCreate(peer: ImapPeer, found: Found): Promise<void> {
  const session = await ImapSession.open(peer.plain)
  await withStall(peer, found, 'CREATE', async () => {
    const took = await seconds(async () => {
      for (let count = 0; count < CREATED; count++) await session.command(`CREATE Folder${count}`)
    })
    found.set('CREATE, ms', (took * 1_000) / CREATED)
  })
  session.close()
}

async function measureArrivals(peer: ImapPeer, found: Found): Promise<void> {
  const { deliver } = peer
  if (!deliver) return
  const session = await ImapSession.open(peer.plain)
  await session.command('SELECT INBOX')
  await session.idle()
  const times: number[] = []
  for (let count = 0; count < ARRIVALS; count++) {
    let shownAt = 0
    const shown = new Promise<void>((resolve) => {
      session.onUnsolicited = (text) => {
        if (!text.includes(' EXISTS')) return
        shownAt = performance.now()
        resolve()
      }
    })
    await deliver(nextMail())
    const acceptedAt = performance.now()
    await shown
    times.push(Math.max(0, shownAt - acceptedAt))
    await pause(ARRIVAL_PAUSE_MS)
  }
  session.close()
  found.set('250 to EXISTS at 50/s, p99 ms', times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)]!)
}

async function withStall(peer: ImapPeer, found: Found, what: string, work: () => Promise<void>): Promise<void> {
  await peer.stallMs?.()
  await work()
  if (peer.stallMs) found.set(`longest stall of the event loop, ${what}, ms`, await peer.stallMs())
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
