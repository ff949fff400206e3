/**
 * Adds addresses that cannot receive mail to the block list for `send` of the organization, so that no inbox of it sends to
 * them again: senders who repeat such mail lose their reputation. Clients see these entries and cannot delete them.
 *
 * Only replies that concern the address suppress it (RFC 3463 §3.2, X.1), never a refusal by policy, a full mailbox or a
 * fault of the server, nor a refusal of the sender, or of a message to several recipients. Nor does DNS: a domain may lapse for some
 * days, a resolver may deny names that exist, and each send looks the domain up without a server that could count it.
 */
import type { Limits } from '../../../config/limits.ts'
import type { Tx } from '../../../store/handles.ts'
import * as listEntries from '../../../store/tables/list-entries-table.ts'
import type { Outcome } from '../targets/delivery-target.ts'

/** X.1.7 and X.1.8 concern the address of the sender. X.1.0 may: Postfix replies with it to RCPT when it rejects the sender. */
const ADDRESS_FAILURE = /^5\.1\.(?!0*[078]?$)\d{1,3}$/

/** @param target name of the target: an inbox of this server may be created later, and each send looks it up */
export function isSuppressing(target: string, { kind, code, enhancedCode, isAboutAllRecipients }: Outcome): boolean {
  return (
    target !== 'local' &&
    kind === 'failed_for_good' &&
    code !== undefined && // a server has replied
    !isAboutAllRecipients &&
    ADDRESS_FAILURE.test(enhancedCode ?? '')
  )
}

/** An entry that exists stays as it is. Call it in the transaction that records the failures. */
export async function suppressBounced(
  tx: Tx,
  organizationId: string,
  failed: readonly { readonly address: string; readonly outcome: Outcome }[],
  { listEntries: { reasonCharsMax } }: Limits,
): Promise<void> {
  await listEntries.insertMissing(
    tx,
    failed.map(({ address, outcome: { reply = 'no reply' } }) => ({
      scope_id: organizationId,
      direction: 'send' as const,
      list_type: 'block' as const,
      entry: address,
      organization_id: organizationId,
      pod_id: null,
      inbox_id: null,
      reason: `Bounced: ${reply}`.slice(0, reasonCharsMax).toWellFormed(),
      read_only: 1,
      created_at: tx.now,
    })),
  )
}
