/**
 * The `tx` that a transaction function gets: a Kysely handle that writes, and the buffer of events. Using it after the
 * end of the transaction throws.
 *
 * It checks this before each statement runs, not when a query is built: a query that was built in time but runs late
 * must not become part of another transaction. Before a statement it also yields to the event loop when its turn is
 * over: SQLite runs every statement on the event loop, and a long transaction must not stop all other work.
 */
import { Kysely, type SelectQueryBuilder } from 'kysely'
import type { LeaseTime, NewEvent, Tx } from '../handles.ts'
import type { Guard } from '../kysely-props.ts'
import type { NewId } from '../new-id.ts'
import type { RowStep, StepResults } from '../row-statements.ts'
import type { Schema } from '../schema/schema.ts'
import type { SqlAdapter, Writer } from '../sql-adapter.ts'
import type { UnnumberedEvent } from './append-events.ts'

/** Rows per statement, so that a transaction with many rows can yield to the event loop between two statements. */
const ROWS_AT_ONCE = 100

export class StoreTransaction extends Kysely<Schema> implements Tx {
  readonly now: number
  readonly leaseNow: LeaseTime
  readonly events: UnnumberedEvent[] = []
  readonly #adapter: Pick<SqlAdapter, 'forUpdate' | 'forShare' | 'skipLocked'>
  readonly #newId: NewId
  readonly #end: { isOver: boolean }
  readonly #writer: Writer
  readonly #guard: Guard

  /** @param yieldIfLong yields to the event loop if the turn is over; undefined: it is not */
  constructor(
    writer: Writer,
    adapter: Pick<SqlAdapter, 'forUpdate' | 'forShare' | 'skipLocked'>,
    { now, leaseNow, newId, yieldIfLong }: { now: number; leaseNow: LeaseTime; newId: NewId; yieldIfLong: Guard },
  ) {
    const end = { isOver: false }
    const assertOpen = () => {
      if (end.isOver) throw transactionIsOver()
    }
    const guard = () => {
      assertOpen()
      return yieldIfLong()?.then(assertOpen)
    }
    super(writer.kyselyProps(guard))
    this.#writer = writer
    this.#guard = guard
    this.now = now
    this.leaseNow = leaseNow
    this.#adapter = adapter
    this.#newId = newId
    this.#end = end
  }

  newId(): string {
    this.#assertOpen()
    return this.#newId(this.now)
  }

  forUpdate<TB extends keyof Schema, O>(query: SelectQueryBuilder<Schema, TB, O>): SelectQueryBuilder<Schema, TB, O> {
    return this.#adapter.forUpdate(query)
  }

  forShare<TB extends keyof Schema, O>(query: SelectQueryBuilder<Schema, TB, O>): SelectQueryBuilder<Schema, TB, O> {
    return this.#adapter.forShare(query)
  }

  skipLocked<TB extends keyof Schema, O>(query: SelectQueryBuilder<Schema, TB, O>): SelectQueryBuilder<Schema, TB, O> {
    return this.#adapter.skipLocked(query)
  }

  async runRows<const Steps extends readonly RowStep[]>(steps: Steps): Promise<StepResults<Steps>> {
    const sent = steps.map((): (unknown[] | Promise<unknown[]>)[] => [])
    for (const [index, { statement, rows }] of steps.entries()) {
      for (let at = 0; at < rows.length; at += ROWS_AT_ONCE) {
        const delay = this.#guard()
        if (delay) await delay
        const part = rows.length <= ROWS_AT_ONCE ? rows : rows.slice(at, at + ROWS_AT_ONCE)
        const result = this.#writer.runRows({ statement, rows: part })
        if (result instanceof Promise) result.catch(() => undefined) // awaited below, perhaps after a turn of the event loop
        sent[index]!.push(result)
      }
    }
    const results: unknown[][] = []
    for (const parts of sent) {
      const rows: unknown[][] = []
      for (const part of parts) rows.push(part instanceof Promise ? await part : part)
      results.push(rows.length === 1 ? rows[0]! : rows.flat())
    }
    return results as StepResults<Steps>
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
      payload: JSON.stringify(event.payload), // at once: the caller may change the object later
      ...(event.changesLabels && { changesLabels: true }),
      ...(event.entries && { entries: event.entries }),
    })
  }

  /** Ends the transaction: from now on every use throws. */
  end(): void {
    this.#end.isOver = true
  }

  #assertOpen(): void {
    if (this.#end.isOver) throw transactionIsOver()
  }
}

function transactionIsOver(): Error {
  return new Error('this transaction is over; everything that belongs to it must be awaited inside it')
}
