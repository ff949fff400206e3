/**
 * A person approves what an agent has drafted, from a mail program: the draft is in Drafts, is edited there by APPEND and
 * EXPUNGE, and is sent over submission or over the API. Then it is gone from Drafts, and once in Sent.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ImapClient } from '../imap/imap-client.ts'
import { type Account, createAccount, IMAP_ON } from '../imap/martlet-under-test.ts'
import { openLoggedIn, type SubmissionWorld, sendRaw, startSubmission } from '../submission/submission-world.ts'
import type { Frame, TestSocket } from '../support/socket-client.ts'

const DRAFT_TYPES = ['draft.created', 'draft.updated', 'draft.deleted', 'draft.sent']

let server: SubmissionWorld

beforeAll(async () => {
  server = await startSubmission({}, IMAP_ON)
})
afterAll(() => server?.[Symbol.asyncDispose]())

interface Writer {
  readonly account: Account
  readonly client: ImapClient
  readonly socket: TestSocket
  readonly draftId: string
  /** Sessions in IDLE. */
  readonly drafts: () => Promise<string>
  readonly sent: () => Promise<string>
  /** The next event of a draft, without its event id and cursor. */
  readonly nextDraft: () => Promise<Frame>
}

async function draft(subject: string): Promise<Writer> {
  const { world } = server
  const account = await createAccount(world)
  const eventTypes = ['message.sent', 'message.delivered', ...DRAFT_TYPES]
  const socket = await world.subscribe({ inboxIds: [account.user], eventTypes })
  const nextDraft = async () => {
    const { event_type, draft: shown } = await socket.nextFrame(({ event_type: type }) => DRAFT_TYPES.includes(type))
    return { event_type, draft: shown }
  }
  const idle = async (mailbox: string) => {
    const client = await ImapClient.logIn(world.imapPort, account)
    await client.ok(`SELECT ${mailbox}`)
    client.begin('IDLE')
    await client.response()
    return async () => (await client.response()).replace(/^\* /, '')
  }
  const [drafts, sent] = [await idle('Drafts'), await idle('Sent')]
  const { draftId, updatedAt } = await world.agentmail.inboxes.drafts.create(account.user, {
    ...{ to: ['bob@a.test'], subject, text: 'written by the agent', sendAt: new Date(Date.now() + 3_600_000) },
  })
  expect(await drafts()).toBe('1 EXISTS')
  expect(await nextDraft()).toEqual({
    event_type: 'draft.created',
    draft: {
      ...{ inbox_id: account.user, draft_id: draftId, timestamp: updatedAt.toISOString() },
      ...{ send_status: 'scheduled', send_at: expect.any(String) },
    },
  })
  const client = await ImapClient.logIn(world.imapPort, account)
  await client.ok('SELECT Drafts')
  return { account, client, socket, draftId, drafts, sent, nextDraft }
}

/** As mail programs do: append the new text, then remove the old one. @returns the message of the new revision */
async function edit(
  { client, drafts, nextDraft, account, draftId }: Writer,
  { isNewMessageId = true } = {},
): Promise<string> {
  const [response] = await client.ok('FETCH 1 (UID BODY.PEEK[])')
  const [, uid] = /UID (\d+)/.exec(response!)!
  const message = response!.slice(response!.indexOf('}\r\n') + 3).replace(/( UID \d+)?\)$/, '')
  expect(message).toContain('written by the agent')
  const [, messageId] = /^message-id: (<.+>)\r\n/im.exec(message)!
  const edited = message
    .replace('written by the agent', 'edited by a person')
    .replace(messageId!, isNewMessageId ? `<person.${Date.now()}@client.test>` : messageId!)
  const { text } = await client.append('Drafts', edited, '(\\Draft \\Seen) ')
  expect(text).toMatch(/^\[APPENDUID \d+ \d+\]/)
  await client.ok(`UID STORE ${uid} +FLAGS.SILENT (\\Deleted)`)
  await client.ok('EXPUNGE')
  expect([await drafts(), await drafts()]).toEqual(['1 EXPUNGE', '1 EXISTS'])
  // The removal of the old revision is no event. The schedule has ended.
  const { updatedAt } = await server.world.agentmail.inboxes.drafts.get(account.user, draftId)
  expect(await nextDraft()).toEqual({
    event_type: 'draft.updated',
    draft: { inbox_id: account.user, draft_id: draftId, timestamp: updatedAt.toISOString() },
  })
  return edited
}

async function expectSentOnce({ account, client, socket, nextDraft, ...writer }: Writer, subject: string) {
  const { draftId, drafts, sent } = writer
  const { world, mx } = server
  const { send } = await socket.next('message.sent')
  await socket.next('message.delivered')
  expect(await nextDraft()).toMatchObject({
    event_type: 'draft.sent',
    draft: { draft_id: draftId, message_id: send.message_id, thread_id: send.thread_id },
  })
  expect(await drafts()).toBe('1 EXPUNGE')
  expect(await sent()).toBe('1 EXISTS')
  await client.ok('UNSELECT')
  expect(await client.ok('STATUS Drafts (MESSAGES)')).toEqual(['STATUS Drafts (MESSAGES 0)'])
  expect(await client.ok('STATUS Sent (MESSAGES)')).toEqual(['STATUS Sent (MESSAGES 1)'])
  expect((await world.request('GET', `/v0/inboxes/${account.user}/drafts/${draftId}`)).status).toBe(404)
  const { messages } = await world.agentmail.inboxes.messages.list(account.user, { labels: ['sent'] })
  expect(messages.map(({ messageId }) => messageId)).toEqual([send.message_id])
  const arrived = mx.messages.filter(({ data }) => data.includes(`Subject: ${subject}\r\n`))
  expect(arrived).toHaveLength(1)
  expect(arrived[0]!.data).toContain('edited by a person')
  expect(arrived[0]!.data).not.toMatch(/X-Martlet-Draft/i)
  expect(socket.pending.filter(({ event_type: type }) => DRAFT_TYPES.includes(type))).toEqual([])
}

