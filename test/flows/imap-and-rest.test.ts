/**
 * One inbox in a mail program, over REST and on the WebSocket: each side's changes appear on the others, as events and
 * as untagged responses. Nothing polls.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ImapClient } from '../imap/imap-client.ts'
import { type Account, createAccount, IMAP_ON } from '../imap/martlet-under-test.ts'
import { openLoggedIn, type SubmissionWorld, sendRaw, startSubmission } from '../submission/submission-world.ts'
import type { Frame, TestSocket } from '../support/socket-client.ts'

const EVENT_TYPES = [
  ...['message.received', 'message.sent', 'message.delivered', 'message.appended'],
  ...['label.added', 'label.removed', 'message.deleted'],
]

const DATE = 'Date: Mon, 30 Nov 2026 12:00:00 +0000'

let server: SubmissionWorld

beforeAll(async () => {
  server = await startSubmission({}, { ...IMAP_ON, MARTLET_THREAD_REPLIES: '1' })
})
afterAll(() => server?.[Symbol.asyncDispose]())

interface Agent extends Account {
  readonly socket: TestSocket
  readonly client: ImapClient
  /** A session in IDLE: `responses(n)` returns what it was sent next. */
  idle(mailbox: string): Promise<{ responses(count: number): Promise<string[]> }>
  /** Receives a message. @returns its message_id */
  receive(subject: string): Promise<string>
  /** Of a message over REST; undefined: not found. */
  labels(messageId: string): Promise<string[] | undefined>
  change(messageId: string, change: { addLabels?: string[]; removeLabels?: string[] }): Promise<void>
  /** The next change of labels on the WebSocket, as "+label" or "-label". */
  nextLabel(): Promise<string>
  messages(labels?: string[]): Promise<string[]>
}

async function openAgent(): Promise<Agent> {
  const { world } = server
  const account = await createAccount(world)
  const { messages } = world.agentmail.inboxes
  const socket = await world.subscribe({ inboxIds: [account.user], eventTypes: EVENT_TYPES })
  return {
    ...account,
    socket,
    client: await ImapClient.logIn(world.imapPort, account),
    async idle(mailbox) {
      const idle = await ImapClient.logIn(world.imapPort, account)
      await idle.ok(`SELECT ${mailbox}`)
      idle.begin('IDLE')
      expect(await idle.response()).toMatch(/^\+ /)
      return {
        async responses(count) {
          const found: string[] = []
          while (found.length < count) found.push((await idle.response()).replace(/^\* /, ''))
          return found
        },
      }
    },
    async receive(subject) {
      await world.smtp.send({ to: account.user, subject, text: subject })
      return (await socket.next('message.received')).message.message_id
    },
    async labels(messageId) {
      const found = await world.request('GET', `/v0/inboxes/${account.user}/messages/${encodeURIComponent(messageId)}`)
      return found.status === 404 ? undefined : found.body.labels.toSorted()
    },
    async change(messageId, change) {
      await messages.update(account.user, messageId, change)
    },
    async nextLabel() {
      const isLabel = ({ event_type: type }: Frame) => type === 'label.added' || type === 'label.removed'
      const { event_type: type, label } = await socket.nextFrame(isLabel)
      return `${type === 'label.added' ? '+' : '-'}${label.label}`
    },
    async messages(labels) {
      const found = await messages.list(account.user, labels && { labels })
      return found.messages.map(({ messageId }) => messageId)
    },
  }
}

test('a message without a Message-ID that the API answers is \\Answered', async () => {
  const agent = await openAgent()
  const { world } = server
  const raw = 'From: ann@example.test\r\nSubject: bare\r\n\r\nquestion\r\n'
  await world.smtp.send({ raw, envelope: { from: 'ann@example.test', to: agent.user } })
  const { message } = await agent.socket.next('message.received')
  const inbox = await agent.idle('INBOX')
  await world.agentmail.inboxes.messages.reply(agent.user, message.message_id, { text: 'answer' })
  expect(await inbox.responses(1)).toEqual(['1 FETCH (FLAGS (\\Answered))'])
})

