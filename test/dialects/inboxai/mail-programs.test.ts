/**
 * Tests the credentials of an inbox with Python's smtplib and imaplib and with nodemailer: they log in with what the creation of
 * the inbox returned, and nothing else. Needs ports of mail programs, which most servers of tests do not have.
 */
import { execFile, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { ImapFlow } from 'imapflow'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { mailServersOf } from '../../../src/server/mail-servers.ts'
import { type SubmissionWorld, startSubmission, submit } from '../../submission/submission-world.ts'

const run = promisify(execFile)

let server: SubmissionWorld
beforeAll(async () => {
  server = await startSubmission({}, { MARTLET_IMAPS_PORT: '0' })
})
afterAll(() => server?.[Symbol.asyncDispose]())

async function ok(method: string, path: string, body?: unknown) {
  const answer = await server.world.request(method, `/api/v0${path}`, { ...(body !== undefined && { body }) })
  expect(answer.status, JSON.stringify(answer.body)).toBeLessThan(300)
  return answer.body
}

interface Login {
  readonly host: string
  readonly port: number
  readonly username: string
  readonly password: string
}

const hasNoPython = spawnSync('python3', ['--version']).status !== 0

/** Sends over STARTTLS, with the values as they were returned. */
function send({ host, port, username, password }: Login, subject: string) {
  const options = { host, port, secure: false, requireTLS: true, tls: { rejectUnauthorized: false } }
  return submit(server.world, { user: username, pass: password }, { to: 'bob@a.test', subject }, options)
}

test('nodemailer sends with the smtp object of a new inbox, and the sent message is in REST', async () => {
  const inbox = await ok('POST', '/inboxes', { username: 'mailer' })
  expect(inbox.smtp).toMatchObject({
    host: '127.0.0.1',
    port: server.world.submissionPort,
    username: 'mailer@mail.localhost',
  })
  const { messageId } = await send(inbox.smtp, 'by nodemailer')
  const { messages } = await ok('GET', `/inboxes/${inbox.inbox_id}/messages`)
  expect(messages).toMatchObject([{ header_message_id: messageId, subject: 'by nodemailer', to: ['bob@a.test'] }])
})

test.skipIf(hasNoPython)('smtplib sends with the smtp object', async () => {
  const inbox = await ok('POST', '/inboxes', { username: 'python' })
  const program = `
import json, smtplib, ssl, sys
smtp = json.loads(sys.argv[1])
tls = ssl.create_default_context()
tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
with smtplib.SMTP(smtp["host"], smtp["port"]) as server:
    server.starttls(context=tls)
    server.login(smtp["username"], smtp["password"])
    server.sendmail(smtp["username"], ["bob@a.test"], f"From: {smtp['username']}\\r\\nTo: bob@a.test\\r\\nSubject: by smtplib\\r\\n\\r\\nHi\\r\\n")
`
  await run('python3', ['-c', program, JSON.stringify(inbox.smtp)])
  const { messages } = await ok('GET', `/inboxes/${inbox.inbox_id}/messages`)
  expect(messages).toMatchObject([{ subject: 'by smtplib', labels: expect.arrayContaining(['sent']) }])
})

test('the servers are those of the settings, else the hostname, or the address if the name is only for this machine', () => {
  const ports = { submission: 2587, imaps: undefined }
  const local = { host: '0.0.0.0', hostname: 'mail.localhost', publicImap: undefined, publicSmtp: undefined }
  expect(mailServersOf(local, ports)).toEqual({ smtp: { host: '127.0.0.1', port: 2587 }, imap: undefined })
  const real = { ...local, hostname: 'mail.example.com' }
  expect(mailServersOf(real, ports).smtp).toEqual({ host: 'mail.example.com', port: 2587 })
  const publicSmtp = { host: 'smtp.example.com', port: 587 }
  expect(mailServersOf({ ...real, publicSmtp }, { ...ports, submission: undefined }).smtp).toBe(publicSmtp)
  expect(mailServersOf(real, { submission: undefined, imaps: undefined })).toEqual({ smtp: undefined, imap: undefined })
})

/** Runs steps with Python's imaplib. @returns status and data of each */
async function withImaplib(imap: Login, ...steps: (string | null)[][]): Promise<(string | null)[][]> {
  const program = join(import.meta.dirname, 'imap-steps.py')
  const { stdout } = await run('python3', [program, JSON.stringify(imap), JSON.stringify(steps)])
  return stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
}

test.skipIf(hasNoPython)('imaplib and REST see one mailbox: flags, moves and sent mail, both ways', async () => {
  const inbox = await ok('POST', '/inboxes', { username: 'shared' })
  expect(inbox.imap).toEqual({ ...inbox.smtp, port: server.world.imapsPort }) // one password for both
  const question = { from: 'ann@a.test', to: inbox.email_address, subject: 'question', text: 'What?' }
  await server.world.smtp.send(question)
  const at = `/inboxes/${inbox.inbox_id}/messages`
  const rest = async (query = '') => (await ok('GET', `${at}${query}`)).messages

  const [, , fetched] = await withImaplib(
    inbox.imap,
    ['select', 'INBOX'],
    ['uid', 'SEARCH', null, 'UNSEEN', 'SUBJECT', 'question'],
    ['uid', 'FETCH', '1', '(FLAGS BODY.PEEK[TEXT])'],
    ['uid', 'STORE', '1', '+FLAGS', '(\\Seen \\Flagged urgent)'],
  )
  expect(fetched!.join(' ')).toMatch(/FLAGS \([^)]*\).*What\?/s)
  const [item] = await rest()
  expect(item.labels.toSorted()).toEqual(['flagged', 'received', 'urgent'])

  await ok('PATCH', `${at}/${item.message_id}`, { add_labels: ['unread'], remove_labels: ['urgent'] })
  const [, flags] = await withImaplib(inbox.imap, ['select', 'INBOX'], ['uid', 'FETCH', '1', '(FLAGS)'])
  expect(flags![1]).toMatch(/\\Flagged/)
  expect(flags![1]).not.toMatch(/\\Seen|urgent/)

  await send(inbox.smtp, 'sent by SMTP')
  const reply = await ok('POST', `${at}/${item.message_id}/reply`, { text: 'That.' })
  const [, sent] = await withImaplib(
    inbox.imap,
    ['select', 'Sent'],
    ['uid', 'FETCH', '1:*', '(BODY.PEEK[HEADER.FIELDS (SUBJECT)])'],
  )
  expect(sent!.join(' ')).toMatch(/sent by SMTP.*Re: question/s)
  expect((await rest()).map((each: { subject: string }) => each.subject)).toEqual([
    'Re: question',
    'sent by SMTP',
    'question',
  ])
  await withImaplib(
    inbox.imap,
    ['select', 'INBOX'],
    ['uid', 'COPY', '1', 'Trash'],
    ['uid', 'STORE', '1', '+FLAGS', '(\\Deleted)'],
    ['expunge'],
  )
  expect((await rest()).map((each: { message_id: string }) => each.message_id)).not.toContain(item.message_id)
  expect(await ok('GET', `${at}/${item.message_id}`)).toMatchObject({ labels: expect.arrayContaining(['trash']) })
  expect(await rest('?include_trash=true')).toHaveLength(3)
  expect(reply.thread_id).toBe(item.thread_id)
})

