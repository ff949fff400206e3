/**
 * Domains of tenants: create, list, get, update, delete and verify. A domain is only a claim until its DNS records are
 * verified (check-domain.ts); several tenants may claim the same name, each with a key of its own.
 */

import type { Limits } from '../../config/limits.ts'
import { MailError } from '../../errors.ts'
import { normaliseAddress } from '../../formats/address/address.ts'
import { bareHostName } from '../../host-name.ts'
import type { Dns } from '../../net/dns/dns.ts'
import type { Db, Tx } from '../../store/handles.ts'
import type { DomainRow } from '../../store/schema/tenant-rows.ts'
import type { Store } from '../../store/store.ts'
import * as domains from '../../store/tables/domains-table.ts'
import * as inboxes from '../../store/tables/inboxes-table.ts'
import * as tenants from '../../store/tables/tenants-table.ts'
import { assertKeyUnchanged, keyOf, requireKeyScope, requireScope, type Scope } from '../access/access.ts'
import { type Actor, actorName, type Within } from '../access/actor.ts'
import { parseClientId } from '../access/client-id.ts'
import { requireOwnOrReadable } from '../access/own-or-readable.ts'
import { listPage } from '../access/paging/list-page.ts'
import type { Page, PageRequest } from '../access/paging/page-tokens.ts'
import type { Permission } from '../access/permissions.ts'
import { CapacityShares } from '../jobs/capacity-shares.ts'
import { requireVerified } from '../tenants/organization-state.ts'
import { type CheckDomain, recordsOf } from './check-domain.ts'
import type { Domain, DomainItem } from './domain.ts'
import { parseDomainName } from './domain-name.ts'
import type { ServerNames } from './domain-records.ts'
import { showDomain, showDomainItem } from './domain-view.ts'
import { newDomain } from './domains.ts'
import { type RecommendingServer, recommendedRecords } from './recommended-records.ts'
import { createKeyMaker, type MakePrivateKey, removeSigningKey, storeSigningKey } from './signing-keys.ts'
import { zoneFile } from './zone-file.ts'

/** What can be switched on and off. */
export interface DomainSwitches {
  /** Mail for the domain is received. */
  readonly inbound?: boolean | undefined
  /** Notices about failed deliveries arrive in the sending inbox. */
  readonly feedback?: boolean | undefined
  /** Inboxes can be created in domains below this one. */
  readonly subdomains?: boolean | undefined
  /** Not implemented: true is rejected. */
  readonly tracking?: boolean | undefined
}

export interface DomainChange extends DomainSwitches {
  /** Address or id of the inbox that gets mail for addresses of the domain that do not exist; null: such mail is refused. */
  readonly catchAllInbox?: string | null | undefined
}

export interface DomainRequest extends DomainSwitches {
  readonly domain: string
  readonly clientId?: string | undefined
  /** Accepts a domain whose mail is received by Google Workspace. */
  readonly allowConflictingProvider?: boolean | undefined
}

/**
 * `ref` is the name of the domain, its client_id or its id. All functions throw not_found, missing_permission, and
 * narrow_key for a key of one inbox, or of a pod for a domain of the organization.
 */
export interface TenantDomains {
  /**
   * @returns the new domain, or the existing one with this client_id, to a key that has not created it only with `domain_read`
   * @throws validation_error, resource_taken, limit_exceeded, conflicting_provider, not_implemented, too_many_at_once,
   *   organization_unverified
   */
  create(actor: Actor, within: Within, request: DomainRequest): Promise<Domain>
  list(actor: Actor, within: Within, page: PageRequest): Promise<Page<DomainItem>>
  get(actor: Actor, within: Within, ref: string): Promise<Domain>
  /** @throws validation_error, not_implemented */
  update(actor: Actor, within: Within, ref: string, change: DomainChange): Promise<Domain>
  /** Stops mail to and from the domain. Its inboxes keep their messages. */
  delete(actor: Actor, within: Within, ref: string): Promise<void>
  /** Checks the DNS records now. @throws domain_check_failed, too_many_at_once */
  verify(actor: Actor, within: Within, ref: string): Promise<Domain>
  /** Returns the records as lines of a zone file. */
  zoneFile(actor: Actor, within: Within, ref: string): Promise<string>
}

