/**
 * Decides where messages go, in their order: whether the inbox already has one, under which Message-ID clients will see
 * it, and which thread it joins. Part of file-messages.ts.
 *
 * The same Message-ID with the same content is the same message (RFC 5321 §6.1: a sender whose connection broke
 * retries). The same Message-ID with other content is another message, filed under a Message-ID that we generate: a
 * stranger must not be able to suppress a message by using its Message-ID first.
 *
 * The tables are read once for all messages. A message finds an earlier one of the same list in memory.
 */
import type { Limits } from '../../../config/limits.ts'
import { messageIdFrom, pathSafeMessageId } from '../../../formats/ids.ts'
import type { Tx } from '../../../store/handles.ts'
import { rowStep } from '../../../store/row-statements.ts'
import type { KindAddress, ThreadReferenceRow, ThreadRow } from '../../../store/schema/message-rows.ts'
import * as messages from '../../../store/tables/messages-table.ts'
import { selectByReferences } from '../../../store/tables/thread-references-table.ts'
import type { ThreadParticipant } from '../../../store/tables/threads-table.ts'
import * as threads from '../../../store/tables/threads-table.ts'
import type { ContentRows } from '../content/insert-content.ts'
import { bccAddresses, participantsOfMessage } from '../content/mail-addresses.ts'
import type { PreparedContent } from '../content/prepared-content.ts'
import { hashId, joins, leadsToThread, lookupHashes, type Reference, relativesOf } from '../threads/threading.ts'
import type { Filing } from './filing.ts'
import { messageRow, threadWith } from './filing-rows.ts'

/** A message that will be written. */
export interface PlacedMessage {
  readonly existing?: undefined
  readonly filing: Filing
  readonly content: ContentRows
  readonly row: messages.NewMessageRow
  /** The thread with this message added. */
  readonly thread: ThreadRow
  /** How many messages before it in the list join the same thread. */
  readonly round: number
  readonly isNewThread: boolean
  /** The subject of `thread` is only the start of it. */
  readonly hasCutSubject: boolean
  readonly bcc: readonly KindAddress[]
  readonly participants: readonly ThreadParticipant[]
}

export type Place = PlacedMessage | { readonly existing: messages.NewMessageRow }

export interface Places {
  /** In the order of the filings. */
  readonly places: readonly Place[]
  /** The contents of new messages that are not stored yet, each once. */
  readonly contents: readonly ContentRows[]
  /** The Message-IDs that belong to a thread from now on, except those that their message leads to. */
  readonly references: readonly ThreadReferenceRow[]
}

/** A filing, and what follows from the message alone. */
interface Candidate {
  readonly filing: Filing
  readonly id: string
  /** Hash of its Message-ID field; undefined when there is none. */
  readonly headerHash: string | undefined
  /** The id that clients see; undefined: `headerApiId`, if it is free. */
  readonly apiMessageId: string | undefined
  /** The id of its Message-ID field as clients see it, and the hash of that; undefined when there is none. */
  readonly headerApiId: { readonly id: string; readonly hash: string } | undefined
  /** Its own Message-ID and those that it refers to. */
  readonly references: readonly Reference[]
  /** The hashes by which its thread is found, nearest first. */
  readonly lookups: readonly string[]
}

interface ToPlace {
  readonly filings: readonly Filing[]
  /** See FileMessages. */
  readonly relabel: () => Promise<readonly Filing[]>
  readonly limits: Limits
  /** Domain of the Message-IDs that we generate. */
  readonly domain: string
}

export async function findPlaces(tx: Tx, { filings, relabel, limits, domain }: ToPlace): Promise<Places> {
  const candidates = filings.map((filing) => createCandidate(tx, filing, domain))
  const [known, labelled] = await Promise.all([readKnown(tx, candidates), relabel()])
  const contents = new Map<PreparedContent, ContentRows>()
  const rounds = new Map<string, number>()
  const references = new Map<string, ThreadReferenceRow>()

  const places = candidates.map((candidate, index): Place => {
    const filing = labelled[index]!
    const inboxId = filing.inbox.id
    const { fingerprint } = filing.content.parsed
    const headerName = `${inboxId} ${candidate.headerHash}`
    const isRecognised = candidate.apiMessageId === undefined && !filing.isCopy
    const existing = isRecognised && known.messages.get(`${headerName} ${fingerprint}`)
    if (existing) return { existing }

    const apiMessageId = candidate.apiMessageId ?? freeMessageId(tx, candidate, known.apiIds, domain)
    const content = contents.get(filing.content) ?? filing.content.rows(tx)
    contents.set(filing.content, content)
    const before = findThread(candidate, known)
    const thread = threadWith(tx, before, { filing, apiMessageId, content })
    const round = rounds.get(thread.id) ?? 0
    const { id, headerHash } = candidate
    const row = messageRow(tx, { filing, id, headerHash, apiMessageId, content, threadId: thread.id })

    rounds.set(thread.id, round + 1)
    known.threads.set(thread.id, thread)
    known.apiIds.add(`${inboxId} ${row.api_message_id_hash}`)
    if (candidate.headerHash !== undefined && !known.messages.has(`${headerName} ${fingerprint}`)) {
      known.messages.set(`${headerName} ${fingerprint}`, row)
    }
    for (const { hash, isOwn } of candidate.references) {
      const name = `${inboxId} ${hash}`
      const before = known.references.get(name)
      // The Message-ID stays with its thread, unless that thread only refers to it and this one contains its message.
      if (before && (before.isOwn || !isOwn)) continue
      known.references.set(name, { hash, isOwn, threadId: thread.id })
      if (isOwn && !before && leadsToThread(row)) continue
      const reference = { inbox_id: inboxId, message_id_hash: hash, thread_id: thread.id, is_own: Number(isOwn) }
      references.set(name, reference)
    }
    const bcc = bccAddresses(filing.bcc ?? [])
    const participants = participantsOfMessage([...content.addresses, ...bcc], limits.messages.participantsMax)
    const hasCutSubject = known.cutSubjects.has(thread.id)
    return { filing, content, row, thread, round, isNewThread: !before, hasCutSubject, bcc, participants }
  })
  return {
    places,
    contents: [...contents.values()].filter(({ isStored }) => !isStored),
    references: [...references.values()],
  }
}

