/**
 * Decides whether an inbox may send to these recipients: it is not paused, its domain is verified, no list denies one
 * of them, and an agent whose human is not verified sends little.
 */
import type { Limits } from '../../../config/limits.ts'
import type { ListRefusal } from '../../../errors/sending-errors.ts'
import { MailError } from '../../../errors.ts'
import { splitAddress } from '../../../formats/address/address.ts'
import type { Db, Tx } from '../../../store/handles.ts'
import type { InboxRow } from '../../../store/schema/tenant-rows.ts'
import type { SenderInboxRow } from '../../../store/tables/sender-inboxes-table.ts'
import { findHolder, isDecidedFor } from '../../domains/domains.ts'
import { findDenials } from '../../inboxes/lists/find-denials.ts'
import { type Denial, describeDenial } from '../../inboxes/lists/list-rules.ts'
import { countUnverifiedSend } from '../../tenants/organization-state.ts'

/** An inbox and the addresses to which it sends. */
export interface SendQuestion {
  /** Locked, so that it is not paused before the commit. */
  readonly inbox: SenderInboxRow
  readonly recipients: readonly string[]
}

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
  inbox: SenderInboxRow,
  recipients: readonly string[],
  limits: Limits,
): Promise<void> {
  const question = { inbox, recipients }
  await requireAllowed(tx, question, await denialsOf(tx, [question]))
  if (inbox.is_unverified === 1) await countUnverifiedSend(tx, inbox.organization_id, recipients.length, limits)
}

/** What the lists deny, by question. */
export type Denials = ReadonlyMap<SendQuestion, readonly Denial[]>

/** Reads the lists for several sends at once. */
export async function denialsOf(tx: Tx, questions: readonly SendQuestion[]): Promise<Denials> {
  const listed = questions.filter(({ inbox }) => inbox.has_send_lists === 1) // almost always, none is
  if (listed.length === 0) return new Map()
  const asked = listed.map(({ inbox, recipients }) => ({ inbox, direction: 'send' as const, addresses: recipients }))
  const denials = await findDenials(tx, asked)
  return new Map(listed.map((question, index) => [question, denials[index]!]))
}

/**
 * As `requireSendable`, and counts nothing.
 *
 * @throws inbox_paused, domain_not_verified, message_rejected
 */
export async function requireAllowed(db: Db, question: SendQuestion, denials: Denials): Promise<void> {
  const { inbox } = question
  requireActive(inbox)
  const own = splitAddress(inbox.address)
  // In a subdomain, or with the name of an inbox whose domain moved (docs/adr/0061), another tenant may decide about the address.
  const isOwn =
    inbox.holds_name === 1 &&
    (inbox.domain === own.domain || isDecidedFor(await findHolder(db, own.domain), inbox.domain_id, inbox))
  if (!isOwn) throw new MailError('domain_not_verified', own)
  const denied = denials.get(question) ?? []
  if (denied.length > 0) throw refusalOf(inbox, denied)
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