test('a message that arrives, and each change over REST, is in IDLE', async () => {
  const agent = await openAgent()
  const [inbox, trash] = [await agent.idle('INBOX'), await agent.idle('Trash')]
  const id = await agent.receive('one')
  expect(await inbox.responses(1)).toEqual(['1 EXISTS'])
  await agent.change(id, { removeLabels: ['unread'], addLabels: ['flagged', 'todo'] })
  const [flags, changed] = await inbox.responses(2) // of both: new keywords are announced first (RFC 9051 §7.3.5)
  expect([flags, changed]).toEqual([
    expect.stringMatching(/^FLAGS \(.*\btodo\b.*\)$/),
    expect.stringMatching(/^1 FETCH \(FLAGS \(\\Flagged \\Seen todo\)\)$/),
  ])
  await agent.change(id, { addLabels: ['trash'] })
  expect(await inbox.responses(1)).toEqual(['1 EXPUNGE'])
  expect(await trash.responses(1)).toEqual(['1 EXISTS'])
  await server.world.agentmail.inboxes.messages.delete(agent.user, id)
  expect(await trash.responses(1)).toEqual(['1 EXPUNGE'])
  const { deletion } = await agent.socket.next('message.deleted')
  expect(deletion).toMatchObject({ inbox_id: agent.user, message_id: id, thread_id: expect.any(String) })
  expect(deletion.labels.toSorted()).toEqual(['flagged', 'received', 'todo', 'trash'])
})

test('EMAILID, THREADID and PREVIEW of a message are those of REST', async () => {
  const agent = await openAgent()
  const ids = [await agent.receive('one'), await agent.receive('two')]
  await agent.client.ok('SELECT INBOX')
  const fetched = await agent.client.ok('FETCH 1:2 (EMAILID THREADID PREVIEW)')
  for (const [index, id] of ids.entries()) {
    const path = `/v0/inboxes/${agent.user}/messages/${encodeURIComponent(id)}`
    const { body } = await server.world.request('GET', path)
    expect(fetched[index]).toMatch(
      new RegExp(
        `^${index + 1} FETCH \\(EMAILID \\([\\w-]+\\) THREADID \\(${body.thread_id}\\) PREVIEW "${body.preview}"\\)$`,
      ),
    )
  }
  expect(fetched[0]).toContain('PREVIEW "one"')
})

test('flags that a mail program stores are labels, and events', async () => {
  const agent = await openAgent()
  const id = await agent.receive('one')
  const { client } = agent
  await client.ok('SELECT INBOX')
  await client.ok('STORE 1 +FLAGS (\\Flagged $Forwarded Todo)')
  expect([await agent.nextLabel(), await agent.nextLabel(), await agent.nextLabel()].toSorted()).toEqual([
    ...['+$forwarded', '+flagged', '+todo'],
  ])
  await client.ok('FETCH 1 BODY[TEXT]')
  expect(await agent.nextLabel()).toBe('-unread')
  await client.ok('STORE 1 -FLAGS.SILENT (\\Seen Todo)')
  expect([await agent.nextLabel(), await agent.nextLabel()].toSorted()).toEqual(['+unread', '-todo'])
  expect(await agent.labels(id)).toEqual(['$forwarded', 'flagged', 'received', 'unread'])
})

