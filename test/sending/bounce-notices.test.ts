/**
 * Tests when a sender gets a notice that a message failed or is late, and when not. The test sets the time and the
 * remote replies.
 */
import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { createLog } from '../../src/log.ts'
import { createContents } from '../../src/mail/messages/content/contents.ts'
import { createBounceNotices } from '../../src/mail/sending/queue/bounce-notices.ts'
import { createRecordOutcome } from '../../src/mail/sending/queue/delivery-outcome.ts'
import type { Outcome } from '../../src/mail/sending/targets/delivery-target.ts'
import { HOUR, OWNER, type SentMail, sendMail } from './sent-mail.ts'

const limits = withLimits()
const later: Outcome = {
  kind: 'failed_for_now',
  code: 451,
  enhancedCode: '4.7.1',
  reply: 'greylisted',
  remote: 'mx.example.test [192.0.2.1]:25',
}
const never: Outcome = { kind: 'failed_for_good', code: 550, enhancedCode: '5.1.1', reply: 'no such user' }

/** Ends an attempt as a worker does: every claimed recipient gets the given outcome. */
async function attempt(mail: SentMail, ...outcomes: Outcome[]): Promise<void> {
  const rows = await mail.claimed()
  await recorder(mail)({
    submission: mail.submission,
    recipients: rows.map((row, index) => ({ row, outcome: outcomes[index] ?? outcomes[0]! })),
    target: 'test',
    owner: OWNER,
    startedAt: 0,
  })
}

function recorder(mail: SentMail, read?: () => AsyncIterable<Buffer>) {
  const contents = createContents({ store: mail.store })
  const log = createLog('silent')
  const notices = createBounceNotices({
    contents: read ? { read } : contents,
    hostname: 'mx.example.test',
    log,
    limits,
  })
  const discardBlobs = async () => undefined
  return createRecordOutcome({ store: mail.store, discardBlobs, notices, limits, spread: () => 0.5 })
}

test('recipients that fail together are in one notice, queued for the sending inbox', async () => {
  await using mail = await sendMail(['bob@example.test', 'cy@example.test', 'di@example.test'])
  await attempt(mail, never, { kind: 'delivered' }, { ...never, reply: 'blocked' })

  const [notice, ...others] = await mail.notices()
  expect(others).toEqual([])
  expect(notice).toMatch(/^Final-Recipient: rfc822; bob@example.test[\s\S]*^Final-Recipient: rfc822; di@example.test/m)
  expect(notice).not.toContain('cy@example.test')
  expect(notice).toContain('In-Reply-To: ')
  expect(notice).toContain('Message-ID: <lunch@example.test>') // from the header that is returned with the notice
  const submission = await mail.store.db
    .selectFrom('submissions')
    .selectAll()
    .where('kind', '=', 'bounce')
    .executeTakeFirstOrThrow()
  expect(submission).toMatchObject({
    organization_id: mail.organizationId,
    inbox_id: mail.inboxId,
    message_id: null,
    envelope_sender: '',
    dkim_selector: null,
    smtputf8: 0,
  })
  const queued = await mail.store.db
    .selectFrom('recipients')
    .selectAll()
    .where('submission_id', '=', submission.id)
    .execute()
  expect(queued).toMatchObject([
    {
      address: mail.address,
      domain: mail.address.split('@')[1],
      organization_id: mail.organizationId,
      inbox_id: mail.inboxId,
      state: 'queued',
      next_attempt_at: submission.created_at,
    },
  ])
})

// An alias may be deleted before the notice is delivered, and then be the address of someone else.
test('a notice goes to the envelope sender with its tag, as bounces of other servers do; to no alias', async () => {
  await using mail = await sendMail(['bob@example.test', 'cy@example.test', 'di@example.test'])
  const [localPart, domain] = mail.address.split('@') as [string, string]
  const senders = [`${localPart}+job42@${domain}`, `alias@${domain}`, `removed-alias@${domain}`]
  await mail.store.transaction(async (tx) => {
    const inbox = await tx.selectFrom('inboxes').selectAll().executeTakeFirstOrThrow()
    const alias = { address: senders[1]!, inbox_id: inbox.id, domain_id: inbox.domain_id, created_at: tx.now }
    await tx.insertInto('inbox_aliases').values(alias).execute()
  })
  const rows = await mail.claimed()
  for (const [index, row] of rows.entries()) {
    const submission = { ...mail.submission, envelope_sender: senders[index]! }
    const recipients = [{ row, outcome: never }]
    await recorder(mail)({ submission, recipients, target: 'test', owner: OWNER, startedAt: 0 })
  }
  const queued = await mail.store.db
    .selectFrom('recipients')
    .innerJoin('submissions', 'submissions.id', 'recipients.submission_id')
    .select('recipients.address')
    .where('submissions.kind', '=', 'bounce')
    .orderBy('recipients.id')
    .execute()
  expect(queued.map(({ address }) => address)).toEqual([senders[0], mail.address, mail.address])
  const shown = (await mail.notices()).map((notice) => /^To: (.*)\r$/m.exec(notice)?.[1])
  expect(shown).toEqual([senders[0], senders[1], mail.address])
})

