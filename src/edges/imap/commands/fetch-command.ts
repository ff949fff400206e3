/**
 * FETCH and UID FETCH (RFC 9051 §6.4.5). Flags and UIDs are in the snapshot; the rest comes from the store in batches. A client
 * that does not read pauses the loop. A message that is damaged does not stop it: the answer at the end names it (docs/adr/0094).
 */
import type { FetchCommand, FetchItem, FetchItemName } from '../grammar/imap-command.ts'
import { formatDateTime } from '../grammar/imap-date.ts'
import { countPositions, formatSet, normalise, type PositionRange, positionOf } from '../grammar/message-set.ts'
import { formatUtf8 } from '../grammar/response-strings.ts'
import { ConnectionEnded } from '../session/byte-input.ts'
import type { ImapSession } from '../session/imap-session.ts'
import { type FetchedMessage, ImapRefusal, type RefusalCode, type Snapshot } from '../session/mail-store.ts'
import { flagsText, type SelectedMailbox } from '../session/selected-mailbox.ts'
import {
  BrokenLiteral,
  type FetchedSource,
  readToEnd,
  requireComplete,
  requireDecodable,
  writeContent,
} from './fetch-contents.ts'
import { type FetchPlan, planFetch } from './fetch-plan.ts'
import { joinBatches } from './joined-batches.ts'
import { createPositionFinder, resolveSet, uidsAt } from './resolve-set.ts'
import { reportVanished, toModseq } from './resynchronise.ts'

export async function fetch(session: ImapSession, command: FetchCommand): Promise<string> {
  const selected = session.requireSelected()
  if (command.vanished && !session.isQresync) return 'BAD QRESYNC must be enabled first' // RFC 7162 §3.2.6
  let ranges = resolveSet(selected, command.set, command.isUid)
  const plan = planFetch(session, command)
  if (command.changedSince !== undefined) {
    const since = toModseq(command.changedSince)
    if (command.vanished) await reportVanished(session, selected, since, requestedUids(selected, command))
    ranges = changedSince(ranges, selected.believed, since)
  }
  if (!plan.wanted) return fetchFromSnapshot(session, selected, plan, ranges)
  const { isComplete, unreadable, undecodable } = await fetchFromStore(session, selected, plan, ranges)
  const problems = [
    ...(unreadable.length > 0 ? [`messages that cannot be read: UID ${someOf(unreadable)}`] : []),
    // Its sender has chosen the encoding, and must not keep other messages from the client.
    ...(undecodable.length > 0
      ? [`messages with a part whose transfer encoding is not known: UID ${someOf(undecodable)}`]
      : []),
  ]
  // RFC 5530 §3: CORRUPTION, not SERVERBUG, which programs take for a temporary failure. RFC 9051 §7.1: UNKNOWN-CTE
  const code = unreadable.length > 0 ? 'CORRUPTION' : 'UNKNOWN-CTE'
  if (problems.length > 0) return `NO [${code}] ${problems.join('; ')}`
  // RFC 9051 §7.1, EXPUNGEISSUED: a client that uses numbers learns why some are missing
  if (!isComplete && !command.isUid) return 'NO [EXPUNGEISSUED] some of these messages have been expunged'
  return 'OK FETCH completed'
}

/** UIDs of unreadable messages that a response names at most. */
const NAMED_UIDS_MAX = 100

function someOf(uids: readonly number[]): string {
  const rest = uids.length - NAMED_UIDS_MAX
  return `${formatSet(uids.slice(0, NAMED_UIDS_MAX))}${rest > 0 ? `, and ${rest} more` : ''}`
}

/** RFC 7162 §3.2.6: VANISHED names all of the UIDs in the set that have vanished, also those above the last one. */
function requestedUids({ believed, saved }: SelectedMailbox, { set }: FetchCommand) {
  if (set === 'saved') return saved.map((uid) => ({ first: uid, last: uid }))
  return normalise(set, Math.max(believed.uidNext - 1, 1))
}

