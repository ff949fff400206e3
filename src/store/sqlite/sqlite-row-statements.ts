/** Compiles row statements (../row-statements.ts) for SQLite, which runs them row by row. */
import {
  type CompiledRows,
  compileOnce,
  conflictClause,
  type RowStatement,
  replaceParameters,
  returningClause,
} from '../row-statements.ts'

interface CompiledForSqlite extends CompiledRows {
  /** Returns the values of the parameters of a row. */
  readonly valuesOf: (row: object) => unknown[]
}

export const compileRows = compileOnce((statement): CompiledForSqlite => {
  const compiled = compile(statement)
  return { ...compiled, valuesOf: valueReader(compiled.parameters) }
})

/** A function that names its members reads them in a fifth of the time of a loop over their names, which all statements share. */
function valueReader(parameters: readonly string[]): (row: object) => unknown[] {
  const members = parameters.map((name) => `row[${JSON.stringify(name)}]`)
  return new Function('row', `return [${members.join(', ')}]`) as (row: object) => unknown[]
}

function compile(statement: RowStatement<never>): CompiledRows {
  const names = Object.keys(statement.parameters)
  switch (statement.kind) {
    case 'insert': {
      const { table, onConflict, returning } = statement
      const values = names.map(() => '?').join(', ')
      const clauses = conflictClause(table, onConflict) + returningClause(returning)
      return { sql: `insert into ${table} (${names.join(', ')}) values (${values})${clauses}`, parameters: names }
    }
    case 'update': {
      const { table, keys, add } = statement
      const changed = names.filter((name) => !keys.includes(name))
      const changes = changed.map((name) => `${name} = ${add.includes(name) ? `${name} + ?` : '?'}`)
      const condition = keys.map((key) => `${key} = ?`).join(' and ')
      return { sql: `update ${table} set ${changes.join(', ')} where ${condition}`, parameters: [...changed, ...keys] }
    }
    case 'delete': {
      const condition = names.map((name) => `${name} = ?`).join(' and ')
      return { sql: `delete from ${statement.table} where ${condition}`, parameters: names }
    }
    case 'select': {
      const parameters: string[] = []
      const sql = replaceParameters(statement.sql, (name) => {
        parameters.push(name)
        return '?'
      })
      return { sql, parameters }
    }
  }
}
