/**
 * Recognises mail that goes round in circles. A message that comes back to the inbox that has sent it needs no rule: it has
 * the same Message-ID and content, and is recognised as one that the inbox already has (../file-received.ts).
 */
import type { Limits } from '../../../config/limits.ts'
import { MailError } from '../../../errors.ts'
import type { ParsedMail } from '../../messages/content/parsed-message.ts'

/**
 * RFC 5321 §6.3: each server adds a Received field, so very many of them are a loop.
 *
 * @throws mail_loop
 */
export function requireNoLoop({ receivedCount }: Pick<ParsedMail, 'receivedCount'>, { receiving }: Limits): void {
  const hopsMax = receiving.hopsMax
  if (receivedCount > hopsMax) throw new MailError('mail_loop', { hopsMax })
}
