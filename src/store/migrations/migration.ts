/** One migration of the schema: its statements, with the types and clauses of the database in use. */
import type { DefinitionLanguage } from '../sql-adapter.ts'

export interface Migration {
  readonly number: number
  readonly name: string
  readonly statements: (ddl: DefinitionLanguage) => readonly string[]
}