function createCandidate(tx: Tx, filing: Filing, domain: string): Candidate {
  const { messageId, inReplyTo, references } = filing.content.parsed
  const id = tx.newId()
  // Without a Message-ID we cannot know whether it is the same message as another.
  const generated = messageId === undefined ? messageIdFrom(tx.newId(), domain) : undefined
  const apiMessageId = filing.apiMessageId ?? generated
  // Replies refer to the Message-ID of the header, even when our clients see another id.
  const ancestry = { messageId: messageId ?? apiMessageId, inReplyTo, references }
  const relatives = relativesOf(ancestry)
  const headerHash = messageId === undefined ? undefined : relatives[0]!.hash
  return {
    filing,
    id,
    apiMessageId,
    headerHash,
    headerApiId: messageId === undefined ? undefined : headerApiIdOf(messageId, headerHash!),
    references: relatives,
    lookups: lookupHashes(filing.hasNewId ? relativesOf({ inReplyTo, references }) : relatives),
  }
}

/** An id longer than this would not fit into a path (limits.http.pathParameterCharsMax) if it is escaped once more. */
const API_ID_CHARS_MAX = 1_000

/** @returns undefined for an id that has no form in which it can be part of a path */
function headerApiIdOf(messageId: string, headerHash: string): Candidate['headerApiId'] {
  const id = pathSafeMessageId(messageId)
  if (id === messageId) return { id, hash: headerHash }
  return id.length > API_ID_CHARS_MAX ? undefined : { id, hash: hashId(id) }
}

/** What is known of the inboxes: from the tables at first, and then also from the messages of the list. */
interface Known {
  /** By inbox, hash of the Message-ID field, and fingerprint. */
  readonly messages: Map<string, messages.NewMessageRow>
  /** Inboxes and hashes of api_message_ids. */
  readonly apiIds: Set<string>
  /** By inbox and hash of a Message-ID. */
  readonly references: Map<string, Reference & { readonly threadId: string }>
  readonly threads: Map<string, ThreadRow>
  /** The ids of those with only the start of their subject. */
  readonly cutSubjects: ReadonlySet<string>
}

async function readKnown(tx: Tx, candidates: readonly Candidate[]): Promise<Known> {
  const arriving = candidates.flatMap(({ filing, apiMessageId, headerHash, headerApiId }) =>
    apiMessageId !== undefined
      ? []
      : [
          {
            inbox_id: filing.inbox.id,
            hash: headerHash!,
            api_hash: headerApiId?.hash ?? headerHash!,
            fingerprint: filing.content.parsed.fingerprint,
          },
        ],
  )
  const names = candidates.flatMap(({ filing, lookups }) =>
    lookups.map((hash) => [`${filing.inbox.id} ${hash}`, { inbox_id: filing.inbox.id, hash }] as const),
  )
  const chosen = candidates.flatMap(({ filing: { threadId } }) => (threadId === undefined ? [] : [{ id: threadId }]))
  const [stored, byReference, byId] = await tx.runRows([
    rowStep(messages.selectKnown, arriving),
    rowStep(selectByReferences, [...new Map(names).values()]), // replies in one thread refer to the same
    rowStep(threads.selectByIds, chosen),
  ])
  const chosenIds = new Set(byId.map(({ id }) => id))
  const cut = byReference.filter((row) => row.is_subject_cut === 1 && !chosenIds.has(row.id))
  const byName = stored.map((row) => [`${row.inbox_id} ${row.header_message_id_hash} ${row.fingerprint}`, row] as const)
  return {
    messages: new Map(byName.toReversed()), // of two, the one that clients see under this id
    apiIds: new Set(stored.map((row) => `${row.inbox_id} ${row.api_message_id_hash}`)),
    references: new Map(
      byReference.map(({ hash, inbox_id, id, is_own }) => [
        `${inbox_id} ${hash}`,
        { hash, isOwn: is_own === 1, threadId: id },
      ]),
    ),
    threads: new Map([...byReference, ...byId].map((row) => [row.id, row])),
    cutSubjects: new Set(cut.map(({ id }) => id)),
  }
}

/** Returns the Message-ID of the header, as clients see it, if it is free; otherwise a generated one. */
function freeMessageId(tx: Tx, { filing, headerApiId }: Candidate, taken: ReadonlySet<string>, domain: string): string {
  const isFree = headerApiId !== undefined && !taken.has(`${filing.inbox.id} ${headerApiId.hash}`)
  return isFree ? headerApiId.id : messageIdFrom(tx.newId(), domain)
}

/** Returns the thread that the filing names, or that of its nearest known relative which it may join. */
function findThread({ filing, lookups, references }: Candidate, known: Known): ThreadRow | undefined {
  if (filing.threadId !== undefined) return known.threads.get(filing.threadId)
  const message = {
    ownHash: references.find(({ isOwn }) => isOwn)?.hash,
    subject: filing.content.parsed.subject,
  }
  for (const hash of lookups) {
    const relative = known.references.get(`${filing.inbox.id} ${hash}`)
    const thread = relative && known.threads.get(relative.threadId)
    if (thread && joins(message, relative, thread)) return thread
  }
  return undefined
}
