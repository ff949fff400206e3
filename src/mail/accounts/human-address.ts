/** The address of the human who owns an agent: which ones are accepted, and that an unverified agent sends to it only. */
import { MailError } from '../../errors.ts'
import { isSmtpMailbox, normaliseAddress, splitAddress } from '../../formats/address/address.ts'
import type { Db, Tx } from '../../store/handles.ts'
import * as listEntries from '../../store/tables/list-entries-table.ts'
import * as signUps from '../../store/tables/sign-ups-table.ts'
import { findReceiving } from '../domains/domains.ts'
import { findRecipientInbox } from '../receiving/recipient-inboxes.ts'

/** Domains that documents and tests use, and that receive no mail (RFC 2606, RFC 6761). */
const PLACEHOLDERS = /(?:^|\.)(?:example(?:\.(?:com|net|org))?|test|invalid|localhost)$/

const PATH = ['human_email']

/**
 * @param sharedDomain is accepted even if it ends in `.localhost`: on a developer's machine, the human has an inbox there
 * @returns the normal form
 * @throws validation_error
 */
export function parseHumanAddress(text: string, sharedDomain: string): string {
  const address = normaliseAddress(text.trim())
  if (address === undefined || !isSmtpMailbox(address)) {
    throw new MailError('validation_error', { detail: 'human_email must be an address', path: PATH })
  }
  const { domain } = splitAddress(address)
  if (domain === sharedDomain || (!PLACEHOLDERS.test(domain) && /^[^[]+\.[^.]+$/.test(domain))) return address
  const detail = `human_email must be an address where the human receives mail, and not one in ${domain}`
  throw new MailError('validation_error', { detail, path: PATH })
}

/**
 * Refuses an address where an agent reads the mail, now or later. Call it before a code is mailed there, also again: the agent
 * would verify itself.
 *
 * The inbox is that which gets the mail: with a tag, for an alias, or as a catch-all. An address of this server without an
 * inbox is refused too, because an agent could create it while the code waits in the queue.
 *
 * @param address in its normal form
 * @throws validation_error
 */
export async function refuseAgent(db: Db, address: string, sharedDomain: string): Promise<void> {
  const inbox = await findRecipientInbox(db, address, sharedDomain)
  if (!inbox) {
    if (!(await findReceiving(db, splitAddress(address).domain))) return // mail for it leaves this server
    throw new MailError('validation_error', { detail: 'human_email has no inbox on this server', path: PATH })
  }
  if (!(await signUps.get(db, inbox.organization_id))) return
  throw new MailError('validation_error', { detail: 'human_email is the inbox of an agent that signed up', path: PATH })
}

/**
 * Changes the allow list for `send` of an unverified organization. Its only entry is the human.
 *
 * @param after null: the human is verified
 */
export async function allowOnly(
  tx: Tx,
  organizationId: string,
  { before, after }: { readonly before: string | null; readonly after: string | null },
): Promise<void> {
  const list = { scope_id: organizationId, direction: 'send', list_type: 'allow' } as const
  if (before !== null) await listEntries.remove(tx, { ...list, entry: before })
  if (after === null) return
  await listEntries.insertMissing(tx, [
    {
      ...list,
      entry: after,
      organization_id: organizationId,
      pod_id: null,
      inbox_id: null,
      reason: 'The human of this agent. Until the code is entered, the agent sends to this address only.',
      read_only: 1,
      created_at: tx.now,
    },
  ])
}
