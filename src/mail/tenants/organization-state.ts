/**
 * What an organization may do before the human of its agent is verified. Organizations that were not created by a sign-up
 * have no such state (docs/adr/0047). Modules that create or send something ask here, inside their transaction.
 */
import type { Limits } from '../../config/limits.ts'
import { MailError } from '../../errors.ts'
import type { Db, Tx } from '../../store/handles.ts'
import type { SignUpRow } from '../../store/schema/account-rows.ts'
import * as signUps from '../../store/tables/sign-ups-table.ts'
import * as tenants from '../../store/tables/tenants-table.ts'
import { countRates } from '../access/rates.ts'

/** undefined: it was not created by a sign-up. */
export type OrganizationState = 'agent_unverified' | 'agent_verified' | undefined

export async function stateOf(db: Db, organizationId: string): Promise<OrganizationState> {
  return stateOfRow(await signUps.get(db, organizationId))
}

function stateOfRow(row: Pick<SignUpRow, 'verified_at'> | undefined): OrganizationState {
  if (!row) return undefined
  return row.verified_at === null ? 'agent_unverified' : 'agent_verified'
}

/** @param action for the message: "create pods" @throws organization_unverified */
export async function requireVerified(db: Db, organizationId: string, action: string): Promise<void> {
  if ((await stateOf(db, organizationId)) === 'agent_unverified') {
    throw new MailError('organization_unverified', { action })
  }
}

/**
 * Checks whether there may be one more inbox. Lock the pod before: an unverified organization has only its default pod.
 *
 * @throws limit_exceeded
 */
export async function requireInboxAllowed(tx: Tx, organizationId: string, { signUp }: Limits): Promise<void> {
  if ((await stateOf(tx, organizationId)) !== 'agent_unverified') return
  const max = signUp.unverifiedInboxesMax
  if ((await tenants.countInboxes(tx, organizationId)) < max) return
  throw new MailError('limit_exceeded', { what: 'inboxes before the human is verified', max })
}

/**
 * Counts the recipients of a message of an unverified organization. That it sends to its human only is an entry in its
 * allow list for `send` (mail/accounts/human-address.ts).
 *
 * @throws organization_unverified without a human; rate_limit_exceeded
 */
export async function countUnverifiedSend(
  tx: Tx,
  organizationId: string,
  recipients: number,
  { signUp }: Limits,
): Promise<void> {
  const row = await signUps.get(tx, organizationId)
  if (stateOfRow(row) !== 'agent_unverified') return
  if (row?.human_email === null) throw new MailError('organization_unverified', { action: 'send mail' })
  await countRates(tx, [
    {
      key: `recipients of ${organizationId}`,
      what: 'recipients before the human is verified',
      max: signUp.unverifiedRecipientsDayMax,
      period: 'day',
      amount: recipients,
    },
  ])
}