test('moving and removing: labels over REST, EXPUNGE and EXISTS in the other sessions', async () => {
  const agent = await openAgent()
  const { client } = agent
  await client.ok('CREATE Projects')
  const [inbox, projects] = [await agent.idle('INBOX'), await agent.idle('Projects')]
  const id = await agent.receive('one')
  expect(await inbox.responses(1)).toEqual(['1 EXISTS'])
  await client.ok('SELECT INBOX')
  await client.ok('MOVE 1 Projects')
  expect(await agent.nextLabel()).toBe('+projects')
  expect([await inbox.responses(1), await projects.responses(1)]).toEqual([['1 EXPUNGE'], ['1 EXISTS']])
  await agent.change(id, { removeLabels: ['projects'] })
  expect([await inbox.responses(1), await projects.responses(1)]).toEqual([['1 EXISTS'], ['1 EXPUNGE']])
  await client.ok('NOOP')
  await client.ok('COPY 1 Archive')
  expect([await agent.nextLabel(), await agent.nextLabel()]).toEqual(['-projects', '+archived'])
  expect(await inbox.responses(1)).toEqual(['1 EXPUNGE'])
  await client.ok('SELECT Archive')
  await client.ok('STORE 1 +FLAGS.SILENT (\\Deleted)')
  await client.ok('EXPUNGE')
  expect(await agent.nextLabel()).toBe('+trash')
  expect(await agent.labels(id)).toEqual(['archived', 'received', 'trash', 'unread'])
  await client.ok('SELECT Trash')
  await client.ok('STORE 1 +FLAGS.SILENT (\\Deleted)')
  await client.ok('CLOSE')
  expect((await agent.socket.next('message.deleted')).deletion.message_id).toBe(id)
  expect(await agent.labels(id)).toBeUndefined()
})

test('EXPUNGE in Trash deletes: each message is an event on the WebSocket, and EXPUNGE in the other sessions', async () => {
  const agent = await openAgent()
  const trash = await agent.idle('Trash')
  const ids = [await agent.receive('one'), await agent.receive('two'), await agent.receive('three')]
  for (const id of ids) await agent.change(id, { addLabels: ['trash'] })
  // On a busy machine, one EXISTS reports several messages.
  while ((await trash.responses(1))[0] !== '3 EXISTS');
  const { client, socket } = agent
  await client.ok('SELECT Trash')
  await client.ok('STORE 1,3 +FLAGS.SILENT (\\Deleted)')
  await client.ok('EXPUNGE')
  const deleted = [await socket.next('message.deleted'), await socket.next('message.deleted')]
  expect(deleted.map(({ deletion }) => deletion.message_id)).toEqual([ids[0], ids[2]])
  const gone: string[] = []
  while (gone.length < 2) gone.push(...(await trash.responses(1)).filter((response) => !response.includes('FETCH')))
  expect(gone).toEqual(['3 EXPUNGE', '1 EXPUNGE'])
  await client.ok('STORE 1 +FLAGS.SILENT (\\Deleted)')
  await client.ok('EXPUNGE')
  expect((await socket.next('message.deleted')).deletion.message_id).toBe(ids[1])
  expect(socket.pending.filter(({ event_type: type }) => type === 'message.deleted')).toEqual([])
})

test('spam: moving it to INBOX removes what kept it away', async () => {
  const agent = await openAgent()
  const inbox = await agent.idle('INBOX')
  const id = await agent.receive('one')
  expect(await inbox.responses(1)).toEqual(['1 EXISTS'])
  await agent.change(id, { addLabels: ['spam'] })
  expect(await inbox.responses(1)).toEqual(['1 EXPUNGE'])
  expect(await agent.nextLabel()).toBe('+spam')
  await agent.client.ok('SELECT Spam')
  await agent.client.ok('MOVE 1 INBOX')
  expect(await agent.nextLabel()).toBe('-spam')
  expect(await inbox.responses(1)).toEqual(['1 EXISTS'])
  expect(await agent.labels(id)).toEqual(['received', 'unread'])
})

test('a message that a mail program appends is a message of REST, and was not received', async () => {
  const agent = await openAgent()
  const inbox = await agent.idle('INBOX')
  const { text } = await agent.client.append(
    'INBOX',
    'Message-ID: <old@x.test>\r\nSubject: old\r\n\r\nold\r\n',
    '(\\Seen) ',
  )
  expect(text).toMatch(/^\[APPENDUID \d+ 1\]/)
  const { append } = await agent.socket.next('message.appended')
  expect(await agent.messages()).toEqual([append.message_id])
  expect(await agent.labels(append.message_id)).toEqual(['received'])
  expect(await inbox.responses(1)).toEqual(['1 EXISTS'])
  expect(agent.socket.pending.filter((frame) => frame.event_type === 'message.received')).toEqual([])
})

