/**
 * Decides whether an inbox may send to these recipients: it is not paused, its domain is verified, no list denies one
 * of them, and an agent whose human is not verified sends little.
 */
import type { Limits } from '../../../config/limits.ts'
import type { ListRefusal } from '../../../errors/sending-errors.ts'
import { MailError } from '../../../errors.ts'
import { splitAddress } from '../../../formats/address/address.ts'
import type { Tx } from '../../../store/handles.ts'
import type { InboxRow } from '../../../store/schema/tenant-rows.ts'
import * as domains from '../../../store/tables/domains-table.ts'
import { findHolder, isDecidedFor } from '../../domains/domains.ts'
import { findSendDenials } from '../../inboxes/lists/find-denials.ts'
import { type Denial, describeDenial } from '../../inboxes/lists/list-rules.ts'
import { countUnverifiedSend } from '../../tenants/organization-state.ts'

/** @throws inbox_paused */
export function requireActive({ status, address }: Pick<InboxRow, 'status' | 'address'>): void {
  if (status !== 'active') throw new MailError('inbox_paused', { address })
}

/**
 * @param inbox locked, so that it is not paused before the commit
 * @throws inbox_paused, domain_not_verified, message_rejected, organization_unverified, rate_limit_exceeded
 */
export async function requireSendable(
  tx: Tx,
  inbox: InboxRow,
  recipients: readonly string[],
  limits: Limits,
): Promise<void> {
  requireActive(inbox)
  const domain = await domains.getById(tx, inbox.domain_id)
  const own = splitAddress(inbox.address)
  const isHeld = domain?.holds_name === 1
  // In a subdomain, or with the name of an inbox whose domain moved (docs/adr/0061), another tenant may decide about the address.
  const isOwn =
    isHeld && (domain.domain === own.domain || isDecidedFor(await findHolder(tx, own.domain), domain.id, inbox))
  if (!isOwn) throw new MailError('domain_not_verified', own)
  const denials = await findSendDenials(tx, inbox, recipients)
  if (denials.length === 0) return countUnverifiedSend(tx, inbox.organization_id, recipients.length, limits)
  throw refusalOf(inbox, denials)
}

export function refusalOf(inbox: InboxRow, denials: readonly Denial[]): MailError {
  const refusals = denials.map((denial) => listRefusal(inbox, denial))
  return new MailError('message_rejected', { detail: blockedRecipients(denials), refusals })
}

/** Clients compare the beginning of this text. */
export function blockedRecipients(denials: readonly Denial[]): string {
  return `Recipient(s) blocked: ${denials.map(describeDenial).join(', ')}`
}

function listRefusal(inbox: InboxRow, { address = '', list, entry, isBounce, scopeId }: Denial): ListRefusal {
  return {
    address,
    ...list,
    ...(entry !== undefined && { entry }),
    ...(isBounce && { isBounce }),
    ...(scopeId === inbox.pod_id && { podId: scopeId }),
    ...(scopeId === inbox.id && { inboxAddress: inbox.address }),
  }
}
