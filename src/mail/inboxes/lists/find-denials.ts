/**
 * Reads the list entries that concern addresses, and asks list-rules.ts. The number of statements does not depend on the
 * number of addresses or inboxes.
 */
import type { Tx } from '../../../store/handles.ts'
import { rowStep } from '../../../store/row-statements.ts'
import * as listEntries from '../../../store/tables/list-entries-table.ts'
import { entriesMatching } from './list-entry.ts'
import {
  type Denial,
  denialOf,
  type KnownEntries,
  type ListedInbox,
  type ListQuestion,
  scopesOf,
} from './list-rules.ts'

/** @returns for each question, the addresses that are denied, with the reason, in their order */
export async function findDenials(tx: Tx, questions: readonly ListQuestion[]): Promise<Denial[][]> {
  const lookups = new Map<string, listEntries.EntryLookup>()
  const lists = new Map<string, listEntries.AllowLookup>()
  for (const { inbox, direction, addresses } of questions) {
    const entries = new Set(addresses.flatMap((address) => (address === undefined ? [] : entriesMatching(address))))
    for (const scope_id of scopesOf(inbox)) {
      lists.set(nameOf(scope_id, direction), { scope_id, direction })
      for (const entry of entries) lookups.set(nameOf(scope_id, direction, entry), { scope_id, direction, entry })
    }
  }
  const [entries, allowing] = await tx.runRows([
    rowStep(listEntries.selectEntries, [...lookups.values()]),
    rowStep(listEntries.selectAllowing, [...lists.values()]),
  ])
  const found = new Map(entries.map((row) => [nameOf(row.scope_id, row.direction, row.list_type, row.entry), row]))
  const withAllowed = new Set(allowing.map(({ scope_id, direction }) => nameOf(scope_id, direction)))
  const known: KnownEntries = {
    find(scopeId, { direction, type }, entry) {
      const row = found.get(nameOf(scopeId, direction, type, entry))
      return row && (row.read_only === 1 ? 'bounce' : 'entry')
    },
    hasAllowed: (scopeId, direction) => withAllowed.has(nameOf(scopeId, direction)),
  }
  return questions.map((question) => question.addresses.flatMap((address) => denialOf(question, address, known) ?? []))
}

/** Returns the recipients to which the inbox may not send, with the reason. */
export async function findSendDenials(
  tx: Tx,
  inbox: ListedInbox,
  recipients: readonly string[],
): Promise<readonly Denial[]> {
  if (!(await listEntries.isAnyListed(tx, inbox.organization_id, 'send'))) return []
  const [denials] = await findDenials(tx, [{ inbox, direction: 'send', addresses: recipients }])
  return denials!
}

/** Of the parts, only an entry can contain a space, and it is the last one. */
function nameOf(...parts: readonly string[]): string {
  return parts.join(' ')
}
