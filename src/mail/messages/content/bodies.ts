/**
 * Reads what is stored for messages besides their bytes: bodies, decompressed from rows or blobs, and the codes and
 * links in them.
 *
 *   sizes → memory for them → decompress → message
 *
 * The caller provides the memory, because it knows how long the messages stay there: until a response is sent, for
 * example. While it waits for memory, nothing large is loaded.
 */
import { setImmediate } from 'node:timers/promises'
import type { Limits } from '../../../config/limits.ts'
import type { Verification } from '../../../formats/verification/verification.ts'
import type { Store } from '../../../store/store.ts'
import * as contents from '../../../store/tables/contents-table.ts'
import { listByIds, type StoredMessageRow } from '../../../store/tables/messages-table.ts'
import type { WholeMessageRow } from '../../../store/tables/whole-messages-table.ts'
import { recheckAccess } from '../../access/access.ts'
import type { Actor } from '../../access/actor.ts'
import type { BodyMemory } from '../../access/body-memory.ts'
import { isReadable } from '../readable.ts'
import type { Message, MessageItem } from '../views/message.ts'
import { type KnownInbox, showMessages } from '../views/message-views.ts'
import { type Bodies, type BodyForm, DECODED, decompressBodies, decompressHead } from './compressed-bodies.ts'
import { decodeStored, isUndecodable, undecodable } from './damaged-content.ts'
import { findVerification } from './parsed-message.ts'
import { lostOrDeleted } from './readable-contents.ts'

/** JSON that is decompressed and parsed, over several small messages, before other work runs. */
const TURN_BYTES = 64 * 1024
/** Decompressing and showing a message takes as long as this much JSON, besides its own. */
const MESSAGE_BYTES = 4 * 1024
/** JSON that is decompressed and parsed in one turn of the event loop: a few milliseconds. */
const AT_ONCE_BYTES_MAX = 512 * 1024

interface BodySource {
  readonly store: Pick<Store, 'db' | 'blobs'>
  readonly limits: Limits
  /** The inbox of all rows, if the caller has read it. */
  readonly inbox?: KnownInbox
}

interface WholeSource extends BodySource {
  readonly store: Pick<Store, 'db' | 'blobs' | 'transaction'>
}

/**
 * Returns messages with their bodies, in the order of the rows. Messages that were deleted, or hidden from the actor,
 * while it waited for memory are missing.
 *
 * @param readAgain reads the rows again after a wait, without those that are no longer requested
 * @throws too_many_responses; unknown_api_key, forbidden or not_found when the actor lost its access while it waited
 */
export async function showWhole(
  source: WholeSource,
  actor: Actor,
  rows: readonly StoredMessageRow[],
  memory: BodyMemory,
  readAgain = (ids: readonly string[]) => listByIds(source.store.db, ids),
): Promise<Message[]> {
  // Bodies that are small together are loaded with their sizes, in one statement.
  const bytesMax = Math.floor(memory.freeBytes / Math.max(rows.length, 1))
  const stored = await contents.listParsedUpTo(source.store.db, contentIds(rows), bytesMax)
  return showStored(source, actor, { rows, stored, bytesMax, readAgain }, memory, DECODED)
}

/**
 * Returns a message that was read with its bodies.
 *
 * @param row has bodies of at most `memory.freeBytes`
 * @returns undefined if the message was deleted or hidden meanwhile
 * @throws as showWhole
 */
export async function showWholeRow<Form extends object>(
  source: WholeSource,
  actor: Actor,
  row: WholeMessageRow,
  memory: BodyMemory,
  form: BodyForm<Form>,
): Promise<Shown<Form> | undefined> {
  const readAgain = (ids: readonly string[]) => listByIds(source.store.db, ids)
  const found = { rows: [row], stored: [parsedOf(row)], bytesMax: memory.freeBytes, readAgain }
  const [message] = await showStored(source, actor, found, memory, form)
  return message
}

type Shown<Form> = MessageItem & Verification & Form

function parsedOf(row: WholeMessageRow): contents.ParsedRow {
  return {
    id: row.content_id,
    parsed: row.parsed,
    parsed_blob_key: row.parsed_blob_key,
    parsed_size_bytes: row.parsed_size_bytes,
    parsed_head_bytes: row.parsed_head_bytes,
    verification: row.verification,
  }
}

interface StoredMessages {
  readonly rows: readonly StoredMessageRow[]
  /** Their contents, with bodies of at most `bytesMax`. */
  readonly stored: readonly contents.ParsedRow[]
  readonly bytesMax: number
  readonly readAgain: (ids: readonly string[]) => Promise<readonly StoredMessageRow[]>
}

async function showStored<Form extends object>(
  source: WholeSource,
  actor: Actor,
  { rows, stored, bytesMax, readAgain }: StoredMessages,
  memory: BodyMemory,
  form: BodyForm<Form>,
): Promise<Shown<Form>[]> {
  const sizes = new Map(stored.map((row) => [row.id, row.parsed_size_bytes]))
  const sizeBytes = rows.reduce((sum, row) => sum + (sizes.get(row.content_id) ?? 0), 0)
  const hasWaited = await memory.reserve(sizeBytes)
  const isLoaded = !hasWaited && stored.every((row) => row.parsed_size_bytes <= bytesMax)
  const present = hasWaited ? await stillReadable() : rows
  const parsed = isLoaded ? stored : await contents.getParsed(source.store.db, contentIds(present))
  return show(source, present, parsed, form, (row) => load(source, row, memory, form))

  async function stillReadable(): Promise<readonly StoredMessageRow[]> {
    await recheckAccess(source.store, actor, [...new Set(rows.map((row) => row.inbox_id))])
    const found = await readAgain(rows.map((row) => row.id))
    const current = new Map(found.map((row) => [row.id, row]))
    return rows.flatMap(({ id }) => {
      const row = current.get(id)
      return row && isReadable(actor, row) ? [row] : []
    })
  }
}

