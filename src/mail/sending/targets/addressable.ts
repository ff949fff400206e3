/**
 * Fails recipients that SMTP cannot address, each one permanently, before any server is called, so that the others get
 * the message. Both SMTP targets start with this check.
 *
 * The API refuses such addresses (compose/checked-message.ts). If one is in the queue all the same, only its own delivery fails.
 */
import { isSmtpMailbox } from '../../../formats/address/address.ts'
import type { DeliveryTarget, Handover, Outcome } from './delivery-target.ts'

/** RFC 3463 §3.2 X.1.3: bad destination mailbox address syntax. */
const NOT_ADDRESSABLE: Outcome = {
  kind: 'failed_for_good',
  enhancedCode: '5.1.3',
  reply: 'Cannot deliver to this address: it has no unambiguous form in SMTP; check the address',
}

/**
 * @param deliver called with the recipients that SMTP can address, unless there are none
 * @returns one outcome per recipient, in their order
 * @throws what `deliver` throws
 */
export async function deliverAddressable(
  handover: Handover,
  signal: AbortSignal,
  deliver: DeliveryTarget['deliver'],
): Promise<Outcome[]> {
  const recipients = handover.recipients.filter(isSmtpMailbox)
  const outcomes = recipients.length === 0 ? [] : await deliver({ ...handover, recipients }, signal)
  const byRecipient = new Map(recipients.map((recipient, index) => [recipient, outcomes[index]!]))
  return handover.recipients.map((recipient) => byRecipient.get(recipient) ?? NOT_ADDRESSABLE)
}
