/** Compiles row statements (../row-statements.ts) for SQLite, which runs them row by row. */
import {
  type CompiledRows,
  compileOnce,
  conflictClause,
  type RowStatement,
  replaceParameters,
  returningClause,
} from '../row-statements.ts'

export const compileRows = compileOnce(compile)

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
      const { table, key, add } = statement
      const changed = names.filter((name) => name !== key)
      const changes = changed.map((name) => `${name} = ${add.includes(name) ? `${name} + ?` : '?'}`)
      return { sql: `update ${table} set ${changes.join(', ')} where ${key} = ?`, parameters: [...changed, key] }
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