/** A message, and whether its bodies are missing because they are too large. */
export interface BoundedMessage {
  readonly message: Message
  readonly isWithoutBodies: boolean
}

/**
 * Returns messages by id, each without its text and HTML if their JSON has more than `bytesMax` bytes. They are then not
 * loaded. The caller limits the number of rows and the sum of their sizes.
 */
export async function showBounded(
  source: BodySource,
  rows: readonly StoredMessageRow[],
  bytesMax: number,
): Promise<Map<string, BoundedMessage>> {
  const stored = await contents.getParsed(source.store.db, contentIds(rows))
  const withoutBodies = new Set<string>()
  const messages = await show(source, rows, stored, DECODED, async (parsed) => {
    if (parsed.parsed_size_bytes > bytesMax && parsed.parsed_head_bytes > 0) {
      const head = decompressHead(await readParsed(source, parsed, parsed.parsed_head_bytes))
      if (parsed.parsed_size_bytes - head.sizeBytes > bytesMax) {
        withoutBodies.add(parsed.id)
        return head.bodies
      }
    }
    return decompressBodies(await readParsed(source, parsed), parsed.parsed_size_bytes)
  })
  const contentOf = new Map(rows.map((row) => [row.id, row.content_id]))
  const isWithoutBodies = ({ id }: Message) => withoutBodies.has(contentOf.get(id)!)
  return new Map(
    messages.map((message) => [message.id, { message, isWithoutBodies: isWithoutBodies(message) }] as const),
  )
}

/**
 * Returns the header fields of a message, whatever the size of its bodies; undefined if it has just been deleted. No memory is reserved
 * for them: the parser limits the header.
 */
export async function headersOf(
  source: Pick<BodySource, 'store'>,
  row: Pick<StoredMessageRow, 'content_id'>,
): Promise<Bodies['headers'] | undefined> {
  const [stored] = await contents.getParsed(source.store.db, [row.content_id])
  if (!stored) return undefined
  const { parsed_head_bytes: headBytes, parsed_size_bytes: sizeBytes } = stored
  const bytes = await readParsed(source, stored, headBytes > 0 ? headBytes : undefined)
  return decodeStored(() =>
    headBytes > 0 ? decompressHead(bytes).bodies.headers : decompressBodies(bytes, sizeBytes).headers,
  )
}

/** @param read returns the bodies of a content */
async function show<Form extends object>(
  { store, limits, inbox }: BodySource,
  rows: readonly StoredMessageRow[],
  stored: readonly contents.ParsedRow[],
  form: BodyForm<Form>,
  read: (row: contents.ParsedRow) => Promise<Form>,
): Promise<Shown<Form>[]> {
  const items = await showMessages(store.db, rows, inbox)
  const subjects = new Map(rows.map((row) => [row.content_id, row.subject ?? undefined]))
  const byContent = new Map<string, Form & Verification>()
  let turnBytes = 0
  for (const row of stored) {
    if (turnBytes > TURN_BYTES) {
      await setImmediate() // let other work run: callers often request hundreds of messages
      turnBytes = 0
    }
    // A message without stored codes and links is searched each time it is shown, which takes several times as long.
    const isSearched = row.verification === null
    turnBytes += isSearched ? TURN_BYTES + 1 : row.parsed_size_bytes + MESSAGE_BYTES
    const bodies = await read(row)
    const verification = isSearched
      ? findVerification({ subject: subjects.get(row.id), ...form.searchedTexts(bodies) }, limits)
      : (JSON.parse(row.verification!) as Verification)
    byContent.set(row.id, Object.assign(bodies, verification))
  }
  return items.flatMap((item, index) => {
    const bodies = byContent.get(rows[index]!.content_id)
    return bodies ? [Object.assign(item, bodies)] : [] // it has just been deleted
  })
}

async function load<Form>(
  source: BodySource,
  row: contents.ParsedRow,
  memory: BodyMemory,
  form: BodyForm<Form>,
): Promise<Form> {
  const bytes = await readParsed(source, row)
  if (row.parsed_size_bytes <= AT_ONCE_BYTES_MAX)
    return decodeStored(() => form.decompress(bytes, row.parsed_size_bytes))
  return form
    .decompressInSteps({ bytes, sizeBytes: row.parsed_size_bytes }, memory.nextTurn)
    .catch((error: unknown) => {
      throw isUndecodable(error) ? undecodable(error) : error // not that of a turn that does not come
    })
}

/** Returns the first bytes of the compressed bodies; all without `length`. @throws DamagedContent if their file is lost */
async function readParsed(
  { store }: Pick<BodySource, 'store'>,
  { id, parsed, parsed_blob_key: key }: contents.ParsedRow,
  length?: number,
): Promise<Uint8Array> {
  if (key === null) return parsed!.subarray(0, length)
  const chunks: Uint8Array[] = []
  const range = length === undefined ? undefined : { start: 0, end: length }
  try {
    for await (const chunk of store.blobs.get(key, range)) chunks.push(chunk)
  } catch (error) {
    throw await lostOrDeleted(store.db, id, error)
  }
  return Buffer.concat(chunks)
}

function contentIds(rows: readonly StoredMessageRow[]): string[] {
  return [...new Set(rows.map((row) => row.content_id))]
}
