/**
 * What this version can do, from the same sources as its behaviour: the routes, the list of operations that are not built,
 * the catalogue of event types and the limits. Loaded with the first request for it.
 */
import { type Limits, limits as limitDefinitions } from '../../../../../config/limits.ts'
import { isUnbuiltType, standardTypes, subscribableTypes } from '../../../../../mail/events/log/event-types.ts'
import { unbuiltOperations } from '../routes/agentmail-unbuilt.ts'
import type { Capabilities } from '../wire/capabilities-wire.ts'
import type { Wire } from '../wire/shape-wire.ts'
import type { DescribedRoute } from './openapi-document.ts'
import { operationId } from './operation-ids.ts'

/** Limits that a client can reach, by group. */
const SHOWN: { readonly [Group in keyof Limits]?: readonly (keyof Limits[Group] & string)[] } = {
  http: ['bodyBytesMax', 'sendBodyBytesMax', 'bodyTokensMax', 'listItemsMax', 'objectMembersMax', 'textCharsMax'],
  lists: ['pageDefault', 'pageMax', 'filteredPageMax', 'filterValuesMax', 'filterCharsMax'],
  messages: [
    'waitMsMax',
    'batchUpdateMax',
    'labelsPerMessageMax',
    'labelCharsMax',
    'metadataKeysMax',
    'metadataCharsMax',
  ],
  sending: [
    'recipientsMax',
    'attachmentsMax',
    'headersMax',
    'draftsPerInboxMax',
    'scheduleAheadMsMax',
    'idempotencyMs',
  ],
  webhooks: ['perOrganizationMax', 'idsMax', 'headersMax', 'replayEventsMax', 'retentionMs'],
  events: ['waitMsMax', 'retentionMs'],
  search: ['queryCharsMax', 'queryWordsMax'],
  reports: ['startAgeMsMax', 'bucketsMax'],
  listEntries: ['perListMax', 'reasonCharsMax'],
}

interface CapabilitiesNeeds {
  readonly routes: readonly DescribedRoute[]
  readonly prefix: string
  readonly version: string
  readonly limits: Limits
}

export function capabilities({ routes, prefix, version, limits }: CapabilitiesNeeds): Wire<typeof Capabilities> {
  const built = routes.map(({ method, url, schema }) => ({
    ...named(method, url.slice(prefix.length), prefix),
    state: schema.refused === undefined ? ('implemented' as const) : ('refused' as const),
    own: schema.isOurs || undefined,
    subject: schema.refused,
  }))
  const unbuilt = unbuiltOperations().map(({ method, path, subject, isRefused }) => ({
    ...named(method, path, prefix),
    state: isRefused ? ('refused' as const) : ('not_implemented' as const),
    subject,
  }))
  return {
    product: 'martlet',
    version,
    operations: [...built, ...unbuilt],
    event_types: subscribableTypes.map((name) => ({
      name,
      state: isUnbuiltType(name) ? ('not_implemented' as const) : ('implemented' as const),
      standard: standardTypes.has(name),
    })),
    limits: shownLimits(limits),
  }
}

function named(method: string, url: string, prefix: string) {
  const path = url.replace(/:(\w+)/g, '{$1}')
  return { operation_id: operationId(method, path), method, path: `${prefix}${path}` }
}

function shownLimits(limits: Limits): Wire<typeof Capabilities>['limits'] {
  return Object.entries(SHOWN).flatMap(([group, names]) => {
    const values = limits[group as keyof Limits] as Readonly<Record<string, number>>
    const definitions = limitDefinitions[group as keyof Limits] as Readonly<Record<string, Definition>>
    return names.map((name: string) => {
      const { unit, description } = definitions[name]!
      return { name: `${group}.${name}`, value: values[name]!, unit, description }
    })
  })
}

interface Definition {
  readonly unit: 'bytes' | 'milliseconds' | 'count'
  readonly description: string
}