test('a mail program submits a message and appends it to Sent: it is stored once', async () => {
  const agent = await openAgent()
  const sent = await agent.idle('Sent')
  const lines = [
    `From: ${agent.user}`,
    DATE,
    'To: bob@a.test',
    'Message-ID: <out@mail.localhost>',
    'Subject: out',
    '',
    'out',
  ]
  const program = await openLoggedIn(server.world, { user: agent.user, pass: agent.password })
  const reply = await sendRaw(program, { from: agent.user, to: ['bob@a.test'], raw: lines.join('\n') })
  expect(reply).toMatch(/^250 /)
  const { send } = await agent.socket.next('message.sent')
  const appended = await agent.client.append('Sent', `${lines.join('\r\n')}\r\n`, '(\\Seen \\Flagged) ')
  expect(appended).toMatchObject({ status: 'OK', text: expect.stringMatching(/^\[APPENDUID \d+ 1\]/) })
  await agent.socket.next('message.delivered')
  expect(await sent.responses(2)).toEqual(['1 EXISTS', '1 FETCH (FLAGS (\\Flagged \\Seen))'])
  expect(await agent.client.ok('STATUS Sent (MESSAGES)')).toEqual(['STATUS Sent (MESSAGES 1)'])
  expect(await agent.messages(['sent'])).toEqual([send.message_id])
  expect(agent.socket.pending.filter((frame) => frame.event_type === 'message.appended')).toEqual([])
})

test('a mail program appends a message to Sent and submits it then: it is stored once, signed, and nobody sees Bcc', async () => {
  // It was sent with the bytes of the copy: without a signature, and every recipient saw the Bcc field.
  const agent = await openAgent()
  const { client, user, password } = agent
  const field = (name: string) => new RegExp(`^${name}:`, 'im')
  const raw = [
    DATE,
    `From: ${user}`,
    'To: bob@a.test',
    'Message-ID: <saved@mail.localhost>',
    'Subject: saved first',
    '',
    'out',
  ]
  const copy = ['Bcc: eve@a.test', ...raw]
  await client.append('Sent', `${copy.join('\r\n')}\r\n`, '(\\Seen \\Flagged todo) ')
  await agent.socket.next('message.appended')
  const program = await openLoggedIn(server.world, { user, pass: password })
  expect(await sendRaw(program, { from: user, to: ['bob@a.test', 'eve@a.test'], raw: raw.join('\n') })).toMatch(/^250 /)
  const { send } = await agent.socket.next('message.sent')
  expect(send.message_id).toBe('<saved@mail.localhost>')
  await agent.socket.next('message.delivered')
  // The copy that the submission replaces was not deleted by a user: the message with its id is still there.
  expect(agent.socket.pending.filter((frame) => frame.event_type === 'message.deleted')).toEqual([])
  expect(await client.ok('STATUS Sent (MESSAGES)')).toEqual(['STATUS Sent (MESSAGES 1)'])
  await client.ok('SELECT Sent')
  const [stored] = await client.ok('FETCH 1 (UID FLAGS BODY.PEEK[])')
  expect(stored).toMatch(/^1 FETCH \(UID 2 FLAGS \(\\Flagged \\Seen todo\) /)
  expect(stored).toMatch(field('DKIM-Signature'))
  expect(stored).not.toMatch(field('Bcc'))
  expect(await agent.messages(['sent'])).toEqual([send.message_id])
  for (const { data } of server.mx.messages.filter(({ data }) => data.includes('Subject: saved first'))) {
    expect(data).toMatch(field('DKIM-Signature'))
    expect(data).not.toMatch(field('Bcc'))
  }
})

test.each(['append', 'submit'])(
  'of two messages that share a Message-ID and differ, none is lost (first: %s)',
  async (first) => {
    // An APPEND into Sent was thrown away for its Message-ID alone: a clear text of an encrypted message, for example.
    const agent = await openAgent()
    const { client, user, password } = agent
    const id = `<same.${first}@mail.localhost>`
    const message = (body: string) => [
      DATE,
      `From: ${user}`,
      'To: bob@a.test',
      `Message-ID: ${id}`,
      'Subject: same',
      '',
      body,
    ]
    const append = async () =>
      expect(await client.append('Sent', `${message('in clear text').join('\r\n')}\r\n`)).toMatchObject({
        status: 'OK',
      })
    const submit = async () => {
      const program = await openLoggedIn(server.world, { user, pass: password })
      const reply = await sendRaw(program, { from: user, to: ['bob@a.test'], raw: message('encrypted').join('\n') })
      expect(reply).toMatch(/^250 /)
    }
    for (const act of first === 'append' ? [append, submit] : [submit, append]) await act()
    await client.ok('SELECT Sent')
    const texts = (await client.ok('FETCH 1:* BODY.PEEK[TEXT]')).map((text) => /\r\n(.*)\r\n\)$/s.exec(text)?.[1])
    expect(texts.toSorted()).toEqual(['encrypted', 'in clear text'])
  },
)