function changedSince(ranges: readonly PositionRange[], { modseqs }: Snapshot, since: number): PositionRange[] {
  const changed: { start: number; end: number }[] = []
  for (const { start, end } of ranges) {
    for (let at = start; at < end; at++) {
      if (modseqs[at]! <= since) continue
      const last = changed.at(-1)
      if (last?.end === at) last.end += 1
      else changed.push({ start: at, end: at + 1 })
    }
  }
  return changed
}

async function fetchFromSnapshot(
  session: ImapSession,
  selected: SelectedMailbox,
  { items }: FetchPlan,
  ranges: readonly PositionRange[],
): Promise<string> {
  const { output } = session
  const { believed } = selected
  for (const { start, end } of ranges) {
    for (let at = start; at < end; at++) {
      let text = `* ${at + 1} FETCH (`
      for (let i = 0; i < items.length; i++) {
        if (i > 0) text += ' '
        text += fromSnapshot(session, selected, items[i]!.item as FetchItemName, believed, at)!
      }
      output.write(`${text})\r\n`)
      if (output.isFull) await session.breathe()
    }
  }
  return 'OK FETCH completed'
}

/** @returns undefined if the snapshot does not have the item */
function fromSnapshot(
  { output }: ImapSession,
  selected: SelectedMailbox,
  item: FetchItemName,
  snapshot: Snapshot,
  at: number,
): string | undefined {
  switch (item) {
    case 'FLAGS': {
      const flags = snapshot.flags[at]!
      const announcement = selected.announce(flags, snapshot)
      if (announcement !== '') output.write(announcement)
      return `FLAGS ${flagsText(flags)}`
    }
    case 'UID':
      return `UID ${snapshot.uids[at]}`
    case 'MODSEQ':
      return `MODSEQ (${snapshot.modseqs[at]})`
    default:
      return undefined
  }
}

interface Marked {
  readonly uids: ReadonlySet<number>
  readonly snapshot: Snapshot
}

/**
 * Sets \Seen in one commit before the messages of a batch are sent, so that their new flags are in the same responses. Those that cannot
 * be read stay unread.
 */
async function markSeen(
  session: ImapSession,
  { believed, mailbox }: SelectedMailbox,
  plan: FetchPlan,
  batch: readonly FetchedMessage[],
): Promise<Marked | undefined> {
  const uids: number[] = []
  for (const message of batch) {
    const at = positionOf(believed.uids, message.uid)
    if (at === -1 || believed.flags[at]!.includes('\\Seen')) continue
    if ((await isReadable(message)) && (await isDecodable(session, plan, message))) uids.push(message.uid)
  }
  if (uids.length === 0) return undefined
  try {
    await mailbox.storeFlags(uids, { how: 'add', flags: ['\\Seen'] })
  } catch (error) {
    // A full disk, for example, keeps nobody from reading: the messages are sent, and stay unread.
    if (error instanceof ImapRefusal && error.code === 'UNAVAILABLE') return undefined
    throw error
  }
  return { uids: new Set(uids), snapshot: await mailbox.refresh() }
}

/** Whether the content of a message can be sent. Of one that is not in memory, the last byte is read. */
async function isReadable({ isDamaged, source }: FetchedMessage): Promise<boolean> {
  if (isDamaged || !source) return false
  if (source.bytes || source.sizeBytes === 0) return true
  try {
    await readToEnd(source.read(source.sizeBytes - 1, source.sizeBytes))
    return true
  } catch (error) {
    if (error instanceof ImapRefusal && (error.code === 'CORRUPTION' || error.code === 'NONEXISTENT')) return false
    throw error
  }
}

/** Whether the parts that are wanted can be decoded. Errors that pass are left to the response. */
async function isDecodable(session: ImapSession, { hasDecoded, items }: FetchPlan, { source }: FetchedMessage) {
  if (!hasDecoded) return true
  try {
    await requireDecodable(session, items, { source: source!, root: await source!.structure(), isHead: false })
    return true
  } catch (error) {
    if (!(error instanceof ImapRefusal)) throw error
    return error.code === undefined || OUTCOMES[error.code] === undefined
  }
}

interface Sent {
  /** Every message still existed. */
  readonly isComplete: boolean
  /** UIDs of messages of which something that was wanted is damaged. */
  readonly unreadable: readonly number[]
  /** UIDs of messages with a part that was wanted, and has a transfer encoding that is not known. */
  readonly undecodable: readonly number[]
}