test.each([true, false])('edited in a mail program and sent over submission (new Message-ID: %s)', async (isNew) => {
  const { world } = server
  const subject = `submitted ${isNew}`
  const writer = await draft(subject)
  const { account, draftId } = writer
  const edited = await edit(writer, { isNewMessageId: isNew })
  const shown = await world.agentmail.inboxes.drafts.get(account.user, draftId)
  expect(shown.text).toContain('edited by a person')
  expect([shown.sendAt, shown.sendStatus]).toEqual([undefined, undefined]) // the edited text was not approved
  const program = await openLoggedIn(world, { user: account.user, pass: account.password })
  const raw = edited.replaceAll('\r\n', '\n')
  expect(await sendRaw(program, { from: account.user, to: ['bob@a.test'], raw })).toMatch(/^250 /)
  expect(await writer.client.append('Sent', edited, '(\\Seen) ')).toMatchObject({ status: 'OK' })
  await expectSentOnce(writer, subject)
})

// Only drafts that a call had sent were remembered: an agent that repeated its calls sent the message again.
test('an agent that repeats its calls after a person has sent its draft sends nothing', async () => {
  const { world, mx } = server
  const { user, password } = await createAccount(world)
  const { drafts, messages } = world.agentmail.inboxes
  const request = { to: ['bob@a.test'], subject: 'by the person', text: 'x', clientId: 'plan' }
  const { draftId } = await drafts.create(user, request)
  const program = await openLoggedIn(world, { user, pass: password })
  const raw = `From: ${user}\nTo: bob@a.test\nSubject: by the person\nX-Martlet-Draft: ${draftId}\n\nx`
  expect(await sendRaw(program, { from: user, to: ['bob@a.test'], raw })).toMatch(/^250 /)
  await expect(drafts.create(user, request)).rejects.toMatchObject({ body: { code: 'draft_sent' } })
  const [message] = (await messages.list(user)).messages
  const { messageId, threadId } = message!
  expect(await drafts.send(user, 'plan', {})).toEqual({ messageId, threadId })
  const arrived = () => mx.messages.filter(({ data }) => data.includes('Subject: by the person\r\n'))
  await expect.poll(() => arrived().length).toBe(1)
  expect((await messages.list(user)).count).toBe(1)
})

test('edited in a mail program and sent over the API', async () => {
  const writer = await draft('approved')
  await edit(writer)
  await server.world.agentmail.inboxes.drafts.send(writer.account.user, writer.draftId, {})
  await expectSentOnce(writer, 'approved')
})

test('a draft that a mail program removes is gone from REST; one that it writes is there', async () => {
  const { account, client, draftId, drafts, nextDraft } = await draft('refused')
  await client.ok('STORE 1 +FLAGS (\\Deleted)')
  await client.ok('EXPUNGE')
  while ((await drafts()) !== '1 EXPUNGE');
  expect(await nextDraft()).toMatchObject({ event_type: 'draft.deleted', draft: { draft_id: draftId } })
  const path = `/v0/inboxes/${account.user}/drafts`
  expect((await server.world.request('GET', `${path}/${draftId}`)).status).toBe(404)
  await client.append('Drafts', 'Subject: by hand\r\nTo: bob@a.test\r\n\r\nmine\r\n', '(\\Draft) ')
  const { body } = await server.world.request('GET', path)
  expect(body.drafts.map(({ subject }: { subject: string }) => subject)).toEqual(['by hand'])
  const [{ draft_id, updated_at }] = body.drafts
  const created = { inbox_id: account.user, draft_id, timestamp: updated_at }
  expect(await nextDraft()).toEqual({ event_type: 'draft.created', draft: created })
})

test('changes over the API are in IDLE and on the WebSocket; flags of a mail program are changes, reading is none', async () => {
  const { account, client, draftId, drafts, nextDraft } = await draft('changed over REST')
  const { drafts: api } = server.world.agentmail.inboxes
  const { updatedAt } = await api.update(account.user, draftId, { text: 'written again', sendAt: null as never })
  const updated = { event_type: 'draft.updated', draft: { draft_id: draftId } }
  const event = await nextDraft()
  expect(event).toMatchObject({ ...updated, draft: { timestamp: updatedAt.toISOString() } })
  expect(event.draft).not.toHaveProperty('send_status')
  expect([await drafts(), await drafts()]).toEqual(['1 EXPUNGE', '1 EXISTS'])
  await client.ok('NOOP')
  await client.ok('STORE 1 +FLAGS.SILENT (\\Seen)')
  await client.ok('STORE 1 +FLAGS.SILENT (\\Flagged)')
  expect(await nextDraft()).toMatchObject(updated)
  while (!(await drafts()).startsWith('1 FETCH (FLAGS (\\Draft \\Flagged'));
  await api.delete(account.user, draftId)
  expect(await drafts()).toBe('1 EXPUNGE')
  expect(await nextDraft()).toMatchObject({ event_type: 'draft.deleted', draft: { draft_id: draftId } })
})
