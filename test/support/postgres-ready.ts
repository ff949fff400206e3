/**
 * Runs before each file of the project "postgres": waits for PostgreSQL, so that its start is not part of a test's
 * time.
 */
import { postgresServer } from './test-database.ts'

await postgresServer()
