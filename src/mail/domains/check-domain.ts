/**
 * Checks the DNS records of a domain, and decides who holds its name.
 *
 *   expected records → DNS → compare → one transaction: status, what was seen, who holds the name, the next check; and the
 *   event domain.verified when it becomes verified
 *
 * The first tenant whose records are right holds the name. Only the owner of a zone can publish a tenant's DKIM key, so a
 * claim alone is worth nothing. A domain that loses its records holds its name for `graceMs` longer: a mistake in a zone
 * file must not stop mail at once.
 *
 * DNS does not answer: nothing changes but the time of the next check. Several nodes: the rows of a name are locked together,
 * so two tenants cannot get it at the same time.
 */
import type { Limits } from '../../config/limits.ts'
import { MailError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { Db, Tx } from '../../store/handles.ts'
import type { DomainRow } from '../../store/schema/tenant-rows.ts'
import type { Store } from '../../store/store.ts'
import * as domains from '../../store/tables/domains-table.ts'
import { domainVerified } from '../events/log/resource-events.ts'
import {
  checkRecord,
  type ExpectedRecord,
  expectedRecords,
  type SeenRecords,
  type ServerNames,
} from './domain-records.ts'
import { showDomain } from './domain-view.ts'
import type { ObserveRecords } from './observe-records.ts'
import { publicKeyOf, readSigningKey } from './signing-keys.ts'

export interface CheckDomain {
  /**
   * Checks now.
   *
   * @param actor name of the caller, for the event
   * @returns the row after the check; undefined if the domain does not exist any more
   * @throws domain_check_failed when DNS does not answer
   */
  check(id: string, actor: string): Promise<DomainRow | undefined>
  /** Checks the domains that are due, and resolves when this is done. */
  checkDue(signal: AbortSignal): Promise<void>
}

interface CheckNeeds {
  readonly store: Store
  readonly observe: ObserveRecords
  readonly server: ServerNames
  /** How long a domain without its records holds its name. */
  readonly graceMs: number
  readonly clock: () => number
  readonly log: Log
  readonly limits: Limits
}

export const ACTOR = 'system:domains'

export function createCheckDomain(needs: CheckNeeds): CheckDomain {
  const { store, observe, server, graceMs, clock, log, limits } = needs

  return {
    async check(id, actor) {
      const row = await domains.getById(store.db, id)
      if (!row) return undefined
      let seen: SeenRecords
      try {
        seen = await observe(row.domain, await recordsOf(store.db, row, server))
      } catch (cause) {
        await store.transaction((tx) => postpone(tx, id))
        throw new MailError('domain_check_failed', { domain: row.domain }, { cause })
      }
      return store.transaction((tx) => record(tx, id, seen, actor))
    },

    async checkDue(signal) {
      for (;;) {
        signal.throwIfAborted()
        if (!(await domains.isAnyDue(store.db, clock()))) return // a commit every few seconds would cost more
        const ids = await store.transaction((tx) => claimDue(tx))
        if (ids.length === 0) return
        await Promise.all(ids.map((id) => this.check(id, ACTOR).catch((error) => logFailure(id, error))))
      }
    },
  }

  /** Takes domains whose check is due; other nodes find them again when the lease is over. */
  async function claimDue(tx: Tx): Promise<string[]> {
    const ids = await domains.lockDue(tx, clock(), limits.domains.checksMax)
    for (const id of ids) await domains.update(tx, id, { next_check_at: tx.now + limits.domains.leaseMs })
    return ids
  }

  function logFailure(id: string, error: unknown): void {
    log.warn({ err: error, domainId: id }, 'the DNS records of a domain could not be checked; will retry')
  }

  /** After a check without an answer: the pauses grow, and end, as after any other check that fails. */
  async function postpone(tx: Tx, id: string): Promise<void> {
    const row = await domains.lockById(tx, id)
    if (!row) return // deleted meanwhile
    const checks = row.checks + 1
    await domains.update(tx, id, { checks, next_check_at: nextCheck(tx.now, row, false, checks) })
  }

  async function record(tx: Tx, id: string, seen: SeenRecords, actor: string): Promise<DomainRow | undefined> {
    const name = (await domains.getById(tx, id))?.domain
    if (name === undefined) return undefined
    const claims = await domains.lockByName(tx, name)
    const row = claims.find((each) => each.id === id)
    if (!row) return undefined // deleted meanwhile
    const holder = claims.find((each) => each.holds_name === 1 && each.id !== id)
    const expected = await recordsOf(tx, row, server)
    const state = stateOf(expected, seen, server)
    const isVerified = state.status === 'VERIFIED' && !holder
    const lostAt = isVerified || row.holds_name === 0 ? null : (row.lost_at ?? tx.now)
    const isKept = lostAt !== null && tx.now - lostAt < graceMs
    const checks = isVerified ? 0 : row.checks + 1
    const changed: DomainRow = {
      ...row,
      ...(state.status === 'VERIFIED' && holder ? TAKEN : state),
      holds_name: isVerified || isKept ? 1 : 0,
      lost_at: isKept ? lostAt : null,
      records: JSON.stringify(seen),
      checks,
      checked_at: tx.now,
      next_check_at: nextCheck(tx.now, row, isVerified, checks),
    }
    const { status, reason, holds_name, lost_at, records, checked_at, next_check_at } = changed
    const change = { status, reason, holds_name, lost_at, records, checks, checked_at, next_check_at }
    const isChanged = status !== row.status || reason !== row.reason || holds_name !== row.holds_name
    await domains.update(tx, id, { ...change, ...(isChanged && { updated_at: tx.now }) })
    if (isVerified && row.holds_name === 0) await domains.adoptInboxes(tx, row)
    const result = { ...changed, updated_at: isChanged ? tx.now : row.updated_at }
    if (isVerified && row.status !== 'VERIFIED') {
      tx.append(domainVerified({ actor, domain: showDomain(result, expected, { server, graceMs }) }))
    }
    return result
  }

  function nextCheck(now: number, row: DomainRow, isVerified: boolean, checks: number): number | null {
    if (isVerified) return now + limits.domains.recheckVerifiedMs
    const isGivenUp = row.holds_name === 0 && now - row.updated_at > limits.domains.recheckForMs
    return isGivenUp ? null : now + pauseAfter(checks)
  }

  function pauseAfter(checks: number): number {
    return Math.min(
      limits.domains.recheckFirstMs * 2 ** Math.min(Math.max(0, checks - 1), 20),
      limits.domains.recheckMsMax,
    )
  }
}

type DomainState = Pick<DomainRow, 'status' | 'reason'>

const TAKEN: DomainState = { status: 'FAILED', reason: 'verified_by_another_tenant' }

/** Returns the records that a domain must have. */
export async function recordsOf(db: Db, row: DomainRow, server: ServerNames): Promise<ExpectedRecord[]> {
  const key = await readSigningKey(db, row)
  if (!key) throw new Error(`domain ${row.id} has no key`) // both are created in one transaction
  const domain = {
    domain: row.domain,
    selector: row.dkim_selector,
    publicKey: publicKeyOf(key),
    isInbound: row.inbound_enabled === 1,
    hasSubdomains: row.subdomains_enabled === 1,
  }
  return expectedRecords(domain, server)
}

function stateOf(expected: readonly ExpectedRecord[], seen: SeenRecords, server: ServerNames): DomainState {
  const statuses = expected.map((record) => checkRecord(record, seen[record.purpose] ?? [], server).status)
  if (statuses.includes('INVALID')) return { status: 'INVALID', reason: 'dns_records_invalid' }
  if (statuses.includes('MISSING')) return { status: 'PENDING', reason: 'dns_records_missing' }
  return { status: 'VERIFIED', reason: null }
}
