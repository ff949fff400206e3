/** Parses messages in this thread, for tests whose subject is what happens to a parsed message. */
import { createHash } from 'node:crypto'
import type { Limits } from '../../src/config/limits.ts'
import type { MailParser, UnparsedMail } from '../../src/mail/messages/content/mail-parser.ts'
import { parseMail } from '../../src/mail/messages/content/parsed-message.ts'

export function createParserHere(limits: Limits): Pick<MailParser, 'expectMail' | 'parse'> {
  return {
    expectMail: () => undefined,
    async parse({ load }: UnparsedMail) {
      const bytes = Buffer.from((await load()).bytes)
      return { ...parseMail(bytes, limits), sha256: createHash('sha256').update(bytes).digest('hex') }
    },
  }
}