test('drafts of the API are in the mail program and the other way round, with the id and the credentials of this dialect', async () => {
  const { inbox_id, email_address, imap } = await ok('POST', '/inboxes', { username: 'drafter' })
  // The dialect has no calls for drafts: the same key uses those of AgentMail's API.
  const at = `/v0/inboxes/${inbox_id}/drafts`
  const drafts = async () => (await server.world.request('GET', at)).body.drafts as { subject: string; to: string[] }[]
  const body = { to: ['bob@a.test'], subject: 'by the agent', text: 'draft' }
  const made = (await server.world.request('POST', at, { body })).body
  expect(made.inbox_id).toBe(email_address)

  const { host, port, username: user, password: pass } = imap
  const tls = { rejectUnauthorized: false }
  const program = new ImapFlow({ host, port, secure: true, logger: false, tls, auth: { user, pass } })
  await program.connect()
  await program.mailboxOpen('Drafts')
  const fetched = await program.fetchOne('1', { envelope: true, flags: true })
  expect(fetched).toMatchObject({ envelope: { subject: 'by the agent' } })
  await program.append('Drafts', 'Subject: by the person\r\nTo: bob@a.test\r\n\r\nx\r\n', ['\\Draft'])
  expect((await drafts()).map(({ subject }) => subject).toSorted()).toEqual(['by the agent', 'by the person'])

  expect((await server.world.request('DELETE', `${at}/${made.draft_id}`)).status).toBe(204)
  await program.noop()
  expect(program.mailbox).toMatchObject({ exists: 1 })
  await program.messageDelete('1:*')
  await program.logout()
  expect(await drafts()).toEqual([])
})

test('credentials are rotated, added and deleted; a password that was replaced opens nothing', async () => {
  const inbox = await ok('POST', '/inboxes', { username: 'rotated' })
  const at = `/inboxes/${inbox.inbox_id}/credentials`
  const rotated = await ok('POST', `${at}/${inbox.credential_id}/rotate`)
  expect(rotated).toMatchObject({ credential_id: inbox.credential_id, inbox_id: inbox.inbox_id, name: 'IMAP and SMTP' })
  expect(rotated.smtp).toEqual({ ...inbox.smtp, password: expect.stringMatching(/^app_/) })
  expect(rotated.smtp.password).not.toBe(inbox.smtp.password)
  await send(rotated.smtp, 'new')
  await expect(send(inbox.smtp, 'old')).rejects.toMatchObject({ responseCode: 535 })

  const phone = await ok('POST', at, { name: 'phone' })
  await send(phone.smtp, 'phone')
  const { credentials } = await ok('GET', at)
  expect(credentials).toMatchObject([{ name: 'phone' }, { name: 'IMAP and SMTP' }])
  expect(JSON.stringify(credentials)).not.toContain('password')
  await ok('DELETE', `${at}/${phone.credential_id}`)
  await expect(send(phone.smtp, 'deleted')).rejects.toMatchObject({ responseCode: 535 })
  // It opens this inbox alone, and no API.
  const other = await ok('POST', '/inboxes', { username: 'other' })
  await expect(send({ ...rotated.smtp, username: other.email_address }, 'x')).rejects.toMatchObject({
    responseCode: 535,
  })
  expect((await server.world.request('GET', '/api/v0/inboxes', { key: rotated.smtp.password })).status).toBe(401)
})