interface TenantDomainsNeeds {
  readonly store: Store
  readonly checkDomain: Pick<CheckDomain, 'check'>
  readonly dns: Pick<Dns, 'mx'>
  readonly sharedDomain: string
  readonly server: ServerNames & RecommendingServer
  readonly graceMs: number
  /** Default: a `createKeyMaker`. */
  readonly makePrivateKey?: MakePrivateKey | undefined
  readonly random: (bytes: number) => Buffer
  readonly limits: Limits
}

const SELECTOR_BYTES = 4

export function createTenantDomains(needs: TenantDomainsNeeds): TenantDomains {
  const { store, checkDomain, dns, sharedDomain, server, graceMs, random, limits } = needs
  const shares = new CapacityShares(limits.domains.requestsMax)
  const makePrivateKey = needs.makePrivateKey ?? createKeyMaker()

  return {
    async create(actor, within, request) {
      const clientId = parseClientId(request.clientId)
      refuseTracking(request)
      const domain = await parseDomainName(request.domain, sharedDomain)
      const scope = await scopeOf(store.db, actor, 'domain_create', within)
      const wanted = { domain, clientId }
      // Before the query and the key, which take time; the transaction checks again.
      const known = await findOrCheck(store.db, scope, wanted)
      if (known) return repeated(store.db, actor, known)
      await requireVerified(store.db, scope.organizationId, 'claim domains')
      const privateKeyPem = await withinCapacity(scope, async () => {
        if (request.inbound !== false && !request.allowConflictingProvider) await refuseConflict(domain)
        return makePrivateKey()
      })

      return store.transaction(async (tx) => {
        await assertKeyUnchanged(tx, actor)
        const scope = await scopeOf(tx, actor, 'domain_create', within)
        const podId = scope.podId ?? null
        if (podId !== null && !(await tenants.lockPod(tx, podId))) throw new MailError('not_found', { what: 'Pod' })
        await tenants.lockOrganization(tx, scope.organizationId)
        const existing = await findOrCheck(tx, scope, wanted)
        if (existing) return repeated(tx, actor, existing)
        await requireVerified(tx, scope.organizationId, 'claim domains')
        const row: DomainRow = {
          ...newDomain(domain, `martlet-${random(SELECTOR_BYTES).toString('hex')}`),
          ...switchColumns(request),
          id: tx.newId(),
          organization_id: scope.organizationId,
          pod_id: podId,
          client_id: clientId ?? null,
          created_by: actorName(actor),
          created_at: tx.now,
          updated_at: tx.now,
        }
        await domains.insert(tx, row)
        await storeSigningKey(tx, row, privateKeyPem)
        return show(tx, row)
      })
    },

    async list(actor, within, page) {
      const scope = await scopeOf(store.db, actor, 'domain_read', within)
      return listPage(page, limits, {
        filter: { list: 'domains', ...scope },
        select: (keyset) => domains.list(store.db, scope, keyset),
        show: (rows) => rows.map((row) => showDomainItem(row, graceMs)),
      })
    },

    async get(actor, within, ref) {
      return show(store.db, await requireDomainRow(store.db, actor, 'domain_read', within, ref))
    },

    async update(actor, within, ref, change) {
      refuseTracking(change)
      if (Object.values(change).every((value) => value === undefined)) {
        const detail = 'Send inbound_enabled, feedback_enabled, subdomains_enabled, tracking_enabled or catch_all_inbox'
        throw new MailError('validation_error', { detail })
      }
      return store.transaction(async (tx) => {
        await assertKeyUnchanged(tx, actor)
        const row = await lockOwn(tx, actor, 'domain_update', within, ref)
        const columns = { ...switchColumns(change), ...(await catchAllColumn(tx, row, change.catchAllInbox)) }
        const changed = { ...row, ...columns, updated_at: tx.now }
        const isMore =
          changed.inbound_enabled > row.inbound_enabled || changed.subdomains_enabled > row.subdomains_enabled
        // Another record is needed now. Mail continues meanwhile, as for a domain that has lost a record.
        const isRechecked = isMore && row.status !== 'NOT_STARTED'
        const pending = isRechecked && {
          ...{ status: 'PENDING' as const, reason: 'dns_records_missing', checks: 0, next_check_at: tx.now },
          lost_at: row.holds_name === 1 ? (row.lost_at ?? tx.now) : null,
        }
        await domains.update(tx, row.id, { ...columns, ...pending, updated_at: tx.now })
        return show(tx, { ...changed, ...pending })
      })
    },

    async delete(actor, within, ref) {
      await store.transaction(async (tx) => {
        await assertKeyUnchanged(tx, actor)
        const row = await lockOwn(tx, actor, 'domain_delete', within, ref)
        const gone = { deleting_at: tx.now, holds_name: 0, next_check_at: null, client_id: null, updated_at: tx.now }
        await domains.update(tx, row.id, gone)
        await removeSigningKey(tx, row)
        await domains.removeUnused(tx, row.id)
      })
    },

    async verify(actor, within, ref) {
      const row = await requireDomainRow(store.db, actor, 'domain_update', within, ref)
      const scope = await scopeOf(store.db, actor, 'domain_update', within)
      requireOwn(row, scope)
      const checked = await withinCapacity(scope, () => checkDomain.check(row.id, actorName(actor)))
      if (!checked) throw new MailError('not_found', { what: 'Domain' })
      return show(store.db, checked)
    },

    async zoneFile(actor, within, ref) {
      const row = await requireDomainRow(store.db, actor, 'domain_read', within, ref)
      const records = await recordsOf(store.db, row, server)
      return zoneFile(row.domain, [...records, ...recommendedRecords(row.domain, server)])
    },
  }

  /** For slow work: making a key, and queries to servers that strangers choose. @throws too_many_at_once */
  async function withinCapacity<Result>(
    { organizationId, podId }: Scope,
    work: () => Promise<Result>,
  ): Promise<Result> {
    const tenant = { organizationId, podId: podId ?? null }
    if (shares.capacity(tenant) === 0) {
      const max = limits.domains.requestsMax
      throw new MailError('too_many_at_once', { what: 'requests to create or verify domains', max })
    }
    shares.add(tenant, 1)
    try {
      return await work()
    } finally {
      shares.add(tenant, -1)
    }
  }

  /**
   * @returns the domain with this client_id
   * @throws resource_taken, limit_exceeded when another one cannot be created
   */
  async function findOrCheck(
    db: Db,
    { organizationId, podId }: Scope,
    { domain, clientId }: { readonly domain: string; readonly clientId: string | undefined },
  ): Promise<DomainRow | undefined> {
    if (clientId !== undefined) {
      const existing = await domains.getByClientId(db, organizationId, podId ?? null, clientId)
      if (existing) return existing
    }
    const claims = await domains.listByName(db, { organizationId, podId }, domain)
    if (claims.some((row) => row.pod_id === (podId ?? null))) {
      throw new MailError('resource_taken', { what: `The domain ${domain}` })
    }
    const { perOrganizationMax, perPodMax } = limits.domains
    // So that one pod cannot use up what the organization may have.
    if (podId !== undefined && (await domains.countByPod(db, podId)) >= perPodMax) {
      throw new MailError('limit_exceeded', { what: 'domains in a pod', max: perPodMax })
    }
    if ((await domains.countByOrganization(db, organizationId)) >= perOrganizationMax) {
      throw new MailError('limit_exceeded', { what: 'domains', max: perOrganizationMax })
    }
    return undefined
  }

  async function lockOwn(tx: Tx, actor: Actor, permission: Permission, within: Within, ref: string) {
    const { id } = await requireDomainRow(tx, actor, permission, within, ref)
    const row = await domains.lockById(tx, id)
    if (!row) throw new MailError('not_found', { what: 'Domain' })
    requireOwn(row, await scopeOf(tx, actor, permission, within))
    return row
  }

  /** Mail for one domain cannot arrive at two services. */
  async function refuseConflict(domain: string): Promise<void> {
    const records = await dns.mx(domain).catch(() => []) // what is wrong there, the verification shows
    const isGoogle = records.some(({ exchange }) => /(?:^|\.)(?:google|googlemail)\.com\.?$/i.test(exchange))
    if (isGoogle) throw new MailError('conflicting_provider', { domain, provider: 'Google Workspace' })
  }

  async function repeated(db: Db, actor: Actor, row: DomainRow): Promise<Domain> {
    requireOwnOrReadable(actor, row, 'domain_read')
    return show(db, row)
  }

  async function show(db: Db, row: DomainRow): Promise<Domain> {
    const shown = showDomain(row, await recordsOf(db, row, server), { server, graceMs })
    const { catch_all_inbox_id: inboxId } = row
    const catchAllAddress = inboxId === null ? undefined : (await inboxes.addresses(db, [inboxId])).get(inboxId)
    return {
      ...shown,
      recommended: recommendedRecords(row.domain, server),
      ...(catchAllAddress !== undefined && { catchAllAddress }),
    }
  }
}

