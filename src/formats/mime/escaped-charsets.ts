/**
 * Decodes the 7-bit charsets of East Asian mail that switch between character sets: ISO-2022-JP (RFC 1468), ISO-2022-KR
 * (RFC 1557) and HZ (RFC 1843). iconv-lite has none of them; TextDecoder has the first, and returns U+FFFD between two
 * escapes in a row, as they occur wherever one encoded word ends and the next begins.
 *
 * Each is converted to the 8-bit charset with the same characters, in one pass and one buffer; iconv-lite does the rest.
 */
import iconv from 'iconv-lite'
import { HZ, ISO_2022_JP } from './charset-labels.ts'

const ESCAPE = 0x1b
const SHIFT_OUT = 0x0e
const SHIFT_IN = 0x0f
const LF = 0x0a
const CR = 0x0d
const TILDE = 0x7e
const DOLLAR = 0x24
const HIGH_BIT = 0x80
/** EUC-JP: the next byte is half-width katakana; the next two are from JIS X 0212. */
const SINGLE_SHIFT_2 = 0x8e
const SINGLE_SHIFT_3 = 0x8f

/** Escapes are up to four bytes long; ISO-2022-JP announces its sets with these. */
const JAPANESE_SETS: ReadonlyMap<string, Set> = new Map([
  ['(B', 'ascii'],
  ['(J', 'ascii'], // JIS X 0201 Roman: ¥ and ‾ for \ and ~, which senders do not mean
  ['(I', 'katakana'],
  ['$@', 'double'],
  ['$B', 'double'],
  ['$(@', 'double'],
  ['$(B', 'double'],
  ['$(O', 'double'], // JIS X 0213
  ['$(Q', 'double'],
  ['$(D', 'supplement'],
])

type Set = 'ascii' | 'katakana' | 'double' | 'supplement'

/** Whether the bytes announce a double-byte set of ISO-2022-JP, which no other text does. */
export function isIso2022Jp(bytes: Buffer): boolean {
  return bytes.includes(ESC) && (bytes.includes('\x1b$B') || bytes.includes('\x1b$@'))
}

/** Begins each announcement. */
const ESC = 0x1b

/** Whether the bytes announce Korean (RFC 1557). */
export function isIso2022Kr(bytes: Buffer): boolean {
  return bytes.includes(ESC) && bytes.includes('\x1b$)C')
}

/** @param charset one of ISO_2022_JP, ISO_2022_KR, HZ */
export function decodeEscaped(bytes: Buffer, charset: string): string {
  if (charset === ISO_2022_JP) return iconv.decode(toEucJp(bytes), 'eucjp')
  return charset === HZ ? iconv.decode(hzToGb(bytes), 'gb18030') : iconv.decode(toEucKr(bytes), 'cp949')
}

function toEucJp(bytes: Buffer): Buffer {
  const euc = Buffer.allocUnsafe(bytes.length * 2)
  let length = 0
  let set: Set = 'ascii'
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!
    if (byte === ESCAPE) {
      const sequence = bytes.toString('latin1', i + 1, i + (bytes[i + 1] === DOLLAR && bytes[i + 2] === 0x28 ? 4 : 3))
      const announced = JAPANESE_SETS.get(sequence)
      if (announced !== undefined) {
        set = announced
        i += sequence.length
        continue
      }
    }
    if (byte === LF || byte === CR) set = 'ascii' // RFC 1468: each line ends in ASCII
    const isText = byte > 0x20 && byte < 0x7f
    if (!isText || set === 'ascii') {
      euc[length++] = byte
      continue
    }
    if (set === 'katakana') euc[length++] = SINGLE_SHIFT_2
    if (set === 'supplement') euc[length++] = SINGLE_SHIFT_3
    euc[length++] = byte | HIGH_BIT
    const next = bytes[i + 1] ?? 0
    if (set !== 'katakana' && next > 0x20 && next < 0x7f) euc[length++] = bytes[++i]! | HIGH_BIT
  }
  return euc.subarray(0, length)
}

/** SO and SI switch the set; the escape at the beginning only announces it. */
function toEucKr(bytes: Buffer): Buffer {
  const euc = Buffer.allocUnsafe(bytes.length)
  let length = 0
  let isKorean = false
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!
    if (byte === ESCAPE && bytes.toString('latin1', i + 1, i + 4) === '$)C') i += 3
    else if (byte === SHIFT_OUT) isKorean = true
    else if (byte === SHIFT_IN) isKorean = false
    else {
      if (byte === LF) isKorean = false
      euc[length++] = isKorean && byte > 0x20 && byte < 0x7f ? byte | HIGH_BIT : byte
    }
  }
  return euc.subarray(0, length)
}

/** `~{` and `~}` switch the set, `~~` is a tilde, and `~` at the end of a line joins it with the next. */
function hzToGb(bytes: Buffer): Buffer {
  const gb = Buffer.allocUnsafe(bytes.length)
  let length = 0
  let isChinese = false
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i]!
    const pair = byte === TILDE ? bytes.toString('latin1', i, i + 2) : ''
    if (pair === '~{' || pair === '~}') isChinese = pair === '~{'
    else if (pair === '~~' && !isChinese) gb[length++] = TILDE
    else if (pair !== '~\n' && pair !== '~\r') {
      if (byte === LF) isChinese = false // RFC 1843: lines end in ASCII
      gb[length++] = isChinese && byte > 0x20 && byte < 0x7f ? byte | HIGH_BIT : byte
      continue
    }
    i++
    if (pair === '~\r' && bytes[i + 1] === LF) i++
  }
  return gb.subarray(0, length)
}
