/**
 * Composes the mail that Martlet writes itself: one-time codes, notifications, and questions to senders. It says that it is
 * automatic (RFC 3834 §5), and is signed if its domain has a key. Notices about deliveries are composed elsewhere
 * (../queue/bounce-notices.ts): they are reports with parts of their own.
 */
import { splitAddress } from '../../../formats/address/address.ts'
import { signMessage } from '../../../formats/dkim/dkim-sign.ts'
import { messageIdFrom, UUID_RANDOM_BYTES, uuidv7 } from '../../../formats/ids.ts'
import { composeMessage } from '../../../formats/mime/mime-compose.ts'
import type { Domains } from '../../domains/domains.ts'

export interface OwnMail {
  /** Its domain is also that of the Message-ID. */
  readonly from: string
  /** The id of the domain that signs; undefined: the mail is not signed. */
  readonly domainId: string | undefined
  readonly to: readonly string[]
  readonly subject: string
  readonly text: string
  /** RFC 3834 §5: `auto-replied` answers a message. */
  readonly autoSubmitted: 'auto-generated' | 'auto-replied'
}

export interface OwnMailNeeds {
  readonly domains: Pick<Domains, 'signingKey'>
  /** Epoch ms. */
  readonly wallClock: () => number
  readonly random: (bytes: number) => Buffer
}

const BOUNDARY_BYTES = 12

/** @returns the message, and the selector of the key that has signed it */
export async function composeOwnMail(
  { from, domainId, to, subject, text, autoSubmitted }: OwnMail,
  { domains, wallClock, random }: OwnMailNeeds,
): Promise<{ readonly raw: Buffer; readonly selector: string | null }> {
  const now = wallClock()
  const unsigned = await composeMessage({
    messageId: messageIdFrom(uuidv7(now, random(UUID_RANDOM_BYTES)), splitAddress(from).domain),
    date: new Date(now),
    boundary: random(BOUNDARY_BYTES).toString('hex'),
    from: { name: 'Martlet', address: from },
    to: to.map((address) => ({ address })),
    subject,
    text,
    headers: [['Auto-Submitted', autoSubmitted]],
  })
  const key = domainId === undefined ? undefined : await domains.signingKey(domainId)
  if (!key) return { raw: unsigned, selector: null }
  const { domain, selector, privateKey } = key
  return { raw: await signMessage(unsigned, { domain, selector, privateKey, signedAt: new Date(now) }), selector }
}
