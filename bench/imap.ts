/**
 * How fast are the commands of mail programs, beside Dovecot with the same messages?
 *
 *   npm run bench -- imap             MESSAGES=10000  SESSIONS=500  CREATED=300
 *                                     PARTS=fetch,search,append,store,create,arrivals,large,flags,hostile,idle  SIZES=20,50
 *
 * One connection asks for a mailbox of varied messages of about 5 KB: flags, envelopes, whole messages, one message at a
 * time, a search for a word; then STORE, CREATE, APPEND over ten connections, and the time until a new message is shown to a
 * session in IDLE. `large` is SELECT of 100,000 messages, `flags` STORE of 60,000
 * (imap-flags.ts), `hostile` the stalls of the event loop in messages of 20 and 50 MB (imap-hostile.ts), `idle` the memory of idle sessions
 * (imap-idle.ts). Rates are medians of the rounds. Stalls of the event loop are measured inside the server. Dovecot, where it is installed, has a Maildir on the same
 * disk.
 */
import { type Found, parts } from './imap-commands.ts'
import { measureManyFlags } from './imap-flags.ts'
import { measureHostile } from './imap-hostile.ts'
import { type IdleMemory, measureBare, measureIdle } from './imap-idle.ts'
import { measureLargeSelect } from './imap-large.ts'
import { type ImapPeer, startMartlet, startTheirs } from './imap-peers.ts'
import { atLeast, atMost, report } from './report.ts'

const MESSAGES = Number(process.env.MESSAGES ?? 10_000)
const SESSIONS = Number(process.env.SESSIONS ?? 500)
/** Parts that measure Martlet only. */
const alone = { flags: measureManyFlags, hostile: measureHostile }
const selected = (process.env.PARTS ?? [...Object.keys(parts), ...Object.keys(alone), 'large', 'idle'].join(',')).split(
  ',',
)

/** Rates per second are to be at least this, times in ms at most. */
const GOALS: Readonly<Record<string, number>> = {
  'FETCH FLAGS, messages/s': 75_000,
  'first FETCH ENVELOPE, messages/s': 26_000,
  'FETCH ENVELOPE, messages/s': 26_000,
  'FETCH BODY[], messages/s': 12_000,
  'FETCH of one message, commands/s': 10_000,
  'SEARCH TEXT, ms': 20,
  'SEARCH TEXT of a new process, ms': 20,
  'APPEND over 10 connections, messages/s': 1_000,
  '250 to EXISTS at 50/s, p99 ms': 10,
  'SELECT of 100000 messages, ms': 100,
}
const STALL_GOAL_MS = 50
/** Per idle session, in KiB. */
const IDLE_GOALS = { plain: 30, TLS: 80 }

const commands = selected.filter((part) => parts[part])
if (commands.length > 0 || selected.includes('large') || selected.some((part) => part in alone)) await compare()
if (selected.includes('idle')) await compareIdle()

async function compare(): Promise<void> {
  const peers: ImapPeer[] = [await startMartlet(MESSAGES)]
  try {
    const theirs = process.env.DOVECOT === 'off' ? undefined : await startTheirs(MESSAGES)
    if (theirs) peers.push(theirs)
    const results = new Map<string, number[]>()
    for (const part of commands) {
      for (const peer of peers) {
        const found: Found = new Map()
        await parts[part]!(peer, found, MESSAGES)
        for (const [what, value] of found) results.set(what, [...(results.get(what) ?? []), value])
      }
    }
    if (selected.includes('large'))
      for (const [what, value] of await measureLargeSelect(peers[0]!)) results.set(what, [value])
    for (const [part, measure] of Object.entries(alone)) {
      if (!selected.includes(part)) continue
      const found: Found = new Map()
      await measure(peers[0]!, found)
      for (const [what, value] of found) results.set(what, [value])
    }
    for (const [what, [ours, theirs]] of results)
      report({
        what: `${what} (${MESSAGES} messages of about 5 KB)`,
        measured: format(ours!),
        ...(theirs !== undefined && { beside: `Dovecot ${format(theirs)}`, ratio: ours! / theirs }),
        ...goalOf(what, ours!),
      })
  } finally {
    for (const peer of peers) await peer.stop()
  }
}

async function compareIdle(): Promise<void> {
  const kib = (bytes: number) => (bytes / 1_024).toFixed(1)
  const describe = ({ resident, heap, external }: IdleMemory) =>
    `${kib(resident)} KiB resident, ${kib(heap)} of the heap, ${kib(external)} external`
  for (const kind of ['plain', 'TLS'] as const) {
    const [ours, bare] = [await measureIdle(kind === 'TLS', SESSIONS), await measureBare(kind === 'TLS', SESSIONS)]
    report({
      what: `a session in IDLE, ${kind}, of ${SESSIONS}`,
      measured: describe(ours),
      beside: `bare socket ${describe(bare)}`,
      ratio: ours.resident / bare.resident,
      ...atMost(ours.resident / 1_024, IDLE_GOALS[kind], ' KiB'),
    })
  }
}

function goalOf(what: string, value: number) {
  if (what.startsWith('longest stall')) return atMost(value, STALL_GOAL_MS, ' ms')
  return what.endsWith('/s') ? atLeast(value, GOALS[what], '/s') : atMost(value, GOALS[what], ' ms')
}

function format(value: number): string {
  return value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(2)
}