async function scopeOf(db: Db, actor: Actor, permission: Permission, within: Within): Promise<Scope> {
  requireKeyScope(keyOf(actor), 'pod')
  return requireScope(db, actor, permission, within)
}

/**
 * Finds the tenant's claim by its name, client_id or id. A name may have several: its holder first, then the one of the scope that
 * the route names, then the oldest.
 */
async function requireDomainRow(
  db: Db,
  actor: Actor,
  permission: Permission,
  within: Within,
  ref: string,
): Promise<DomainRow> {
  const scope = await scopeOf(db, actor, permission, within)
  const byName = await domains.listByName(db, scope, bareHostName(ref))
  const isOfScope = (row: DomainRow) => Number(row.pod_id === (scope.podId ?? null))
  const [best] = byName.sort(
    (one, other) =>
      other.holds_name - one.holds_name || isOfScope(other) - isOfScope(one) || one.created_at - other.created_at,
  )
  const byClientId = async () =>
    (await domains.getByClientId(db, scope.organizationId, scope.podId ?? null, ref)) ??
    (await domains.getById(db, ref))
  const row = best ?? (await byClientId())
  const isVisible =
    row?.organization_id === scope.organizationId &&
    (scope.podId === undefined || row.pod_id === null || row.pod_id === scope.podId)
  if (!row || !isVisible) throw new MailError('not_found', { what: 'Domain' })
  return row
}