test('a late message causes one notice, and an attempt is scheduled for exactly that time', async () => {
  await using mail = await sendMail(['bob@example.test'])
  await attempt(mail, later)
  expect(await mail.events()).toContain('message.delayed') // the event is sent at the first failure
  const lateAt = mail.submission.created_at + limits.delivery.delayNoticeMs
  let [row] = await mail.recipients()
  while (row!.delay_notice_at === null) {
    expect(await mail.notices()).toEqual([])
    expect(row!.next_attempt_at).toBeLessThanOrEqual(lateAt)
    mail.pass(row!.next_attempt_at - row!.updated_at)
    await attempt(mail, later)
    ;[row] = await mail.recipients()
  }
  expect(row!.updated_at).toBe(lateAt)
  const [notice, ...others] = await mail.notices()
  expect(others).toEqual([])
  expect(notice).toMatch(/^Action: delayed\r\nStatus: 4\.7\.1\r\n/m)
  expect(notice).toMatch(/^Will-Retry-Until: Tue, 24 Nov 2026 10:00:00 \+0000\r\n/m)
  expect(notice).toContain('Remote-MTA: dns; mx.example.test')
  expect(row).toMatchObject({ state: 'queued', delay_notice_at: row!.updated_at })

  mail.pass(5 * HOUR)
  await attempt(mail, later)
  expect(await mail.notices()).toHaveLength(1)
  expect((await mail.recipients())[0]!.delay_notice_at).toBe(row!.delay_notice_at)
  expect((await mail.events()).filter((type) => type === 'message.delayed')).toHaveLength(1)
})

test('each late recipient is in one delay notice only, even if recipients become late at different times', async () => {
  await using mail = await sendMail(['bob@example.test', 'cy@example.test'])
  await mail.store.transaction((tx) =>
    tx.updateTable('recipients').set({ delay_notice_at: tx.now }).where('position', '=', 0).execute(),
  )
  mail.pass(5 * HOUR)
  await attempt(mail, later)
  const [notice] = await mail.notices()
  expect(notice).toContain('Final-Recipient: rfc822; cy@example.test')
  expect(notice).not.toContain('bob@example.test')
})

test('a message that is given up bounces with the time it was tried and the last reply', async () => {
  await using mail = await sendMail(['bob@example.test'], { attempts: 20, delay_notice_at: 1 })
  mail.pass(limits.delivery.retryForMs)
  await attempt(mail, later)
  const [notice] = await mail.notices()
  expect(notice).toContain('It was tried 21 times in 3 days and is given up.')
  expect(notice).toMatch(/^Action: failed\r\nStatus: 4\.7\.1\r\n/m) // RFC 3463 §3.5: the problem itself, if known
  expect(notice).toContain('Diagnostic-Code: smtp; 451 greylisted')
  expect(await mail.recipients()).toMatchObject([{ state: 'bounced', last_reply: 'greylisted' }])
  const bounced = await mail.store.db
    .selectFrom('events')
    .select('payload')
    .where('type', '=', 'message.bounced')
    .executeTakeFirstOrThrow()
  expect(JSON.parse(bounced.payload)).toMatchObject({
    bounceType: 'transient',
    recipients: [{ address: 'bob@example.test', status: '4.7.1' }],
  })
})

test('a message that reached no server bounces with the status for expired messages', async () => {
  await using mail = await sendMail(['bob@example.test'])
  mail.pass(limits.delivery.retryForMs)
  await attempt(mail, { kind: 'failed_for_now', reply: 'No route' })
  expect((await mail.notices())[0]).toMatch(/^Status: 4\.4\.7\r\nDiagnostic-Code: x-martlet; No route\r\n/m)
  const event = await mail.store.db
    .selectFrom('events')
    .select('payload')
    .where('type', '=', 'message.bounced')
    .executeTakeFirstOrThrow()
  expect(JSON.parse(event.payload).recipients).toEqual([{ address: 'bob@example.test', status: '4.4.7' }])
})

