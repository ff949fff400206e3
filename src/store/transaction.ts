/**
 * A transaction as its function sees it: a Kysely that writes, the buffer of events, and an end after which it throws.
 *
 * The end is checked before each statement, not when a query is built: a query made in time and run late must not land
 * in somebody else's transaction.
 */
import assert from 'node:assert/strict'
import { Kysely, type SelectQueryBuilder } from 'kysely'
import type { Dialect, Writer } from './dialect.ts'
import type { NewId } from './ids.ts'
import type { EventRow, NewEvent, Schema, Tx } from './schema.ts'

/** An event that waits for its number. */
export type UnnumberedEvent = Omit<EventRow, 'seq'>

/** Work put off until all members of the group have run. */
export type LateWrite = (tx: Tx) => Promise<void>

export class StoreTransaction extends Kysely<Schema> implements Tx {
  readonly now: number
  readonly events: UnnumberedEvent[] = []
  readonly lateWrites: LateWrite[] = []
  readonly #dialect: Pick<Dialect, 'forUpdate' | 'forShare'>
  readonly #newId: NewId
  readonly #end: { isOver: boolean }

  constructor(writer: Writer, dialect: Pick<Dialect, 'forUpdate' | 'forShare'>, now: number, newId: NewId) {
    const end = { isOver: false }
    super(
      writer.kyselyProps(() => {
        if (end.isOver) throw transactionIsOver()
      }),
    )
    this.now = now
    this.#dialect = dialect
    this.#newId = newId
    this.#end = end
  }

  newId(): string {
    this.#assertOpen()
    return this.#newId(this.now)
  }

  forUpdate<TB extends keyof Schema, O>(query: SelectQueryBuilder<Schema, TB, O>): SelectQueryBuilder<Schema, TB, O> {
    return this.#dialect.forUpdate(query)
  }

  forShare<TB extends keyof Schema, O>(query: SelectQueryBuilder<Schema, TB, O>): SelectQueryBuilder<Schema, TB, O> {
    return this.#dialect.forShare(query)
  }

  append(event: NewEvent): void {
    this.#assertOpen()
    this.events.push({
      event_id: this.#newId(this.now),
      at: this.now,
      organization_id: event.organizationId,
      pod_id: event.podId ?? null,
      inbox_id: event.inboxId ?? null,
      type: event.type,
      visibility: event.visibility,
      actor: event.actor,
      message_id: event.messageId ?? null,
      payload: JSON.stringify(event.payload), // now: the caller may go on using the object
    })
  }

  /** From now on every use throws. */
  end(): void {
    this.#end.isOver = true
  }

  #assertOpen(): void {
    if (this.#end.isOver) throw transactionIsOver()
  }
}

/**
 * Has `write` run after the last member of the group, just before the commit. Its failure is the failure of the whole
 * group: only for what cannot fail by itself.
 */
export function writeLate(tx: Tx, write: LateWrite): void {
  assert(tx instanceof StoreTransaction)
  tx.lateWrites.push(write)
}

function transactionIsOver(): Error {
  return new Error('this transaction is over; everything that belongs to it must be awaited inside it')
}
