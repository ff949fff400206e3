/** The whole suite against the sessions with a store in memory. */
import { startMemoryServer } from './imap-under-test.ts'
import { imapSuite } from './suite/imap-suite.ts'

imapSuite(() => startMemoryServer())
