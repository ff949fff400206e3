/** Domains and their DNS records (docs/compatibility/agentmail.md). */
import { type Static, Type } from 'typebox'
import type { Page } from '../../../../../mail/access/paging/page-tokens.ts'
import type {
  DomainItem,
  Domain as DomainView,
  DomainRecord as RecordView,
} from '../../../../../mail/domains/domain.ts'
import type { DomainRequest, DomainSwitches } from '../../../../../mail/domains/tenant-domains.ts'
import { clientId, domainName } from './request-texts.ts'
import { named, namedPage, optionalTime, pageHead, Time, time, type Wire } from './shape-wire.ts'

const Seen = Type.Object({ value: Type.String(), priority: Type.Optional(Type.Integer()) })

const DomainRecord = named('VerificationRecord', {
  type: Type.Enum(['MX', 'TXT']),
  name: Type.String({ description: 'Fully qualified name.' }),
  value: Type.String({ description: 'The value to publish.' }),
  status: Type.Enum(['MISSING', 'INVALID', 'VALID']),
  priority: Type.Optional(Type.Integer()),
  reason: Type.Optional(Type.Enum(['duplicate_records', 'value_mismatch'])),
  purpose: Type.Enum(['inbound', 'subdomain_inbound', 'spf', 'dkim', 'dmarc'], {
    isOurs: true,
    description: 'What the record is for.',
  }),
  seen: Type.Array(Seen, { isOurs: true, description: 'What the last check found at this name.' }),
})

const RecommendedRecord = named('RecommendedRecord', {
  type: Type.Enum(['SRV', 'CNAME', 'TXT']),
  name: Type.String({ description: 'Fully qualified name.' }),
  value: Type.String({ description: 'Of an SRV record: weight, port and host.' }),
  priority: Type.Optional(Type.Integer({ description: 'Of an SRV record.' })),
})

const switches = {
  inbound_enabled: Type.Boolean({ description: 'Mail for the domain is received.' }),
  feedback_enabled: Type.Boolean({ description: 'Notices about failed deliveries arrive in the sending inbox.' }),
  subdomains_enabled: Type.Boolean({ description: 'Inboxes can be created in domains below this one.' }),
  tracking_enabled: Type.Boolean({ description: 'Always false: not implemented.' }),
}

const identity = {
  pod_id: Type.Optional(Type.String({ description: 'Absent if all pods may use the domain.' })),
  domain_id: Type.String({ description: 'The domain.' }),
  domain: Type.String(),
  client_id: Type.Optional(Type.String()),
}

const times = { updated_at: Time, created_at: Time }

export const Domain = named('Domain', {
  ...identity,
  status: Type.Enum(['NOT_STARTED', 'PENDING', 'INVALID', 'FAILED', 'VERIFIED']),
  reason: Type.Optional(Type.String({ description: 'Why the domain is not verified.' })),
  ...switches,
  catch_all_inbox: Type.Optional(
    Type.String({ isOurs: true, description: 'Gets mail for addresses of the domain that do not exist.' }),
  ),
  records: Type.Array(DomainRecord),
  recommended_records: Type.Optional(
    Type.Array(RecommendedRecord, {
      isOurs: true,
      description:
        'Records by which mail programs find this server, and others learn that it has TLS. They are not checked.',
    }),
  ),
  checked_at: Type.Optional(Type.String({ format: 'date-time', isOurs: true, description: 'The last check.' })),
  usable_until: Type.Optional(
    Type.String({
      format: 'date-time',
      isOurs: true,
      description: 'The domain has lost its records; mail to it and from it stops then.',
    }),
  ),
  ...times,
})

export const DomainList = namedPage('ListDomainsResponse', {
  domains: Type.Array(Type.Object({ ...identity, ...switches, ...times })),
})

export const CreateDomain = named('CreateDomainRequest', {
  domain: Type.String({ description: 'For example `example.com`.', rule: domainName }),
  client_id: Type.Optional(Type.String({ rule: clientId })),
  allow_conflicting_provider: Type.Optional(
    Type.Boolean({ description: 'Accept a domain whose mail Google Workspace receives now.' }),
  ),
  ...optionalSwitches(),
})

export function readNewDomain(body: Static<typeof CreateDomain>): DomainRequest {
  return {
    ...readSwitches(body),
    domain: body.domain,
    clientId: body.client_id,
    allowConflictingProvider: body.allow_conflicting_provider,
  }
}

export const UpdateDomain = named('UpdateDomainRequest', {
  ...optionalSwitches(),
  catch_all_inbox: Type.Optional(
    Type.Union([Type.String(), Type.Null()], {
      isOurs: true,
      description: 'The inbox that gets mail for addresses of the domain that do not exist; null: none.',
    }),
  ),
})

function optionalSwitches() {
  return {
    inbound_enabled: Type.Optional(Type.Boolean()),
    feedback_enabled: Type.Optional(Type.Boolean()),
    subdomains_enabled: Type.Optional(Type.Boolean()),
    tracking_enabled: Type.Optional(
      Type.Boolean({ description: 'Must be false in this version.', rule: { const: false } }),
    ),
  }
}

interface SwitchMembers {
  readonly inbound_enabled?: boolean
  readonly feedback_enabled?: boolean
  readonly subdomains_enabled?: boolean
  readonly tracking_enabled?: boolean
}

export function readSwitches(body: SwitchMembers): DomainSwitches {
  return {
    inbound: body.inbound_enabled,
    feedback: body.feedback_enabled,
    subdomains: body.subdomains_enabled,
    tracking: body.tracking_enabled,
  }
}

function shared(view: DomainItem) {
  return {
    pod_id: view.podId,
    domain_id: view.domain,
    domain: view.domain,
    client_id: view.clientId,
    inbound_enabled: view.isInbound,
    feedback_enabled: view.hasFeedback,
    subdomains_enabled: view.hasSubdomains,
    tracking_enabled: false,
    updated_at: time(view.updatedAt),
    created_at: time(view.createdAt),
  }
}

export function domain(view: DomainView): Wire<typeof Domain> {
  return {
    ...shared(view),
    status: view.status,
    reason: view.reason,
    catch_all_inbox: view.catchAllAddress,
    records: view.records.map(record),
    recommended_records: view.recommended?.map(({ type, name, value, priority }) => ({ type, name, value, priority })),
    checked_at: optionalTime(view.checkedAt),
    usable_until: optionalTime(view.usableUntil),
  }
}

function record({ type, name, value, status, priority, reason, purpose, seen }: RecordView): Wire<typeof DomainRecord> {
  return { type, name, value, status, priority, reason, purpose, seen }
}

export function domainList(page: Page<DomainItem>): Wire<typeof DomainList> {
  return { ...pageHead(page), domains: page.items.map(shared) }
}
