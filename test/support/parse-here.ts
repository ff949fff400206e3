/** Parses messages in this thread, and reads them for mail programs, for tests whose subject is what happens to the result. */
import type { Limits } from '../../src/config/limits.ts'
import { readSenderEvidence } from '../../src/formats/dkim/sender-evidence.ts'
import type { MailParser, UnparsedMail } from '../../src/mail/messages/content/mail-parser.ts'
import type { MailReader, ReadMail } from '../../src/mail/messages/content/mail-reader.ts'
import { readStructure, readTexts } from '../../src/mail/messages/content/message-structure.ts'
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

export function createReaderHere(limits: Limits): Pick<MailReader, 'readStructure' | 'readTexts'> {
  const load = async ({ load, sizeBytes }: ReadMail) => Buffer.from(await load(sizeBytes))
  return {
    readStructure: async (mail) => ({ structure: readStructure(await load(mail), limits), outcome: 'read' }),
    readTexts: async (mail) => readTexts(await load(mail), limits),
  }
}
