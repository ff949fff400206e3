/** Tests complaints about messages whose bytes cannot be read. */
import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { MailError } from '../../src/errors.ts'
import { createLog } from '../../src/log.ts'
import { createContents } from '../../src/mail/messages/content/contents.ts'
import { DamagedContent } from '../../src/mail/messages/content/damaged-content.ts'
import { createReadableContents } from '../../src/mail/messages/content/readable-contents.ts'
import { hashId } from '../../src/mail/messages/threads/threading.ts'
import { createRecordComplaint } from '../../src/mail/receiving/complaints.ts'
import { sendMail } from '../sending/sent-mail.ts'

const COMPLAINT = {
  ...{ feedbackType: 'abuse', messageId: '<lunch@example.test>', recipients: [] },
  signatures: ['known'],
}

/** @returns the events that a complaint about this message causes @throws what the complaint does */
async function complain(failure?: Error): Promise<string[]> {
  await using mail = await sendMail(['bob@example.test'])
  const { store } = mail
  await store.transaction((tx) =>
    tx
      .updateTable('messages')
      .set({ header_message_id_hash: hashId(COMPLAINT.messageId) })
      .execute(),
  )
  const read = async function* () {
    yield Buffer.from('Subject: lunch?\r\n')
    if (failure) throw failure
  }
  const contents = createReadableContents({ store, contents: failure ? { read } : createContents({ store }) })
  const recordComplaint = createRecordComplaint({ store, contents, limits: withLimits(), log: createLog('silent') })
  await recordComplaint({ ...COMPLAINT, senders: [mail.address] }, 'example.test')
  return mail.events()
}

test.each([
  ['is damaged', new DamagedContent('the disk has lost a bit')],
  ['is lost', new MailError('not_found', { what: 'Message' })],
  ['can be read', undefined],
])('a complaint about a message that %s is recorded', async (_how, failure) => {
  expect(await complain(failure)).toContain('message.complained')
})

// It was recorded without its signatures, and so not believed: it was lost, although its sender would have repeated it.
test.each([
  ['the disk does not answer', new MailError('unavailable', { detail: 'a file could not be read' })],
  ['the database does not answer', Object.assign(new Error('Connection terminated'), { code: 'ECONNRESET' })],
])('a complaint that comes while %s fails, so that its sender repeats it', async (_why, failure) => {
  await expect(complain(failure)).rejects.toBe(failure)
})
