/** The whole suite against Martlet's server and its store. */
import { startMartletImap } from '../martlet-under-test.ts'
import { imapSuite } from '../suite/imap-suite.ts'

imapSuite(() => startMartletImap())
