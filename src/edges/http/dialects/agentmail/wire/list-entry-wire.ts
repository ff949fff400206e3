/** Entries of allow and block lists (docs/compatibility/agentmail.md). */
import { Type } from 'typebox'
import type { Limits } from '../../../../../config/limits.ts'
import type { Page } from '../../../../../mail/access/paging/page-tokens.ts'
import type { ListEntry as ListEntryView } from '../../../../../mail/inboxes/lists/list-entry.ts'
import { addressOrDomain } from './request-texts.ts'
import { named, namedPage, pageHead, Time, time, type Wire } from './shape-wire.ts'

export const ListEntry = named('ListEntry', {
  entry: Type.String({ description: 'An address, or a domain with its subdomains; in normal form.' }),
  organization_id: Type.String(),
  pod_id: Type.Optional(Type.String({ description: 'Absent in lists of the organization.' })),
  inbox_id: Type.Optional(Type.String({ description: 'Only in lists of an inbox: its address.' })),
  reason: Type.Optional(Type.String()),
  direction: Type.Enum(['send', 'receive', 'reply']),
  list_type: Type.Enum(['allow', 'block']),
  entry_type: Type.Enum(['email', 'domain']),
  created_at: Time,
  read_only: Type.Optional(
    Type.Boolean({ description: 'The server added it because mail to the address bounced; it cannot be deleted.' }),
  ),
})

export function listEntry(view: ListEntryView): Wire<typeof ListEntry> {
  return {
    entry: view.entry,
    organization_id: view.organizationId,
    pod_id: view.podId,
    inbox_id: view.inboxAddress,
    reason: view.reason,
    direction: view.direction,
    list_type: view.type,
    entry_type: view.entryType,
    created_at: time(view.createdAt),
    read_only: view.isReadOnly || undefined,
  }
}

export const ListEntryList = namedPage('ListListEntriesResponse', { entries: Type.Array(ListEntry) })

export function listEntryList(page: Page<ListEntryView>): Wire<typeof ListEntryList> {
  return { ...pageHead(page), entries: page.items.map(listEntry) }
}

export const CreateListEntry = named('CreateListEntryRequest', {
  entry: Type.String({ description: 'An address or a domain.', rule: addressOrDomain }),
  reason: Type.Optional(
    Type.String({ rule: ({ listEntries }: Limits) => ({ maxLength: listEntries.reasonCharsMax }) }),
  ),
})
