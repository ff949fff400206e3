/** Before each file of the project "postgres": its start is not part of a test's time. */
import { postgresServer } from '../database.ts'

await postgresServer()
