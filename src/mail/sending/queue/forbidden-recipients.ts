/**
 * Finds claimed recipients to which their inbox may no longer send: since the message was accepted, it was paused, another tenant
 * has verified the domain of its sender, or a list denies the address, perhaps because other mail to it bounced. They are rejected
 * instead of delivered. Part of delivery-groups.ts.
 */
import type { Limits } from '../../../config/limits.ts'
import { splitAddress } from '../../../formats/address/address.ts'
import type { RecipientRow, SubmissionRow } from '../../../store/schema/sending-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as domainsTable from '../../../store/tables/domains-table.ts'
import * as inboxes from '../../../store/tables/inboxes-table.ts'
import * as listEntries from '../../../store/tables/list-entries-table.ts'
import { decidingClaim, decidingNames } from '../../domains/domain-name.ts'
import { isDecidedFor } from '../../domains/domains.ts'
import { findDenials } from '../../inboxes/lists/find-denials.ts'
import { describeDenial } from '../../inboxes/lists/list-rules.ts'
import type { DeliveryTarget } from '../targets/delivery-target.ts'

/** Why each is rejected, by the id of the recipient. */
export type Rejections = ReadonlyMap<string, string>

interface Claim {
  readonly flow: { readonly organizationId: string }
  readonly rows: readonly RecipientRow[]
}

/**
 * Yields all claims, each when it is known which of its recipients are rejected: first those that no list may concern, so that their
 * mail does not wait for the others, then some after each transaction that reads lists.
 *
 * @param submissions those of the rows, by their ids
 */
export async function* findForbidden<C extends Claim>(
  store: Store,
  claims: readonly C[],
  submissions: ReadonlyMap<string, SubmissionRow>,
  limits: Limits,
): AsyncGenerator<{ readonly claims: readonly C[]; readonly rejections: Rejections }> {
  const rows = claims.flatMap((claim) => claim.rows)
  // Martlet's own notices are sent to an inbox, not by it.
  const sent = rows.filter((row) => row.inbox_id !== null && submissions.get(row.submission_id)?.kind === 'message')
  const byInbox = groupByInbox(sent)
  const restricted = await inboxes.listRestricted(store.db, [...byInbox.keys()]) // almost always, none is
  const rejections = new Map(await findInOthersNames(store, restricted, byInbox, submissions))
  for (const { id, address, status } of restricted) {
    if (status === 'active') continue
    for (const row of byInbox.get(id)!) rejections.set(row.id, `The inbox ${address} is paused`)
    byInbox.delete(id)
  }
  const organizations = new Set([...byInbox.values()].map(([row]) => row!.organization_id))
  for (const id of organizations) {
    if (await listEntries.isAnyListed(store.db, id, 'send')) continue
    organizations.delete(id) // almost always: it has no such list
  }
  const listed = new Set([...byInbox.values()].flat().filter((row) => organizations.has(row.organization_id)))
  const isListed = (claim: Claim) => claim.rows.some((row) => listed.has(row))
  yield { claims: claims.filter((claim) => !isListed(claim)), rejections }
  const { checkedRecipientsMax } = limits.delivery
  for (const part of partsOf(inTurns(claims.filter(isListed)), checkedRecipientsMax)) {
    const compared = part.flatMap((claim) => claim.rows).filter((row) => listed.has(row))
    // Other transactions run between these.
    for (let at = 0; at < compared.length; at += checkedRecipientsMax) {
      const denied = await deniedByLists(store, compared.slice(at, at + checkedRecipientsMax))
      for (const [id, reason] of denied) rejections.set(id, reason)
    }
    yield { claims: part, rejections }
  }
}

/**
 * Finds recipients of mail in a name that another tenant decides about now (docs/adr/0061). The SPF record of that tenant permits this
 * server to send in its name, so receivers would take the mail for its own. Mail in a name that nobody holds is still sent.
 */
async function findInOthersNames(
  store: Store,
  restricted: readonly inboxes.RestrictedInboxRow[],
  byInbox: ReadonlyMap<string, readonly RecipientRow[]>,
  submissions: ReadonlyMap<string, SubmissionRow>,
): Promise<Rejections> {
  const rejections = new Map<string, string>()
  const sent = restricted.flatMap((inbox) =>
    byInbox.get(inbox.id)!.map((row) => {
      const { domain } = splitAddress(submissions.get(row.submission_id)!.envelope_sender)
      return { inbox, id: row.id, domain }
    }),
  )
  const names = new Set(sent.flatMap(({ domain }) => decidingNames(domain)))
  const holders = await domainsTable.listHolders(store.db, [...names])
  for (const { inbox, id, domain } of sent) {
    const deciding = decidingClaim(domain, holders)
    if (!deciding || isDecidedFor(deciding, inbox.domain_id, inbox)) continue
    rejections.set(id, `Another tenant has verified the domain ${domain}`)
  }
  return rejections
}

/** Orders claims so that organizations take turns. */
function inTurns<C extends Claim>(claims: readonly C[]): C[] {
  const counts = new Map<string, number>()
  const turns = claims.map((claim) => {
    const turn = counts.get(claim.flow.organizationId) ?? 0
    counts.set(claim.flow.organizationId, turn + 1)
    return { claim, turn }
  })
  return turns.sort((a, b) => a.turn - b.turn).map(({ claim }) => claim)
}

/** Divides claims into parts of at most so many recipients. A claim with more is a part of its own. */
function partsOf<C extends Claim>(claims: readonly C[], recipientsMax: number): C[][] {
  const parts: C[][] = []
  let recipients = 0
  for (const claim of claims) {
    recipients += claim.rows.length
    if (parts.length > 0 && recipients <= recipientsMax) parts.at(-1)!.push(claim)
    else {
      parts.push([claim])
      recipients = claim.rows.length
    }
  }
  return parts
}

async function deniedByLists(store: Store, rows: readonly RecipientRow[]): Promise<Rejections> {
  const byInbox = groupByInbox(rows)
  const questions = [...byInbox].map(([id, own]) => ({
    inbox: { id, pod_id: own[0]!.pod_id, organization_id: own[0]!.organization_id },
    direction: 'send' as const,
    addresses: own.map((row) => row.address),
  }))
  const denials = await store.transaction((tx) => findDenials(tx, questions))
  const rejections = new Map<string, string>()
  for (const [index, own] of [...byInbox.values()].entries()) {
    const byAddress = new Map(denials[index]!.map((denial) => [denial.address, denial]))
    for (const row of own) {
      const denial = byAddress.get(row.address)
      if (denial) rejections.set(row.id, `Recipient blocked: ${describeDenial(denial)}`)
    }
  }
  return rejections
}

function groupByInbox(rows: readonly RecipientRow[]): Map<string, RecipientRow[]> {
  const byInbox = new Map<string, RecipientRow[]>()
  for (const row of rows) {
    const own = byInbox.get(row.inbox_id!)
    if (own) own.push(row)
    else byInbox.set(row.inbox_id!, [row])
  }
  return byInbox
}

/** Returns the target of recipients that are rejected: it ends their delivery. */
export function createRejectingTarget(rows: readonly RecipientRow[], rejections: Rejections): DeliveryTarget {
  const reasons = new Map(rows.map((row) => [`${row.submission_id} ${row.address}`, rejections.get(row.id)]))
  return {
    name: 'rejected',
    async deliver({ submissionId, recipients }) {
      return recipients.map((address) => ({ kind: 'rejected', reply: reasons.get(`${submissionId} ${address}`) ?? '' }))
    },
  }
}
