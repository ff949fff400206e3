/**
 * Whether the sender of a message is verified: it was authenticated for a domain (mail/receiving/authentication/), whose
 * name is stored with the message, or it has answered a challenge (mail/receiving/challenges/). Clients that ask for a yes or a
 * no get it from here, and so do filters.
 *
 * MARTLET_SENDER_VERIFICATION=off means that nobody relies on it: then no sender is verified.
 */
import type { MessageItem } from './views/message.ts'

export interface SenderTrust {
  /** off: no sender is verified, and a filter for verified senders finds nothing. */
  readonly isOn: boolean
  isVerified(message: Pick<MessageItem, 'verifiedDomain' | 'verifiedSender'>): boolean
}

export function createSenderTrust({ isOn }: { readonly isOn: boolean }): SenderTrust {
  // message-scans-table.ts has the same condition in SQL.
  return {
    isOn,
    isVerified: ({ verifiedDomain, verifiedSender }) =>
      isOn && (verifiedDomain !== undefined || verifiedSender !== undefined),
  }
}