test('a message that is saved in Sent stays there while the message that its program submits is held', async () => {
  // The copy was removed, and a message that is held is in no mailbox: the program had lost its text.
  const { client, user, password } = await openAgent()
  const message = (name: string) => [
    DATE,
    `From: ${user}`,
    'To: bob@a.test',
    `Message-ID: <${name}@mail.localhost>`,
    ...(name === 'question' ? [] : ['In-Reply-To: <question@mail.localhost>']),
    'Subject: about',
    '',
    name,
  ]
  const program = await openLoggedIn(server.world, { user, pass: password })
  const submit = async (name: string) =>
    expect(await sendRaw(program, { from: user, to: ['bob@a.test'], raw: message(name).join('\n') })).toMatch(/^250 /)
  await submit('question')
  await submit('answer')
  const held = await server.world.subscribe({ inboxIds: [user], eventTypes: ['message.held'] })
  await client.append('Sent', `${message('saved').join('\r\n')}\r\n`)
  await submit('saved')
  await held.next('message.held')
  expect(await client.ok('STATUS Sent (MESSAGES)')).toEqual(['STATUS Sent (MESSAGES 3)'])
})

test('each side learns of a change by the other within a second', async () => {
  const agent = await openAgent()
  const inbox = await agent.idle('INBOX')
  const id = await agent.receive('one')
  expect(await inbox.responses(1)).toEqual(['1 EXISTS'])
  await agent.client.ok('SELECT INBOX')
  const tookMs: number[] = []
  for (let round = 0; round < 5; round += 1) {
    const isSet = round % 2 === 0
    const changedAt = performance.now()
    await agent.change(id, isSet ? { addLabels: ['flagged'] } : { removeLabels: ['flagged'] })
    expect(await inbox.responses(1)).toEqual([`1 FETCH (FLAGS (${isSet ? '\\Flagged' : '\\Answered'}))`])
    const storedAt = performance.now()
    expect(await agent.nextLabel()).toBe(`${isSet ? '+' : '-'}flagged`)
    await agent.client.ok(`STORE 1 ${isSet ? '+' : '-'}FLAGS (\\Answered)`)
    expect(await agent.nextLabel()).toBe(`${isSet ? '+' : '-'}replied`)
    tookMs.push(storedAt - changedAt, performance.now() - storedAt)
    await inbox.responses(1)
  }
  // The machine of a test may be busy: most of them must be in time.
  expect(tookMs.toSorted((one, other) => one - other)[5]).toBeLessThan(1_000)
})
