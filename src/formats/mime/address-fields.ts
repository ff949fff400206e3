/**
 * Header fields with addresses, in the charset of the body, in which old programs write names without a label. That charset is the
 * sender's choice, and must not decide what is an address: authentication reads addresses without it (formats/dkim/sender-evidence.ts),
 * and in UTF-7, `+ADw-ceo+AEA-bank.example+AD4-` would be another one.
 */
import { readAddressList } from '../address/address-list.ts'
import { decodeEncodedWords } from './encoded-words.ts'
import { fieldText, fieldValue, type HeaderField } from './header-fields.ts'

/** RFC 5322 §3.6.2, §3.6.3, §3.6.6. */
const ADDRESS_FIELDS: ReadonlySet<string> = new Set(
  ['from', 'sender', 'reply-to', 'to', 'cc', 'bcc'].flatMap((name) => [name, `resent-${name}`]),
)

/** More fit into no header that Martlet reads. */
const ADDRESSES_MAX = 100_000

/**
 * Returns the value of a field with addresses as `fieldValue` does: in the charset if it has the same addresses there, otherwise
 * without it.
 */
export function addressFieldValue(raw: Buffer, field: HeaderField, charset: string): string {
  const value = fieldValue(raw, field)
  if (field.asciiValue !== undefined) return value // the same in every charset, as nearly all are
  const named = fieldValue(raw, field, charset)
  return named === value || haveSameAddresses(named, value) ? named : value
}

/** Returns the value of any field as a person reads it, with the addresses that all other readers find. */
export function shownFieldText(raw: Buffer, field: HeaderField, charset: string): string {
  const text = fieldText(raw, field, charset)
  if (field.asciiValue !== undefined || !ADDRESS_FIELDS.has(field.name.toLowerCase())) return text
  return decodeEncodedWords(addressFieldValue(raw, field, charset))
}

function haveSameAddresses(one: string, other: string): boolean {
  const ours = addressesIn(one)
  const theirs = addressesIn(other)
  return ours.length === theirs.length && ours.every((address, index) => address === theirs[index])
}

function addressesIn(value: string): string[] {
  const found: string[] = []
  readAddressList(value, ADDRESSES_MAX, (name) => name, {
    address: ({ address }) => found.push(address),
    groupBegins: ignore,
    groupEnds: ignore,
  })
  return found
}

const ignore = () => undefined
