/**
 * Prepares a message for the transaction that stores it, on its way in or out: all work that a transaction must not do.
 *
 *   spool the bytes → check → change the header → parse → spool the compressed bodies → insert, inside the caller's
 *   transaction
 *
 * Up to limits.store.inlineBytesMax, bytes stay in memory and become part of that transaction (one fsync, not two).
 * More bytes are made durable as a blob before it, and so is a small message while the memory for those that wait to be
 * parsed is used up (spool-memory.ts). Its socket is read no faster than the disk takes its bytes.
 *
 * Crash between the blob and its transaction: a sweep deletes the blob by age. No row refers to missing bytes.
 */
import type { Limits } from '../../../config/limits.ts'
import { isMailError, MailError } from '../../../errors.ts'
import type { Tx } from '../../../store/handles.ts'
import type { Store } from '../../../store/store.ts'
import type { Turn } from '../../jobs/turn-queue.ts'
import { changedBytes, changedChunks, type HeaderChange, isUnchanged } from './changed-header.ts'
import type { DiscardBlobs } from './discard-blobs.ts'
import { type ContentRows, contentRows, type Spooled, type SpooledMail } from './insert-content.ts'
import type { MailParser } from './mail-parser.ts'
import type { LoadedMail } from './parse-worker.ts'
import type { ParsedMail } from './parsed-message.ts'
import { createSpoolMemory, type SpoolMemory } from './spool-memory.ts'

/** A message that is in memory, or in a blob. */
export interface ArrivedMail {
  readonly sizeBytes: number
  /** The file that contains it, if there is one. */
  readonly file: string | undefined
  load(): LoadedMail | Promise<LoadedMail>
  /** Reads it from the beginning, without loading all of it into memory. */
  chunks(): AsyncIterable<Uint8Array>
}

/** What a check has found, and how it changes the header. */
export interface CheckedMail<Checked> extends HeaderChange {
  readonly checked: Checked
}

/** A message to prepare, and who sends it: large messages are parsed round robin over senders. */
export interface MailSource<Checked> extends Turn {
  /** The whole message in memory; or a stream of it, and the header fields to put before it. */
  readonly raw: Buffer | { readonly head: Buffer; readonly chunks: AsyncIterable<Uint8Array> }
  /** Maximum size of the message without `head`. */
  readonly bytesMax: number
  /** Called with the size of the message without `head` when its last byte has arrived. */
  readonly onArrived?: (sizeBytes: number) => void
  /** false: codes and links are searched for when the message is shown, not now. */
  readonly findsCodes?: boolean
  /** Runs when all bytes are spooled. If it throws, the message is not parsed. */
  readonly check?: (arrived: ArrivedMail) => CheckedMail<Checked> | Promise<CheckedMail<Checked>>
}

/** A message that a transaction can store. Its owner must insert or discard it. */
export interface PreparedContent<Checked = unknown> {
  readonly parsed: ParsedMail
  /** The size of the message. */
  readonly mailBytes: number
  /** The bytes that the transaction stores: those in blobs are not counted. */
  readonly sizeBytes: number
  /** The result of `check`; undefined without one. */
  readonly checked: Checked
  /** Returns the rows of the content. A transaction stores them once, also for several messages with these bytes. */
  rows(tx: Tx): ContentRows
  /**
   * Deletes the blobs of a message that was not stored. Never rejects.
   *
   * @param error what the transaction threw. After outcome_unknown nothing is deleted, because rows may refer to the
   *   blobs; a sweep deletes them later if none does.
   */
  discard(error?: unknown): Promise<void>
}

/**
 * Spools and parses a message.
 *
 * @throws message_too_large, parse_queue_full, disk_full, unavailable, shutting_down, and what the stream or `check`
 *   throws; then nothing of the message is kept
 */
export type PrepareContent = <Checked = undefined>(source: MailSource<Checked>) => Promise<PreparedContent<Checked>>

interface PrepareContentNeeds {
  readonly store: Pick<Store, 'blobs'>
  readonly mailParser: Pick<MailParser, 'expectMail' | 'parse'>
  readonly discardBlobs: DiscardBlobs
  readonly limits: Limits
}