async function fetchFromStore(
  session: ImapSession,
  selected: SelectedMailbox,
  plan: FetchPlan,
  ranges: readonly PositionRange[],
): Promise<Sent> {
  const { believed, mailbox } = selected
  const wantedCount = countPositions(ranges)
  const sent = { isComplete: true, unreadable: [] as number[], undecodable: [] as number[] }
  if (wantedCount === 0) return sent
  const find = createPositionFinder(believed.uids)
  let count = 0
  const batches = mailbox.fetch(uidsAt(ranges, believed.uids), plan.wanted!, session.peer.ended)
  for await (const batch of plan.marksSeen ? joinBatches(batches, session.limits) : batches) {
    const marked = plan.marksSeen ? await markSeen(session, selected, plan, batch) : undefined
    for (const message of batch) {
      const position = find(message.uid)
      if (position === -1) continue
      const response = beginResponse(session, selected, plan, { position, message, marked })
      const outcome = await writeWhole(session, selected, plan, response)
      if (outcome !== 'vanished') count += 1
      if (outcome === 'damaged' || outcome === 'undecodable') {
        writeReadable(session, selected, response)
        sent[outcome === 'damaged' ? 'unreadable' : 'undecodable'].push(message.uid)
      }
      // Not those of the batch that an error leaves unsent: their flags are reported after the command.
      if (response.isMarked) session.reported.set(message.uid, response.snapshot.modseqs[response.position]!)
      if (session.output.isFull) await session.breathe()
    }
  }
  return { ...sent, isComplete: count === wantedCount }
}

/** One FETCH response. */
interface Response {
  readonly number: number
  readonly items: readonly FetchItem[]
  readonly message: FetchedMessage
  /** The snapshot that contains the flags. */
  readonly snapshot: Snapshot
  readonly position: number
  /** It was marked as read, so that it has new flags. */
  readonly isMarked: boolean
}

/** Announces the keywords of the message. */
function beginResponse(
  session: ImapSession,
  selected: SelectedMailbox,
  { items }: FetchPlan,
  {
    position,
    message,
    marked,
  }: { readonly position: number; readonly message: FetchedMessage; readonly marked: Marked | undefined },
): Response {
  const isMarked = marked?.uids.has(message.uid) === true
  const at = isMarked ? positionOf(marked.snapshot.uids, message.uid) : -1
  // A message that vanished after it was marked has its old flags.
  const shown = at === -1 ? { snapshot: selected.believed, position } : { snapshot: marked!.snapshot, position: at }
  const all = isMarked ? withFlags(session, items) : items
  if (all.some(({ item }) => item === 'FLAGS')) {
    const announcement = selected.announce(shown.snapshot.flags[shown.position]!, shown.snapshot)
    if (announcement !== '') session.output.write(announcement)
  }
  return { number: position + 1, items: all, message, isMarked: at !== -1, ...shown }
}

/**
 * `damaged`: something of the message cannot be read. `undecodable`: a part has a transfer encoding that is not known. `vanished`: it was
 * deleted while it was sent. Of all three, nothing was written.
 */
type Outcome = 'written' | 'damaged' | 'undecodable' | 'vanished'

const OUTCOMES: Partial<Record<RefusalCode, Outcome>> = {
  CORRUPTION: 'damaged',
  'UNKNOWN-CTE': 'undecodable',
  NONEXISTENT: 'vanished',
}

async function writeWhole(
  session: ImapSession,
  selected: SelectedMailbox,
  plan: FetchPlan,
  response: Response,
): Promise<Outcome> {
  const { message } = response
  if (message.isDamaged) return 'damaged'
  const { output } = session
  const mark = output.mark()
  try {
    const root = plan.needsStructure ? await message.source!.structure() : undefined
    const source = message.source && { source: message.source, root, isHead: plan.wanted!.source === 'head' }
    if (plan.hasDecoded) await requireDecodable(session, response.items, source!)
    if (plan.hasSeveral) await requireComplete(session, response.items, source!)
    const written = writeItems(session, selected, response, source)
    if (written) await written
    return 'written'
  } catch (error) {
    if (error instanceof ConnectionEnded) throw error // the client has left: nothing is wrong here
    // A response that cannot be completed must not be seen by the client.
    if (!output.rollBack(mark)) throw new BrokenLiteral(error)
    const outcome = error instanceof ImapRefusal && error.code !== undefined ? OUTCOMES[error.code] : undefined
    if (outcome) return outcome
    throw error
  }
}

