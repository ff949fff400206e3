/** One step of the schema: its statements, in the words of whichever database it is. */
import type { DefinitionLanguage } from '../dialect.ts'

export interface Migration {
  readonly number: number
  readonly name: string
  readonly statements: (ddl: DefinitionLanguage) => readonly string[]
}
