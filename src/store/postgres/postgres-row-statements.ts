/**
 * Compiles row statements (../row-statements.ts) for PostgreSQL, which runs them once for all rows: `unnest` turns one
 * array per parameter into rows.
 *
 * A select runs inside `lateral`: in a join, the planner expects many rows and may read the whole table. The writer's
 * setting (postgres-writer.ts) prevents that it does so for each row. Bytes are sent in binary, which arrays are not, so that a statement with bytes runs
 * once per row; it is pipelined and costs no round trip.
 */
import { strict as assert } from 'node:assert'
import {
  type CompiledRows,
  compileOnce,
  conflictClause,
  type RowLock,
  type RowStatement,
  replaceParameters,
  returningClause,
} from '../row-statements.ts'

export interface CompiledForPostgres extends CompiledRows {
  /** Whether each parameter is an array with the values of all rows; otherwise the statement is for one row. */
  readonly takesArrays: boolean
}

export const compileRows = compileOnce(compile)

function compile(statement: RowStatement<never>): CompiledForPostgres {
  const types = Object.entries(statement.parameters)
  const names = types.map(([name]) => name)
  const columns = names.join(', ')
  const arrays = types.map(([, type], index) => `$${index + 1}::${type}[]`).join(', ')
  const given = `unnest(${arrays}) as given (${columns})`
  const takesArrays = types.every(([, type]) => type !== 'bytes')
  assert(takesArrays || statement.kind === 'insert', 'only an insert can have bytes')
  const whole = (sql: string) => ({ sql, parameters: names, takesArrays })

  switch (statement.kind) {
    case 'insert': {
      const { table, onConflict, returning } = statement
      const clauses = conflictClause(table, onConflict) + returningClause(returning)
      const values = names.map((_name, index) => `$${index + 1}`).join(', ')
      const source = takesArrays ? `select * from ${given}` : `values (${values})`
      return whole(`insert into ${table} (${columns}) ${source}${clauses}`)
    }
    case 'update': {
      const { table, keys, add } = statement
      const changes = names
        .filter((name) => !keys.includes(name))
        .map((name) => `${name} = ${add.includes(name) ? `${table}.${name} + given.${name}` : `given.${name}`}`)
      const condition = keys.map((key) => `${table}.${key} = given.${key}`).join(' and ')
      return whole(`update ${table} set ${changes.join(', ')} from ${given} where ${condition}`)
    }
    case 'delete': {
      const { table } = statement
      const condition = names.map((name) => `${table}.${name} = given.${name}`).join(' and ')
      return whole(`delete from ${table} using ${given} where ${condition}`)
    }
    case 'select': {
      const sql = replaceParameters(statement.sql, (name) => `given.${name}`)
      const { lock } = statement
      return whole(
        lock ? lockingSelect(sql, given, lock) : `select found.* from ${given} cross join lateral (${sql}) as found`,
      )
    }
  }
}

/** A lock cannot be taken inside `lateral`: the select is joined with the given rows instead. */
function lockingSelect(sql: string, given: string, { of, orderBy, skipLocked, isShared }: RowLock): string {
  const end = sql.lastIndexOf(' where ') // a column may be a subquery with a condition of its own
  const joined = `${sql.slice(0, end)}, ${given}${sql.slice(end)}`
  const lock = isShared ? 'for share' : 'for no key update'
  return `${joined} order by ${orderBy} ${lock} of ${of}${skipLocked ? ' skip locked' : ''}`
}
