/** Filters received messages by their sender: for webhooks and notifications that report only some. Pure. */
import { normaliseAddress, splitAddress } from '../../../formats/address/address.ts'
import type { SenderTrust } from '../../messages/sender-trust.ts'
import type { MessageItem } from '../../messages/views/message.ts'

/** All conditions that are given must hold. */
export interface SenderFilter {
  readonly isVerified?: boolean | undefined
  /** A-labels, lower case. The sender's domain is one of them or below one of them. */
  readonly domains?: readonly string[] | undefined
}

export function matchesSender(
  { isVerified, domains }: SenderFilter,
  message: Pick<MessageItem, 'from' | 'verifiedDomain' | 'verifiedSender'>,
  trust: Pick<SenderTrust, 'isVerified'>,
): boolean {
  if (isVerified !== undefined && trust.isVerified(message) !== isVerified) return false
  if (domains === undefined || domains.length === 0) return true
  const address = normaliseAddress(message.from?.address ?? '')
  if (address === undefined) return false
  const { domain } = splitAddress(address)
  return domains.some((each) => domain === each || domain.endsWith(`.${each}`))
}