export function createPrepareContent(needs: PrepareContentNeeds): PrepareContent {
  const { store, mailParser, discardBlobs, limits } = needs
  const openMemory = createSpoolMemory(limits)

  return async function prepareContent<Checked>(source: MailSource<Checked>): Promise<PreparedContent<Checked>> {
    const { fairnessKey, fairnessPart, raw, findsCodes = true, check } = source
    const { head, chunks } = Buffer.isBuffer(raw) ? { head: Buffer.alloc(0), chunks: chain([raw]) } : raw
    const blobKeys: (string | null)[] = []

    async function discard(error?: unknown): Promise<void> {
      if (!isMailError(error, 'outcome_unknown')) await discardBlobs(blobKeys)
    }

    mailParser.expectMail()
    const memory = openMemory()
    try {
      const spooled = await spoolMail(head, boundedReader(chunks, source), memory)
      blobKeys.push(spooled.blobKey)
      const checking = check?.(access(spooled))
      const result = checking instanceof Promise ? await checking : checking
      const changing = result ? changeHeader(spooled, result) : spooled
      const arrived = changing instanceof Promise ? await changing : changing
      if (arrived !== spooled) blobKeys.push(arrived.blobKey)
      const checked = result?.checked as Checked
      const { sizeBytes } = arrived
      const ownBytes = head.length + (result?.head?.length ?? 0)
      const parsed = await mailParser.parse({ fairnessKey, fairnessPart, ownBytes, findsCodes, ...access(arrived) })
      const spooling = spoolBodies(parsed.compressedBodies.bytes)
      const bodies = spooling instanceof Promise ? await spooling : spooling
      blobKeys.push(bodies.blobKey)
      const inlineBytes = (arrived.bytes?.length ?? 0) + (bodies.bytes?.length ?? 0)
      return {
        parsed,
        mailBytes: sizeBytes,
        sizeBytes: inlineBytes,
        checked,
        rows: (tx) => contentRows(tx, arrived, parsed, bodies),
        discard,
      }
    } catch (error) {
      await discard(error)
      throw error
    } finally {
      memory.release()
    }
  }

  async function spoolMail(head: Buffer, reader: AsyncIterator<Uint8Array>, memory: SpoolMemory): Promise<SpooledMail> {
    const read: Uint8Array[] = head.length > 0 ? [head] : []
    let sizeBytes = head.length
    for (;;) {
      const { value, done } = await reader.next()
      if (done) return { bytes: Buffer.concat(read, sizeBytes), blobKey: null, sizeBytes }
      read.push(value)
      sizeBytes += value.length
      if (sizeBytes > limits.store.inlineBytesMax || !memory.reserve(value.length)) break
    }
    memory.release()
    const { key, ...stored } = await store.blobs.put(chain(read, reader))
    return { ...stored, bytes: null, blobKey: key }
  }

  /** A message in a blob is written again: only few of them get other fields than those that were known before. */
  function changeHeader(spooled: SpooledMail, change: HeaderChange): SpooledMail | Promise<SpooledMail> {
    if (isUnchanged(change)) return spooled
    if (!spooled.bytes) return changeBlob(spooled.blobKey, change)
    const bytes = changedBytes(spooled.bytes, change)
    return { bytes, blobKey: null, sizeBytes: bytes.length }
  }

  async function changeBlob(blobKey: string, change: HeaderChange): Promise<SpooledMail> {
    const { key, sizeBytes } = await store.blobs.put(changedChunks(store.blobs.get(blobKey), change))
    await discardBlobs([blobKey])
    return { bytes: null, blobKey: key, sizeBytes }
  }

  function access(spooled: SpooledMail): ArrivedMail {
    const { bytes, blobKey, sizeBytes } = spooled
    return {
      sizeBytes,
      file: blobKey === null ? undefined : store.blobs.fileOf(blobKey),
      load: () => loadMail(spooled),
      chunks: () => (bytes ? chain([bytes]) : store.blobs.get(blobKey)),
    }
  }

  function loadMail({ bytes, blobKey, sizeBytes }: SpooledMail): LoadedMail | Promise<LoadedMail> {
    return bytes ? { bytes, isOwned: false } : loadBlob(blobKey, sizeBytes)
  }

  async function loadBlob(blobKey: string, sizeBytes: number): Promise<LoadedMail> {
    const loaded = Buffer.allocUnsafeSlow(sizeBytes)
    let at = 0
    for await (const chunk of store.blobs.get(blobKey)) {
      loaded.set(chunk, at)
      at += chunk.length
    }
    return { bytes: loaded, isOwned: true }
  }

  function spoolBodies(compressed: Uint8Array): Spooled | Promise<Spooled> {
    const isSmall = compressed.length <= limits.store.inlineBytesMax
    return isSmall ? { bytes: compressed, blobKey: null } : storeBodies(compressed)
  }

  async function storeBodies(compressed: Uint8Array): Promise<Spooled> {
    const { key } = await store.blobs.put(chain([compressed]))
    return { bytes: null, blobKey: key }
  }
}

/** Reads a message, limits its size, and reports its end. */
function boundedReader(
  chunks: AsyncIterable<Uint8Array>,
  { bytesMax, onArrived }: Pick<MailSource<unknown>, 'bytesMax' | 'onArrived'>,
): AsyncIterator<Uint8Array> {
  const reader = chunks[Symbol.asyncIterator]()
  let sizeBytes = 0
  const count = (result: IteratorResult<Uint8Array>) => {
    if (result.done) onArrived?.(sizeBytes)
    else {
      sizeBytes += result.value.length
      if (sizeBytes > bytesMax) return refuse()
    }
    return result
  }
  async function refuse(): Promise<never> {
    await reader.return?.().catch(() => undefined) // its error would hide this one
    throw new MailError('message_too_large', { limitBytes: bytesMax })
  }
  return { next: () => reader.next().then(count) }
}

async function* chain(first: readonly Uint8Array[], rest?: AsyncIterator<Uint8Array>): AsyncGenerator<Uint8Array> {
  yield* first
  if (!rest) return
  for (;;) {
    const { value, done } = await rest.next()
    if (done) return
    yield value
  }
}
