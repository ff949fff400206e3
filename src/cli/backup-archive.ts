/**
 * The file of a backup: a tar archive with
 *
 *   blobs/ab/abcdef…   large messages
 *   martlet.db         the database
 *   root-key           the first API key, if the data folder has one
 *   backup.json        what the archive contains: the last entry, so that an incomplete file is recognised
 */
import { type FileHandle, open } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { StartupError } from '../errors.ts'
import {
  isTarHeader,
  readTarHeader,
  TAR_BLOCK_BYTES,
  TAR_END,
  type TarEntry,
  tarHeader,
  tarPaddingBytes,
} from '../formats/tar/tar-header.ts'
import { unwritable } from './write-error.ts'

export const DATABASE = 'martlet.db'
export const ROOT_KEY = 'root-key'
export const MANIFEST = 'backup.json'
const BLOB = /^blobs\/[0-9a-f]{2}\/([0-9a-f]{32})$/

export interface Manifest {
  readonly format: 1
  /** Version of Martlet. */
  readonly version: string
  /** ISO 8601. */
  readonly created_at: string
  readonly domain: string
  readonly database_bytes: number
  readonly blobs: number
}

/** A number of blobs, in words for operators. One large message can have two: its source and its parsed text. */
export function describeBlobCount(count: number): string {
  return count === 1 ? '1 file of large messages' : `${count} files of large messages`
}

export function blobEntry(key: string): string {
  return `blobs/${key.slice(0, 2)}/${key}`
}

/** Returns the key of a blob; undefined for another entry. */
export function blobKeyOf(path: string): string | undefined {
  return BLOB.exec(path)?.[1]
}

export interface ArchiveWriter {
  /** Appends a file of exactly this size. */
  append(path: string, sizeBytes: number, chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void>
  /** Ends the archive; it is then on disk. */
  finish(): Promise<void>
  close(): Promise<void>
}

/**
 * @param finalName for errors: the file gets this name when it is complete
 * @returns a writer whose errors, if it cannot write, are sentences for the operator
 */
export async function createArchive(file: string, now: number, finalName = file): Promise<ArchiveWriter> {
  const handle = await open(file, 'wx', 0o600)
  const fail = (error: unknown) => {
    throw unwritable(finalName, error)
  }
  const write = (bytes: Uint8Array) => handle.writeFile(bytes).catch(fail)
  return {
    async append(path, sizeBytes, chunks) {
      await write(tarHeader({ path, sizeBytes }, now))
      let written = 0
      for await (const chunk of chunks) {
        await write(chunk)
        written += chunk.byteLength
      }
      if (written !== sizeBytes) throw new Error(`${path} changed while it was copied`)
      await write(Buffer.alloc(tarPaddingBytes(sizeBytes)))
    },
    async finish() {
      await write(TAR_END)
      await handle.sync().catch(fail)
    },
    close: () => handle.close(),
  }
}

export interface Archive {
  readonly manifest: Manifest
  readonly entries: readonly TarEntry[]
  read(entry: TarEntry): AsyncIterable<Uint8Array>
  close(): Promise<void>
}

/** Opens a backup for `restore`. @throws StartupError when the file is not a complete backup */
export async function openArchive(file: string): Promise<Archive> {
  const handle = await open(file, 'r').catch((error: NodeJS.ErrnoException) => {
    const reason = error.code === 'ENOENT' ? ': the file does not exist' : ''
    throw new StartupError(`${file} cannot be read (${error.code})${reason}`)
  })
  try {
    const found = await listEntries(handle, file)
    const entries = found.map(({ entry }) => entry)
    const offsetOf = new Map(found.map(({ entry, offset }) => [entry, offset]))
    const read = (entry: TarEntry) => readRange(handle, offsetOf.get(entry)!, entry.sizeBytes)
    const manifest = await readManifest(entries, read)
    return { manifest, entries, read, close: () => handle.close() }
  } catch (error) {
    await handle.close()
    if (error instanceof StartupError) throw error
    throw new StartupError(`${file} is not a complete backup (${(error as Error).message})`, { cause: error })
  }
}

async function listEntries(handle: FileHandle, file: string): Promise<{ entry: TarEntry; offset: number }[]> {
  const { size } = await handle.stat()
  const found: { entry: TarEntry; offset: number }[] = []
  for (let position = 0; ; ) {
    const block = Buffer.alloc(TAR_BLOCK_BYTES)
    const { bytesRead } = await handle.read(block, 0, TAR_BLOCK_BYTES, position)
    if (position === 0 && !isTarHeader(block)) throw new StartupError(`${file} is not a backup made by martlet backup`)
    if (bytesRead < TAR_BLOCK_BYTES) throw new Error('it is truncated')
    const entry = readTarHeader(block)
    if (!entry) return found
    const offset = position + TAR_BLOCK_BYTES
    position = offset + entry.sizeBytes + tarPaddingBytes(entry.sizeBytes)
    if (position > size) throw new Error('it is truncated')
    found.push({ entry, offset })
  }
}

async function readManifest(entries: readonly TarEntry[], read: Archive['read']): Promise<Manifest> {
  const last = entries.at(-1)
  if (last?.path !== MANIFEST) throw new Error('it lacks backup.json')
  const manifest = JSON.parse(await text(read(last))) as Manifest
  if (manifest.format !== 1) throw new Error(`its format ${manifest.format} belongs to another version`)
  const unknown = entries.find(({ path }) => ![DATABASE, ROOT_KEY, MANIFEST].includes(path) && !blobKeyOf(path))
  if (unknown) throw new Error(`it contains ${JSON.stringify(unknown.path)}`)
  const database = entries.filter(({ path }) => path === DATABASE)
  const blobs = entries.filter(({ path }) => blobKeyOf(path) !== undefined)
  const isComplete =
    database.length === 1 && database[0]!.sizeBytes === manifest.database_bytes && blobs.length === manifest.blobs
  if (!isComplete) throw new Error('its entries are not those of backup.json')
  return manifest
}

const CHUNK_BYTES = 1024 ** 2

async function* readRange(handle: FileHandle, offset: number, sizeBytes: number): AsyncIterable<Uint8Array> {
  for (let done = 0; done < sizeBytes; ) {
    const chunk = Buffer.alloc(Math.min(CHUNK_BYTES, sizeBytes - done))
    const { bytesRead } = await handle.read(chunk, 0, chunk.length, offset + done)
    if (bytesRead === 0) throw new Error('it is truncated')
    done += bytesRead
    yield chunk.subarray(0, bytesRead)
  }
}
