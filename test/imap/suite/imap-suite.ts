/** Every black-box test of IMAP. Each server under test runs all of them. */
import { describe } from 'vitest'
import { type ImapUnderTest, useServer } from '../imap-under-test.ts'
import { condstoreSuite } from './condstore-suite.ts'
import { cornersSuite } from './corners-suite.ts'
import { fetchSuite } from './fetch-suite.ts'
import { flagsSuite } from './flags-suite.ts'
import { loginSuite } from './login-suite.ts'
import { mailboxesSuite } from './mailboxes-suite.ts'
import { searchSuite } from './search-suite.ts'
import { sessionsSuite } from './sessions-suite.ts'

export function imapSuite(start: () => Promise<ImapUnderTest>): void {
  const server = useServer(start)
  describe('login', () => loginSuite(server))
  describe('mailboxes', () => mailboxesSuite(server))
  describe('flags', () => flagsSuite(server))
  describe('fetch', () => fetchSuite(server))
  describe('search', () => searchSuite(server))
  describe('sessions', () => sessionsSuite(server))
  describe('condstore', () => condstoreSuite(server))
  describe('corners', () => cornersSuite(server))
}
