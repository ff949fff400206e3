/**
 * Renders a UUID (RFC 9562) as 26 characters of Crockford's base32, as ULIDs are written, and reads it back. The form is
 * reversible and keeps the order of the ids. Pure.
 */

const DIGITS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
/** 26 characters have 130 bits: the first one is at most 7. */
const FORM = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/

/** @param uuid with hyphens, in lower or upper case */
export function toBase32(uuid: string): string {
  let bits = BigInt(`0x${uuid.replaceAll('-', '')}`)
  const digits: string[] = []
  for (let position = 0; position < 26; position += 1) {
    digits.unshift(DIGITS[Number(bits & 31n)]!)
    bits >>= 5n
  }
  return digits.join('')
}

/** @returns the UUID in lower case; undefined for a text that `toBase32` cannot have written, in lower or upper case */
export function fromBase32(text: string): string | undefined {
  const upper = text.toUpperCase()
  if (!FORM.test(upper)) return undefined
  let bits = 0n
  for (const digit of upper) bits = (bits << 5n) | BigInt(DIGITS.indexOf(digit))
  const hex = bits.toString(16).padStart(32, '0')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

/** Renders an id as a prefix for the kind of object, and 26 characters: "thr_01J…". */
export function toPrefixedId(prefix: string, uuid: string): string {
  return `${prefix}_${toBase32(uuid)}`
}

/** @returns the UUID; undefined for a text of any other form, or with another prefix */
export function fromPrefixedId(prefix: string, text: string): string | undefined {
  return text.startsWith(`${prefix}_`) ? fromBase32(text.slice(prefix.length + 1)) : undefined
}
