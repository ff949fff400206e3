/**
 * Decides whether the sender of a received message is asked to confirm it: a message that a person may have written, to an
 * inbox that challenges (RFC 3834 §2: what programs may not answer). Limits and lists follow when the job runs
 * (send-challenge.ts). Pure.
 */
import type { Config } from '../../../config/settings.ts'
import { normaliseAddress, splitAddress } from '../../../formats/address/address.ts'
import type { InboxRow } from '../../../store/schema/tenant-rows.ts'
import type { ParsedMail } from '../../messages/content/parsed-message.ts'

interface ChallengedMail {
  readonly inbox: Pick<InboxRow, 'challenge_senders'>
  readonly senderClaim: string | undefined
  /** The envelope sender. */
  readonly sender: string
  readonly recipient: string
  readonly parsed: Pick<ParsedMail, 'to' | 'cc' | 'isUnanswerable'>
  readonly labels: readonly string[]
  readonly isRepeated: boolean
}

/** Names of programs and of lists (RFC 3834 §2, RFC 2142). */
const PROGRAM =
  /^(?:mailer-daemon|postmaster|no-?reply|do-?not-?reply|noreply|bounces?|majordomo|listserv)$|^owner-|-(?:request|owner|bounces?|return)$|^bounces?[+-]/

export function isChallenged(
  { inbox, senderClaim, sender, recipient, parsed, labels, isRepeated }: ChallengedMail,
  mode: Config['senderChallenges'],
): boolean {
  if (mode === 'off' || senderClaim === undefined) return false
  if ((inbox.challenge_senders ?? (mode === 'all' ? 1 : 0)) === 0) return false
  if (isRepeated || parsed.isUnanswerable || labels.includes('spam') || labels.includes('blocked')) return false
  if (PROGRAM.test(splitAddress(sender).localPart.toLowerCase())) return false
  // §2: a message that does not name the inbox was sent to many.
  return [...parsed.to, ...parsed.cc].some(({ address }) => normaliseAddress(address) === recipient)
}
