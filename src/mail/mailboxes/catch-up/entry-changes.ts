/** Collects changes of entries, gives new ones their UIDs, and writes all of them with few statements. */
import type { Tx } from '../../../store/handles.ts'
import { rowStep } from '../../../store/row-statements.ts'
import type { MailboxEntryRow, MailboxRow, MailboxTombstoneRow } from '../../../store/schema/mailbox-rows.ts'
import * as entriesTable from '../../../store/tables/mailbox-entries-table.ts'
import * as mailboxesTable from '../../../store/tables/mailboxes-table.ts'

export class EntryChanges {
  readonly #uidNext: Map<string, number>
  readonly #grown = new Set<string>()
  readonly #put: MailboxEntryRow[] = []
  readonly #removed = new Map<string, number[]>()
  readonly #tombstones: MailboxTombstoneRow[] = []

  /** @param mailboxes as they are in this transaction, which has locked the inbox */
  constructor(mailboxes: readonly MailboxRow[]) {
    this.#uidNext = new Map(mailboxes.map(({ id, uid_next }) => [id, uid_next]))
  }

  /** Adds an entry with the next UID of its mailbox. UIDs ascend for ever (RFC 9051 §2.3.1.1). @returns the UID */
  add(entry: Omit<MailboxEntryRow, 'uid'>): number {
    const uid = this.#uidNext.get(entry.mailbox_id)!
    this.#uidNext.set(entry.mailbox_id, uid + 1)
    this.#grown.add(entry.mailbox_id)
    this.#put.push({ ...entry, uid })
    return uid
  }

  /** Changes an entry. Call it once per entry. */
  change(entry: MailboxEntryRow): void {
    this.#put.push(entry)
  }

  remove({ mailbox_id, uid }: Pick<MailboxEntryRow, 'mailbox_id' | 'uid'>, modseq: number): void {
    const removed = this.#removed.get(mailbox_id)
    if (removed) removed.push(uid)
    else this.#removed.set(mailbox_id, [uid])
    this.#tombstones.push({ mailbox_id, uid, modseq })
  }

  /** @param floorSeq tombstones of changes up to this event are deleted: clients that have not seen them compare UIDs */
  async write(tx: Tx, floorSeq = 0): Promise<void> {
    for (const [mailboxId, uids] of this.#removed) {
      await entriesTable.remove(tx, mailboxId, uids)
      await entriesTable.removeTombstones(tx, mailboxId, floorSeq)
    }
    const grown = [...this.#grown].map((id) => ({ id, uid_next: this.#uidNext.get(id)! }))
    await tx.runRows([
      rowStep(entriesTable.putAll, this.#put),
      rowStep(entriesTable.putTombstones, this.#tombstones),
      rowStep(mailboxesTable.setUidNext, grown),
    ])
  }
}