/** A pod sees the domains of its organization, but only the organization changes them. */
function requireOwn(row: DomainRow, { podId }: Scope): void {
  if (podId === undefined || row.pod_id === podId) return
  throw new MailError('narrow_key', { narrowestKey: 'organization' })
}

function switchColumns({ inbound, feedback, subdomains }: DomainSwitches) {
  return {
    ...(inbound !== undefined && { inbound_enabled: Number(inbound) }),
    ...(feedback !== undefined && { feedback_enabled: Number(feedback) }),
    ...(subdomains !== undefined && { subdomains_enabled: Number(subdomains) }),
  }
}

/** @throws not_found for an inbox that is not in the organization, or the pod, to which the domain belongs */
async function catchAllColumn(tx: Tx, domain: DomainRow, ref: string | null | undefined) {
  if (ref === undefined) return {}
  if (ref === null) return { catch_all_inbox_id: null }
  const inbox = ref.includes('@')
    ? await inboxes.lockByAddress(tx, normaliseAddress(ref) ?? '')
    : await inboxes.lockById(tx, ref)
  const isOfTenant =
    inbox?.organization_id === domain.organization_id && (domain.pod_id === null || domain.pod_id === inbox?.pod_id)
  if (!inbox || !isOfTenant) throw new MailError('not_found', { what: 'Inbox' })
  return { catch_all_inbox_id: inbox.id }
}

function refuseTracking({ tracking }: DomainSwitches): void {
  if (!tracking) return
  throw new MailError('not_implemented', { subject: 'Tracking domains', operation: 'tracking_enabled: true' })
}