/** Writes the items that need no bytes of the message, unless it is only the UID: a program could take that for an empty message. */
function writeReadable(session: ImapSession, selected: SelectedMailbox, response: Response): void {
  const { message } = response
  const items = response.items.filter((each) => !('isPeek' in each) && isKnown(each.item, message))
  if (items.every(({ item }) => item === 'UID')) return
  writeItems(session, selected, { ...response, items }, undefined)
}

function isKnown(item: FetchItemName, { envelope, body, bodyStructure }: FetchedMessage): boolean {
  switch (item) {
    case 'ENVELOPE':
      return envelope !== undefined
    case 'BODY':
      return body !== undefined
    case 'BODYSTRUCTURE':
      return bodyStructure !== undefined
    default:
      return true
  }
}

/** Items are written in their order. @returns a promise once an item needs one */
function writeItems(
  session: ImapSession,
  selected: SelectedMailbox,
  { number, items, message, snapshot, position }: Response,
  source: FetchedSource | undefined,
): Promise<void> | undefined {
  const last = items.findLastIndex((item) => 'isPeek' in item)
  session.output.write(`* ${number} FETCH (`)
  return writeFrom(0)

  function writeFrom(first: number): Promise<void> | undefined {
    for (let i = first; i < items.length; i++) {
      const item = items[i]!
      if (i > 0) session.output.write(' ')
      if ('isPeek' in item) {
        const written = writeContent(session, item, source!)
        const isLast = i === last
        // Of one message, 200 contents can be wanted: they are written as fast as the client reads, and other work runs between them.
        if (written || !isLast)
          return Promise.resolve(written)
            .then(() => (isLast ? undefined : session.letOthersRun()))
            .then(() => writeFrom(i + 1))
        continue
      }
      const text = fromSnapshot(session, selected, item.item, snapshot, position) ?? fromStore(item.item, message)
      session.output.write(text)
    }
    session.output.write(')\r\n')
    return undefined
  }
}

/** RFC 9051 §6.4.5: flags that change are part of the response. */
function withFlags({ isCondstore, isQresync, isRev2 }: ImapSession, items: FetchPlan['items']): FetchPlan['items'] {
  const names = new Set(items.map(({ item }) => item))
  return [
    ...((isQresync || isRev2) && !names.has('UID') ? [{ item: 'UID' as const }] : []),
    ...items,
    ...(names.has('FLAGS') ? [] : [{ item: 'FLAGS' as const }]),
    ...(isCondstore && !names.has('MODSEQ') ? [{ item: 'MODSEQ' as const }] : []),
  ]
}

function fromStore(item: FetchItemName, message: FetchedMessage): string {
  switch (item) {
    case 'INTERNALDATE':
      return `INTERNALDATE ${formatDateTime(message.internalDate!)}`
    case 'RFC822.SIZE':
      return `RFC822.SIZE ${message.sizeBytes}`
    case 'ENVELOPE':
      return `ENVELOPE ${message.envelope}`
    case 'BODY':
      return `BODY ${message.body}`
    case 'BODYSTRUCTURE':
      return `BODYSTRUCTURE ${message.bodyStructure}`
    case 'PREVIEW': // RFC 8970 §3.1
      return `PREVIEW ${message.preview == null ? 'NIL' : formatUtf8(message.preview)}`
    case 'SAVEDATE': // RFC 8514 §4.2
      return `SAVEDATE ${message.saveDate === undefined ? 'NIL' : formatDateTime(message.saveDate)}`
    case 'EMAILID': // RFC 8474 §5.3
      return `EMAILID (${message.emailId})`
    case 'THREADID':
      return `THREADID ${message.threadId === undefined ? 'NIL' : `(${message.threadId})`}`
    default:
      throw new Error(`${item} is in the snapshot`)
  }
}
