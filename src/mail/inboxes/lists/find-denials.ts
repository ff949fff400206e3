/**
 * Reads the list entries that concern addresses, and asks list-rules.ts. The number of statements does not depend on the
 * number of addresses or inboxes.
 */
import type { Tx } from '../../../store/handles.ts'
import { rowStep } from '../../../store/row-statements.ts'
import * as listEntries from '../../../store/tables/list-entries-table.ts'
import { entriesMatching } from './list-entry.ts'
import { type Denial, denialsOf, type KnownEntries, type ListQuestion, scopesOf } from './list-rules.ts'

type ListedAddresses = Pick<ListQuestion, 'inbox' | 'addresses'>

/** @returns for each question about mail that is sent, the addresses that are denied, with the reason, in their order */
export async function findDenials(
  tx: Tx,
  questions: readonly (ListQuestion & { readonly direction: 'send' })[],
): Promise<Denial[][]> {
  const known = await readEntries(tx, questions, listEntries.outboundLookups)
  return questions.map((question) => denialsOf(question, known))
}

/** Reads the entries that concern received mail, as mail that answers a message of its inbox and as other mail. */
export async function readInboundEntries(tx: Tx, asked: readonly ListedAddresses[]): Promise<KnownEntries> {
  return readEntries(tx, asked, listEntries.inboundLookups)
}

async function readEntries(
  tx: Tx,
  asked: readonly ListedAddresses[],
  select: typeof listEntries.outboundLookups,
): Promise<KnownEntries> {
  const lookups = new Map<string, listEntries.EntryLookup>()
  const scopes = new Set<string>()
  for (const { inbox, addresses } of asked) {
    const entries = new Set(addresses.flatMap((address) => (address === undefined ? [] : entriesMatching(address))))
    for (const scope_id of scopesOf(inbox)) {
      scopes.add(scope_id)
      for (const entry of entries) lookups.set(nameOf(scope_id, entry), { scope_id, entry })
    }
  }
  const [entries, allowing] = await tx.runRows([
    rowStep(select.entries, [...lookups.values()]),
    rowStep(
      select.allowing,
      [...scopes].map((scope_id) => ({ scope_id })),
    ),
  ])
  const found = new Map(entries.map((row) => [nameOf(row.scope_id, row.direction, row.list_type, row.entry), row]))
  const withAllowed = new Set(allowing.map(({ scope_id, direction }) => nameOf(scope_id, direction)))
  return {
    find(scopeId, { direction, type }, entry) {
      const row = found.get(nameOf(scopeId, direction, type, entry))
      return row && (row.read_only === 1 ? 'bounce' : 'entry')
    },
    hasAllowed: (scopeId, direction) => withAllowed.has(nameOf(scopeId, direction)),
  }
}

/** Joins the parts with spaces. This is unambiguous: only an entry can contain a space, and it is the last part. */
function nameOf(...parts: readonly string[]): string {
  return parts.join(' ')
}
