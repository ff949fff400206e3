/** The addresses of a message as rows, and the participants that its thread gets from them. */
import { type Address, formatAddress } from '../../../formats/address/address.ts'
import type { MimeMessage } from '../../../formats/mime/mime-parse.ts'
import type { AddressKind, KindAddress } from '../../../store/schema/message-rows.ts'
import type { ThreadParticipant } from '../../../store/tables/threads-table.ts'

export function headerAddresses({
  from,
  sender,
  replyTo,
  to,
  cc,
}: Pick<MimeMessage, 'from' | 'sender' | 'replyTo' | 'to' | 'cc'>): KindAddress[] {
  return [
    ...ofKind('from', from),
    ...ofKind('sender', sender ? [sender] : []),
    ...ofKind('reply_to', replyTo),
    ...ofKind('to', to),
    ...ofKind('cc', cc),
  ]
}

/** Returns the number of `headerAddresses`. */
export function addressCount({
  from,
  sender,
  replyTo,
  to,
  cc,
}: Pick<MimeMessage, 'from' | 'sender' | 'replyTo' | 'to' | 'cc'>): number {
  return from.length + (sender ? 1 : 0) + replyTo.length + to.length + cc.length
}

export function bccAddresses(bcc: readonly Address[]): KindAddress[] {
  return ofKind('bcc', bcc)
}

function ofKind(kind: AddressKind, addresses: readonly Address[]): KindAddress[] {
  return addresses.map(({ address, name }, position) => ({ kind, position, address, name: name ?? null }))
}

/** Characters that distinguish participants: no address is longer (RFC 5321 §4.5.3.1), and index keys are limited. */
const PARTICIPANT_CHARS_MAX = 320

/** Returns the participants of messages, each once: their senders and the addresses that they were sent to. */
export function participants(addresses: readonly KindAddress[]): ThreadParticipant[] {
  const byKey = new Map<string, ThreadParticipant>()
  for (const row of addresses) {
    if (row.kind === 'sender' || row.kind === 'reply_to') continue
    const kind = row.kind === 'from' ? 'sender' : 'recipient'
    const display = formatAddress({ address: row.address, ...(row.name !== null && { name: row.name }) })
    const address = storedForm(row.address.toLowerCase().slice(0, PARTICIPANT_CHARS_MAX))
    const key = `${kind} ${address}`
    if (!byKey.has(key)) byKey.set(key, { kind, address, display })
  }
  return [...byKey.values()]
}

/**
 * Returns a text as PostgreSQL returns it. Two addresses that differ only in half of a surrogate pair, where one was cut
 * for example, or in NUL are one key there, and a statement can change a row only once.
 */
function storedForm(text: string): string {
  return text.toWellFormed().replaceAll('\0', '\ufffd')
}

/**
 * Returns the participants that a message adds to its thread, and removes from it when it is deleted: the first ones in
 * the order in which threads list them. So the choice depends on nothing but the addresses.
 */
export function participantsOfMessage(addresses: readonly KindAddress[], max: number): ThreadParticipant[] {
  const everyone = participants(addresses)
  return everyone.length <= max ? everyone : everyone.sort(sendersFirst).slice(0, max)
}

function sendersFirst(a: ThreadParticipant, b: ThreadParticipant): number {
  if (a.kind !== b.kind) return a.kind === 'sender' ? -1 : 1
  return a.address < b.address ? -1 : 1
}
