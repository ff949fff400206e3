/**
 * Ids as inboxai writes them: an opaque text for an inbox, `msg_` and `thr_` with one. They render our UUIDs, so each object has
 * exactly one id, and the core never sees these texts. What AgentMail's clients use instead is accepted in the same places: the address of an inbox,
 * the Message-ID of a message, the UUID of a thread.
 */
import { fromPrefixedId, toBase32, toPrefixedId } from '../../../../formats/base32-ids.ts'

/** The core reads it back (mail/access/access.ts), in all dialects. */
export function shownInboxId(uuid: string): string {
  return toBase32(uuid).toLowerCase()
}

export function shownMessageId(uuid: string): string {
  return toPrefixedId('msg', uuid).toLowerCase()
}

/** @returns a reference for the core */
export function readMessageId(text: string): string {
  return fromPrefixedId('msg', text) ?? text
}

export function shownThreadId(uuid: string): string {
  return toPrefixedId('thr', uuid).toLowerCase()
}

/** @returns a reference for the core */
export function readThreadId(text: string): string {
  return fromPrefixedId('thr', text) ?? text
}
