/**
 * Compiles row statements (../row-statements.ts) for PostgreSQL, which runs them once for all rows: `unnest` turns one
 * array per parameter into rows. As a table, it would first store the values of each array apart, in 16 KB of memory; for a statement with
 * bytes that is still faster than to take them out of their array row by row.
 *
 * A select runs inside `lateral`: in a join, the planner expects many rows and may read the whole table. The writer's
 * setting (postgres-writer.ts) prevents that it does so for each row. An array of bytes is sent in binary: as text, which
 * the driver sends for arrays, it would have twice the size.
 */
import {
  type CompiledRows,
  compileOnce,
  conflictClause,
  type ParameterType,
  type RowLock,
  type RowStatement,
  replaceParameters,
  returningClause,
} from '../row-statements.ts'

interface CompiledForPostgres extends CompiledRows {
  /** Returns the values of the parameters: each an array with a value of each row. */
  readonly valuesOf: (rows: readonly object[]) => unknown[]
}

const SQL_TYPES = { text: 'text', integer: 'integer', bigint: 'bigint', bytes: 'bytea' } satisfies Record<
  ParameterType,
  string
>

export const compileRows = compileOnce((statement): CompiledForPostgres => {
  const parameters = Object.entries(statement.parameters)
  const valuesOf = (rows: readonly object[]) =>
    parameters.map(([name, type]) => {
      const values = (rows as readonly Record<string, unknown>[]).map((row) => row[name])
      return type === 'bytes' ? bytesArray(values as (Uint8Array | null)[]) : values
    })
  return { sql: compile(statement), parameters: parameters.map(([name]) => name), valuesOf }
})

function compile(statement: RowStatement<never>): string {
  const names = Object.keys(statement.parameters)
  const columns = names.join(', ')
  const given = givenRows(statement.parameters)

  switch (statement.kind) {
    case 'insert': {
      const { table, parameters, onConflict, returning } = statement
      const clauses = conflictClause(table, onConflict) + returningClause(returning)
      const arrays = Object.values(parameters).map((type, index) => `$${index + 1}::${SQL_TYPES[type]}[]`)
      const rows = Object.values(parameters).includes('bytes')
        ? `* from unnest(${arrays.join(', ')})`
        : arrays.map((array) => `unnest(${array})`).join(', ')
      return `insert into ${table} (${columns}) select ${rows}${clauses}`
    }
    case 'update': {
      const { table, keys, add } = statement
      const changes = names
        .filter((name) => !keys.includes(name))
        .map((name) => `${name} = ${add.includes(name) ? `${table}.${name} + given.${name}` : `given.${name}`}`)
      const condition = keys.map((key) => `${table}.${key} = given.${key}`).join(' and ')
      return `update ${table} set ${changes.join(', ')} from ${given} where ${condition}`
    }
    case 'delete': {
      const { table } = statement
      const condition = names.map((name) => `${table}.${name} = given.${name}`).join(' and ')
      return `delete from ${table} using ${given} where ${condition}`
    }
    case 'select': {
      const sql = replaceParameters(statement.sql, (name) => `given.${name}`)
      const { lock } = statement
      return lock
        ? lockingSelect(sql, given, lock)
        : `select found.* from ${given} cross join lateral (${sql}) as found`
    }
  }
}

/**
 * Returns the rows of the parameters as the table `given`. The LIMIT limits nothing (it is null), but hides the number of rows from the
 * planner, which then expects one. Otherwise the planner would plan each call with one or two rows again, because such a plan costs less
 * than its general plan for ten rows. And its plan for ten rows may read the whole of a table while that is small, and is kept when it grows.
 *
 * @param first the number of the first parameter
 */
export function givenRows(parameters: Readonly<Record<string, ParameterType>>, first = 1): string {
  const values = Object.entries(parameters).map(
    ([name, type], index) => `unnest($${first + index}::${SQL_TYPES[type]}[]) as ${name}`,
  )
  return `(select ${values.join(', ')} limit (select null::bigint)) as given`
}

/** A lock cannot be taken inside `lateral`: the select is joined with the given rows instead. */
function lockingSelect(sql: string, given: string, { of, orderBy, skipLocked, isShared }: RowLock): string {
  const end = sql.lastIndexOf(' where ') // a column may be a subquery with a condition of its own
  const joined = `${sql.slice(0, end)}, ${given}${sql.slice(end)}`
  const lock = isShared ? 'for share' : 'for no key update'
  return `${joined} order by ${orderBy} ${lock} of ${of}${skipLocked ? ' skip locked' : ''}`
}

/** The type of the elements of `bytea[]` (pg_type). */
const BYTEA_OID = 17

/** Encodes `bytea[]` in PostgreSQL's binary format: dimensions, whether there are nulls, type, size and first index, then the values. */
function bytesArray(values: readonly (Uint8Array | null)[]): Buffer {
  const parts: Uint8Array[] = [int32(1, values.includes(null) ? 1 : 0, BYTEA_OID, values.length, 1)]
  for (const value of values) {
    if (value) parts.push(int32(value.length), value)
    else parts.push(int32(-1))
  }
  return Buffer.concat(parts)
}

function int32(...values: readonly number[]): Buffer {
  const buffer = Buffer.allocUnsafe(4 * values.length)
  for (const [index, value] of values.entries()) buffer.writeInt32BE(value, 4 * index)
  return buffer
}
