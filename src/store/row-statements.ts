/**
 * Statements that run once for each of many rows: those that file messages, which run more often than all others.
 *
 * A table file defines a statement once, as data, and `Tx.runRows` runs it for any number of rows. Kysely would build
 * and compile the same text for each message, which costs more than SQLite needs to run it. Each adapter makes one
 * prepared statement of a definition: SQLite runs it row by row; PostgreSQL runs it once for all rows, whose values it
 * gets as one array per parameter. So the text does not depend on the number of rows, and PostgreSQL plans it once.
 */
import type { Generated } from 'kysely'
import type { Schema } from './schema/schema.ts'

/** The SQL type of a parameter. */
export type ParameterType = 'text' | 'integer' | 'bigint' | 'bytes'

/** A statement with one value per parameter from each row of type `In`. It returns rows of type `Out`. */
export type RowStatement<In extends object, Out = never> = (InsertRows | UpdateRows | DeleteRows | SelectRows) & {
  /** Only for the compiler. */
  readonly types?: { readonly in: (row: In) => void; readonly out: Out }
}

/** The types of the parameters by name. */
type Parameters = Readonly<Record<string, ParameterType>>

export interface InsertRows {
  readonly kind: 'insert'
  readonly table: string
  readonly parameters: Parameters
  readonly onConflict?: OnConflict | undefined
  readonly returning?: readonly string[] | undefined
}

/** What happens if a row with these columns exists: nothing, or it is changed. */
export interface OnConflict {
  readonly columns: readonly string[]
  /** Columns to which the new value is added. */
  readonly add?: readonly string[]
  /** Columns that get the new value. */
  readonly set?: readonly string[]
}

export interface UpdateRows {
  readonly kind: 'update'
  readonly table: string
  readonly keys: readonly string[]
  readonly parameters: Parameters
  /** Parameters that are added to their column; the others except `keys` replace it. */
  readonly add: readonly string[]
}

export interface DeleteRows {
  readonly kind: 'delete'
  readonly table: string
  readonly parameters: Parameters
}

export interface SelectRows {
  readonly kind: 'select'
  readonly parameters: Parameters
  /** A select in which `:name` is a parameter. It returns what the caller needs to tell which row it belongs to. */
  readonly sql: string
  readonly lock?: RowLock | undefined
}

/** Locks the rows of one table until the commit, in the order of a column. PostgreSQL only: SQLite has one writer. */
export interface RowLock {
  /** Whether other nodes may take the same lock (`Tx.forShare`). */
  readonly isShared?: true
  /** The alias of the table in `sql`. */
  readonly of: string
  readonly orderBy: string
  /** Whether rows that another node has locked are left out; otherwise the statement waits for them. */
  readonly skipLocked: boolean
}

type Columns<Table extends keyof Schema> = {
  [Column in keyof Schema[Table] as Schema[Table][Column] extends Generated<unknown>
    ? never
    : Column]-?: Schema[Table][Column]
}

/** Inserts rows. All columns must be listed, with their types. */
export function insertRows<Table extends keyof Schema & string>(
  table: Table,
  parameters: Readonly<Record<keyof Columns<Table> & string, ParameterType>>,
  onConflict?: OnConflict,
): RowStatement<Columns<Table>> {
  return { kind: 'insert', table, parameters, onConflict }
}

/** As `insertRows`, and returns columns of the inserted rows, in any order. */
export function insertRowsReturning<Table extends keyof Schema & string, Returned extends keyof Schema[Table] & string>(
  table: Table,
  parameters: Readonly<Record<keyof Columns<Table> & string, ParameterType>>,
  returning: readonly Returned[],
): RowStatement<
  Columns<Table>,
  { [Column in Returned]: Schema[Table][Column] extends Generated<infer T> ? T : Schema[Table][Column] }
> {
  return { kind: 'insert', table, parameters, returning }
}

/** Updates the rows with the given values of `key`, one column or several: each at most once per call of `runRows`. */
export function updateRows<Table extends keyof Schema & string, Column extends keyof Schema[Table] & string>(
  table: Table,
  key: NoInfer<Column> | readonly NoInfer<Column>[],
  parameters: Readonly<Record<Column, ParameterType>>,
  add: readonly NoInfer<Column>[] = [],
): RowStatement<Pick<Schema[Table], Column>> {
  return { kind: 'update', table, keys: [key].flat(), parameters, add }
}

/** Deletes the rows that have the given values in these columns. */
export function deleteRows<Table extends keyof Schema & string, Column extends keyof Schema[Table] & string>(
  table: Table,
  parameters: Readonly<Record<Column, ParameterType>>,
): RowStatement<Pick<Schema[Table], Column>> {
  return { kind: 'delete', table, parameters }
}

/** @param sql a select, for one row: `:name` is a parameter */
export function selectRows<In extends object, Out>(
  parameters: Readonly<Record<keyof In & string, ParameterType>>,
  sql: string,
  lock?: RowLock,
): RowStatement<In, Out> {
  return { kind: 'select', parameters, sql, lock }
}

/** A statement and its rows, for `Tx.runRows`. */
export interface RowStep<Out = unknown> {
  readonly statement: RowStatement<never, Out>
  readonly rows: readonly object[]
}

export function rowStep<In extends object, Out>(statement: RowStatement<In, Out>, rows: readonly In[]): RowStep<Out> {
  return { statement: statement as RowStatement<never, Out>, rows }
}

/** The results of steps: one list of rows per step. */
export type StepResults<Steps extends readonly RowStep[]> = {
  -readonly [Index in keyof Steps]: Steps[Index] extends RowStep<infer Out> ? Out[] : never
}

/** The text of a statement for one database. */
export interface CompiledRows {
  readonly sql: string
  /** The names of the parameters, in the order in which the text needs their values. */
  readonly parameters: readonly string[]
}

/** Makes a compiler that compiles each statement once. */
export function compileOnce<Compiled extends CompiledRows>(
  compile: (statement: RowStatement<never>) => Compiled,
): (statement: RowStatement<never, unknown>) => Compiled {
  const compiled = new WeakMap<RowStatement<never>, Compiled>()
  return (statement) => {
    const key = statement as RowStatement<never>
    const known = compiled.get(key)
    if (known) return known
    const made = compile(key)
    compiled.set(key, made)
    return made
  }
}

/** Replaces each `:name` of a select. */
export function replaceParameters(sql: string, replace: (name: string) => string): string {
  return sql.replace(/(?<!:):([a-z_]+)/g, (_match, name: string) => replace(name))
}

/** Returns the clause of an insert that says what happens with existing rows. */
export function conflictClause(table: string, onConflict: OnConflict | undefined): string {
  if (!onConflict) return ''
  const { columns, add = [], set = [] } = onConflict
  const changes = [
    ...add.map((column) => `${column} = ${table}.${column} + excluded.${column}`),
    ...set.map((column) => `${column} = excluded.${column}`),
  ]
  const action = changes.length === 0 ? 'do nothing' : `do update set ${changes.join(', ')}`
  return ` on conflict (${columns.join(', ')}) ${action}`
}

export function returningClause(returning: readonly string[] | undefined): string {
  return returning ? ` returning ${returning.join(', ')}` : ''
}
