/**
 * Blobs as files: `<root>/ab/abcdef…` under random names, written to `<root>/incoming` first.
 *
 * A file appears under its key only when it is complete and on disk: temp file, fsync, rename, fsync of the folder.
 * Crash: leaves a temp file, or a blob that no row refers to; the sweep (`listOlderThan`) removes the temp file and
 * returns the key of the blob.
 * Several nodes may share the root: this module keeps no state, names never collide, and only old files are swept.
 */
import { createReadStream } from 'node:fs'
import { type FileHandle, mkdir, open, opendir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { KIB, MIB } from '../../config/limits/limit.ts'
import { MailError, StartupError } from '../../errors.ts'
import { makePrivateFolder, syncFolder } from '../folders.ts'
import type { Blobs } from './blobs.ts'

/** 128 random bits: a key cannot be guessed and is never used twice. */
const KEY_BYTES = 16
/** The format of a key. Any other text could be a path. */
const KEY = /^[0-9a-f]{32}$/
/** The name of a folder: the first two characters of the keys in it. */
const FOLDER = /^[0-9a-f]{2}$/
const INCOMING = 'incoming'
/** Bytes of one write: a socket delivers fewer, and each write costs the event loop and the thread pool the same. */
const WRITE_BYTES = 256 * KIB
/**
 * Bytes after which a file is flushed while it is written. The commits of the database flush on the event loop, and wait behind
 * what the disk has to write for this file: up to 80 ms when 50 MiB were flushed at once (docs/benchmarks/receiving.md).
 */
const FLUSH_BYTES = 8 * MIB

interface FileBlobsNeeds {
  root: string
  random: (sizeBytes: number) => Buffer
}

/** Creates the folder if it does not exist. @throws StartupError if it cannot be created or written */
export async function openFileBlobs({ root, random }: FileBlobsNeeds): Promise<Blobs> {
  try {
    makePrivateFolder(join(root, INCOMING))
    await createAndDelete(join(root, INCOMING, random(KEY_BYTES).toString('hex')))
  } catch (error) {
    const detail = `The folder of large messages ${root} cannot be created or written (${codeOf(error)})`
    throw new StartupError(detail, { cause: error })
  }
  return { put, get, fileOf: pathOf, delete: remove, listOlderThan }

  async function put(source: AsyncIterable<Uint8Array>) {
    const key = random(KEY_BYTES).toString('hex')
    const temporary = join(root, INCOMING, key)
    try {
      const written = await writeFile(temporary, source)
      await publish(temporary, key).catch(throwWriteError)
      return { key, ...written }
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => undefined) // the sweep removes what is left
      throw error
    }
  }

  /** Renames the file. A rename is durable after fsync of its folder, a new folder after fsync of its parent. */
  async function publish(temporary: string, key: string): Promise<void> {
    const folder = join(root, key.slice(0, 2))
    await mkdir(folder, { recursive: true, mode: 0o700 })
    await rename(temporary, pathOf(key))
    await syncFolder(folder)
    await syncFolder(root) // even if another `put` created the folder: it may not have synced the root yet
  }

  async function* get(key: string, range?: { start: number; end: number }): AsyncIterable<Uint8Array> {
    if (range && range.end <= range.start) return
    const bounds = range ? { start: range.start, end: range.end - 1 } : {} // Node's `end` is inclusive
    try {
      yield* createReadStream(pathOf(key), bounds)
    } catch (error) {
      throwReadError(error)
    }
  }

  async function remove(key: string): Promise<void> {
    await rm(pathOf(key), { force: true }).catch(throwWriteError)
  }

  async function* listOlderThan(timeMs: number): AsyncIterable<string> {
    await sweepIncoming(timeMs)
    for await (const folder of await opendir(root)) {
      if (!FOLDER.test(folder.name)) continue
      for await (const { name } of await opendir(join(root, folder.name))) {
        if (KEY.test(name) && (await isOlder(pathOf(name), timeMs))) yield name
      }
    }
  }

  /** Removes temp files that a crash left; temp files of running puts are younger. */
  async function sweepIncoming(timeMs: number): Promise<void> {
    for await (const { name } of await opendir(join(root, INCOMING))) {
      const temporary = join(root, INCOMING, name)
      if (await isOlder(temporary, timeMs)) await rm(temporary, { force: true })
    }
  }

  function pathOf(key: string): string {
    return blobFile(root, key)
  }
}