test('a release restarts the age that counts for giving up and for the delay notice', async () => {
  await using mail = await sendMail(['bob@example.test'])
  mail.pass(limits.delivery.retryForMs)
  await mail.store.transaction((tx) => tx.updateTable('recipients').set({ released_at: tx.now }).execute())
  await attempt(mail, later)
  expect(await mail.recipients()).toMatchObject([{ state: 'queued' }])
  expect(await mail.notices()).toEqual([])

  mail.pass(5 * HOUR)
  await attempt(mail, later)
  expect((await mail.notices())[0]).toContain('Will-Retry-Until: Fri, 27 Nov 2026 10:00:00 +0000')
})

test('of the mail that does not reach an address, only messages suppress it', async () => {
  for (const [kind, suppressed] of [
    ['message', ['bob@example.test']],
    ['code', []],
  ] as const) {
    await using mail = await sendMail(['bob@example.test'])
    const [row] = await mail.claimed()
    const ended = { target: 'test', owner: OWNER, startedAt: 0, recipients: [{ row: row!, outcome: never }] }
    await recorder(mail)({ submission: { ...mail.submission, kind }, ...ended })
    const entries = await mail.store.db.selectFrom('list_entries').select('entry').execute()
    expect([kind, entries.map(({ entry }) => entry)]).toEqual([kind, suppressed])
  }
})

test('a notice that cannot be delivered causes nothing else and is removed', async () => {
  await using mail = await sendMail(['bob@example.test'])
  await attempt(mail, never)
  const { store } = mail
  const notice = await store.db
    .selectFrom('submissions')
    .selectAll()
    .where('kind', '=', 'bounce')
    .executeTakeFirstOrThrow()
  await store.transaction((tx) =>
    tx.updateTable('recipients').set({ lease_owner: OWNER }).where('submission_id', '=', notice.id).execute(),
  )
  const [row] = await store.db.selectFrom('recipients').selectAll().where('submission_id', '=', notice.id).execute()
  const events = await mail.events()

  await recorder(mail)({
    submission: notice,
    recipients: [{ row: row!, outcome: never }],
    target: 'local',
    owner: OWNER,
    startedAt: 0,
  })

  expect(await mail.notices()).toEqual([])
  expect(await mail.events()).toEqual(events)
  const contents = await store.db.selectFrom('contents').select('id').where('id', '=', notice.content_id).execute()
  expect(contents).toEqual([])
})

test('a deleted inbox gets neither a notice nor an event, and the queue removes the recipient', async () => {
  await using mail = await sendMail(['bob@example.test'])
  await mail.store.transaction((tx) => tx.updateTable('inboxes').set({ deleting_at: tx.now }).execute())
  await attempt(mail, never)
  expect(await mail.notices()).toEqual([])
  expect(await mail.events()).toEqual([])
  expect(await mail.recipients()).toEqual([])
})

test('a sender who has deleted the sent message still gets the notice, and the queue removes the recipient', async () => {
  await using mail = await sendMail(['bob@example.test'])
  await mail.store.transaction((tx) => tx.deleteFrom('messages').execute())
  await attempt(mail, never)
  expect((await mail.notices())[0]).toContain('In-Reply-To: <lunch@example.test>')
  expect(await mail.recipients()).toEqual([])
})

test('an attempt that lost its lease sends no notice and no event', async () => {
  await using mail = await sendMail(['bob@example.test'])
  const rows = await mail.claimed()
  await mail.store.transaction((tx) => tx.updateTable('recipients').set({ lease_owner: 'another' }).execute())
  await recorder(mail)({
    submission: mail.submission,
    recipients: rows.map((row) => ({ row, outcome: never })),
    target: 'test',
    owner: OWNER,
    startedAt: 0,
  })
  expect(await mail.notices()).toEqual([])
  expect(await mail.events()).toEqual([])
})

test('if the message cannot be read, the notice lacks its header, but the outcome is recorded', async () => {
  await using mail = await sendMail(['bob@example.test'])
  const rows = await mail.claimed()
  const failing = recorder(mail, async function* () {
    yield Buffer.from('Subj')
    throw new Error('the disk failed')
  })
  await failing({
    submission: mail.submission,
    recipients: rows.map((row) => ({ row, outcome: never })),
    target: 'test',
    owner: OWNER,
    startedAt: 0,
  })
  const [notice] = await mail.notices()
  expect(notice).not.toContain('rfc822-headers')
  expect(notice).toContain(`In-Reply-To: ${mail.messageId}`) // its Message-ID is taken from the message row
  expect(await mail.recipients()).toMatchObject([{ state: 'bounced' }])
})

test('a recipient that is rejected before an attempt keeps its number of attempts', async () => {
  await using mail = await sendMail(['bob@example.test', 'cy@example.test'], { attempts: 2 })
  await attempt(mail, { kind: 'rejected', reply: 'in block list' }, never)
  expect(await mail.recipients()).toMatchObject([
    { state: 'rejected', attempts: 2 },
    { state: 'bounced', attempts: 3 },
  ])
})
