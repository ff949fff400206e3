/** Parses messages in this thread, for tests whose subject is what happens to a parsed message. */
import type { Limits } from '../../src/config/limits.ts'
import { readSenderEvidence } from '../../src/formats/dkim/sender-evidence.ts'
import type { MailParser, UnparsedMail } from '../../src/mail/messages/content/mail-parser.ts'
import { evidenceLimits, parseMail } from '../../src/mail/messages/content/parsed-message.ts'

export function createParserHere(limits: Limits): Pick<MailParser, 'expectMail' | 'parse' | 'readEvidence'> {
  return {
    expectMail: () => undefined,
    async parse({ load, findsCodes }: UnparsedMail) {
      return parseMail(Buffer.from((await load()).bytes), limits, findsCodes)
    },
    async readEvidence({ load }) {
      return readSenderEvidence(Buffer.from((await load()).bytes), evidenceLimits(limits))
    },
  }
}