/** Returns the path of a blob. @throws for any text that is no key */
export function blobFile(root: string, key: string): string {
  if (!KEY.test(key)) throw new Error('not a blob key') // without the key: it may come from an untrusted client
  return join(root, key.slice(0, 2), key)
}

/** Writes the source to a new file. Rejects with the source's error, or with disk_full or unavailable. */
async function writeFile(path: string, source: AsyncIterable<Uint8Array>): Promise<{ sizeBytes: number }> {
  const file = await open(path, 'wx', 0o600).catch(throwWriteError)
  try {
    let sizeBytes = 0
    for await (const piece of inPieces(source)) {
      await writeWhole(file, piece).catch(throwWriteError)
      sizeBytes += piece.byteLength
      if (sizeBytes % FLUSH_BYTES === 0) await file.datasync().catch(throwWriteError)
    }
    await file.sync().catch(throwWriteError)
    return { sizeBytes }
  } finally {
    await file.close()
  }
}

/** Yields the same bytes in pieces of WRITE_BYTES. A piece is valid until the next one is requested. */
async function* inPieces(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, undefined> {
  let piece: Buffer = Buffer.alloc(0)
  let used = 0
  for await (const chunk of source) {
    for (let at = 0; at < chunk.byteLength; ) {
      const part = chunk.subarray(at, at + WRITE_BYTES - used)
      piece = withSpace(piece, used, part.byteLength)
      piece.set(part, used)
      used += part.byteLength
      at += part.byteLength
      if (used < WRITE_BYTES) continue
      yield piece
      used = 0
    }
  }
  if (used > 0) yield piece.subarray(0, used)
}

/**
 * Returns the piece, or a longer one that begins with the same bytes. A peer that stalls costs at most twice the memory of what it
 * has sent: no limit counts these pieces.
 */
function withSpace(piece: Buffer, used: number, moreBytes: number): Buffer {
  if (used + moreBytes <= piece.byteLength) return piece
  const longer = Buffer.allocUnsafeSlow(Math.min(WRITE_BYTES, Math.max(used + moreBytes, 2 * piece.byteLength)))
  piece.copy(longer, 0, 0, used)
  return longer
}

/** Writes the whole chunk. On a nearly full disk, one write may store only a part of it. */
async function writeWhole(file: FileHandle, chunk: Uint8Array): Promise<void> {
  for (let written = 0; written < chunk.byteLength; ) {
    const { bytesWritten } = await file.write(chunk, written)
    written += bytesWritten
  }
}

/**
 * Finds out before the first large message whether the folder is read-only, for example under systemd's
 * `ProtectSystem=strict`. A full disk is no error: the server must start, so that messages can be deleted.
 */
async function createAndDelete(path: string): Promise<void> {
  try {
    await (await open(path, 'w', 0o600)).close()
    await rm(path, { force: true })
  } catch (error) {
    if (!isFull(error)) throw error
  }
}

/** Returns false for a file that no longer exists. */
async function isOlder(path: string, timeMs: number): Promise<boolean> {
  try {
    return (await stat(path)).mtimeMs < timeMs
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return false
    throw error
  }
}

function throwWriteError(error: unknown): never {
  throw isFull(error)
    ? new MailError('disk_full', {}, { cause: error })
    : new MailError('unavailable', { detail: 'a file could not be written' }, { cause: error })
}

function throwReadError(error: unknown): never {
  // A message may be removed while it is downloaded.
  if (codeOf(error) === 'ENOENT') throw new MailError('not_found', { what: 'Content' }, { cause: error })
  if (codeOf(error) === undefined) throw error
  throw new MailError('unavailable', { detail: 'a file could not be read' }, { cause: error })
}

function isFull(error: unknown): boolean {
  return codeOf(error) === 'ENOSPC' || codeOf(error) === 'EDQUOT'
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code
}
