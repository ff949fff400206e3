/** Parses messages in this thread, for tests whose subject is what happens to a parsed message. */
import type { Limits } from '../../src/config/limits.ts'
import type { MailParser, UnparsedMail } from '../../src/mail/messages/content/mail-parser.ts'
import { parseMail } from '../../src/mail/messages/content/parsed-message.ts'

export function createParserHere(limits: Limits): Pick<MailParser, 'expectMail' | 'parse'> {
  return {
    expectMail: () => undefined,
    async parse({ load }: UnparsedMail) {
      return parseMail(Buffer.from((await load()).bytes), limits)
    },
  }
}
