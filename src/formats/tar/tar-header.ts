/**
 * Headers of a tar archive in the format "ustar" (POSIX.1-2017, pax, "ustar Interchange Format"). Pure.
 *
 * Sizes of 8 GiB and more use the binary form of GNU tar, which all common programs read: a backup should be readable
 * without Martlet.
 */

export const TAR_BLOCK_BYTES = 512

/** An archive ends with two blocks of zeros. */
export const TAR_END = Buffer.alloc(2 * TAR_BLOCK_BYTES)

export interface TarEntry {
  /** At most 100 ASCII characters. */
  readonly path: string
  readonly sizeBytes: number
}

/** Offset and length of each field that we write. */
const fields = {
  name: [0, 100],
  mode: [100, 8],
  uid: [108, 8],
  gid: [116, 8],
  size: [124, 12],
  mtime: [136, 12],
  checksum: [148, 8],
  type: [156, 1],
  magic: [257, 8],
} as const

/** The largest size in eleven octal digits. */
const OCTAL_SIZE_MAX = 8 ** 11 - 1

/** @param mtimeMs epoch ms */
export function tarHeader({ path, sizeBytes }: TarEntry, mtimeMs: number): Buffer {
  if (path.length > fields.name[1] || !/^[\x21-\x7e]+$/.test(path))
    throw new Error('the path does not fit a tar header')
  const block = Buffer.alloc(TAR_BLOCK_BYTES)
  const write = (field: keyof typeof fields, text: string) => block.write(text, fields[field][0], 'latin1')
  const octal = (value: number, digits: number) => value.toString(8).padStart(digits, '0')
  write('name', path)
  write('mode', octal(0o600, 7))
  write('uid', octal(0, 7))
  write('gid', octal(0, 7))
  if (sizeBytes <= OCTAL_SIZE_MAX) write('size', octal(sizeBytes, 11))
  else {
    block[fields.size[0]] = 0x80
    block.writeBigUInt64BE(BigInt(sizeBytes), fields.size[0] + 4)
  }
  write('mtime', octal(Math.floor(mtimeMs / 1000), 11))
  write('type', '0') // a regular file
  write('magic', 'ustar\x0000')
  write('checksum', `${octal(checksumOf(block), 6)}\0 `)
  return block
}

/** Whether the block has the mark of this format; a file without it is no archive. */
export function isTarHeader(block: Buffer): boolean {
  const [offset] = fields.magic
  return block.toString('latin1', offset, offset + 5) === 'ustar'
}

/** @returns undefined at the end of the archive. @throws when the block is no header of a regular file */
export function readTarHeader(block: Buffer): TarEntry | undefined {
  if (block.every((byte) => byte === 0)) return undefined
  const text = (field: keyof typeof fields) => {
    const [offset, length] = fields[field]
    return block.toString('latin1', offset, offset + length).replace(/\0[\s\S]*$/, '')
  }
  if (Number.parseInt(text('checksum'), 8) !== checksumOf(block)) throw new Error('a tar header is damaged')
  if (text('type') !== '0') throw new Error('the archive contains something other than files')
  const isBinary = block[fields.size[0]] === 0x80
  const sizeBytes = isBinary ? Number(block.readBigUInt64BE(fields.size[0] + 4)) : Number.parseInt(text('size'), 8)
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 0) throw new Error('a tar header is damaged')
  return { path: text('name'), sizeBytes }
}

/** Returns the number of zeros after a file of this size. */
export function tarPaddingBytes(sizeBytes: number): number {
  return (TAR_BLOCK_BYTES - (sizeBytes % TAR_BLOCK_BYTES)) % TAR_BLOCK_BYTES
}

/** The sum of all bytes, with spaces in the place of the checksum. */
function checksumOf(block: Buffer): number {
  const [offset, length] = fields.checksum
  return block.reduce((sum, byte, index) => sum + (index >= offset && index < offset + length ? 0x20 : byte), 0)
}
