/**
 * Tests submission with real mail programs: the same message must appear in REST, on the WebSocket and at its recipients.
 * swaks and mutt are tested where they are installed.
 */
import { execFile, spawnSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { verifySignature } from '../support/dkim-verify.ts'
import type { TestSocket } from '../support/socket-client.ts'
import { type Sender, type SubmissionWorld, startSubmission, submit } from './submission-world.ts'

const run = promisify(execFile)

let server: SubmissionWorld
let ada: Sender
let socket: TestSocket
let folder: string

beforeAll(async () => {
  server = await startSubmission()
  const { world } = server
  const { email } = await world.agentmail.inboxes.create({ username: 'ada' })
  const { body } = await world.request('POST', `/v0/inboxes/${email}/app-passwords`, { body: {} })
  ada = { user: email, pass: body.password }
  socket = await world.subscribe({ inboxIds: [email] })
  folder = await mkdtemp(join(tmpdir(), 'martlet-test-'))
})
afterAll(async () => {
  await server?.[Symbol.asyncDispose]()
  if (folder) await rm(folder, { recursive: true, force: true })
})

/** Checks that a message with this subject was sent once, and arrives signed. */
async function expectSent(subject: string): Promise<void> {
  const { world, mx } = server
  const { send } = await socket.next('message.sent')
  expect(send.recipients).toEqual(['bob@a.test'])
  const shown = await world.agentmail.inboxes.messages.get(ada.user, send.message_id)
  expect(shown).toMatchObject({
    subject,
    to: [expect.stringContaining('bob@a.test')],
    labels: expect.arrayContaining(['sent']),
  })
  const arrived = () => mx.messages.find(({ data }) => data.includes(`Subject: ${subject}\r\n`))
  await mx.until(() => arrived() !== undefined)
  expect(await verifySignature(arrived()!.data, world)).toBe('pass')
}

function isInstalled(program: string): boolean {
  return spawnSync('which', [program]).status === 0
}

const tlsOptions = { rejectUnauthorized: false }

test('nodemailer sends over implicit TLS, with an API key: the recipient here gets it too', async () => {
  const { world } = server
  const bob = await world.agentmail.inboxes.create({ username: 'bob' })
  const received = await world.subscribe({ inboxIds: [bob.inboxId] })
  const info = await submit(world, { ...ada, pass: world.rootKey }, { to: bob.email, subject: 'to an inbox' })
  expect(info.response).toBe(`250 2.0.0 Ok: queued as ${info.messageId}`)
  const { send } = await socket.next('message.sent')
  expect(send).toMatchObject({ inbox_id: ada.user, message_id: info.messageId, recipients: [bob.email] })
  expect((await received.next('message.received')).message).toMatchObject({
    inbox_id: bob.email,
    subject: 'to an inbox',
  })
  const { messages } = await world.agentmail.inboxes.messages.list(ada.user)
  expect(messages.filter(({ messageId }) => messageId === info.messageId)).toHaveLength(1)
})

test.each(['PLAIN', 'LOGIN'])('nodemailer sends over STARTTLS with AUTH %s', async (authMethod) => {
  const port = server.world.submissionPort
  const options = { port, secure: false, requireTLS: true, authMethod, tls: tlsOptions }
  await submit(server.world, ada, { to: 'bob@a.test', subject: `nodemailer ${authMethod}` }, options)
  await expectSent(`nodemailer ${authMethod}`)
})

test('Python smtplib sends over STARTTLS and over implicit TLS', async () => {
  const program = `
import smtplib, ssl, sys
from email.message import EmailMessage
user, password, port, tls_port = sys.argv[1:]
context = ssl._create_unverified_context()
def send(client, subject):
    message = EmailMessage()
    message['From'], message['To'], message['Subject'] = user, 'bob@a.test', subject
    message.set_content('hello')
    client.login(user, password)
    client.send_message(message)
    client.quit()
client = smtplib.SMTP('127.0.0.1', int(port))
client.starttls(context=context)
send(client, 'smtplib STARTTLS')
send(smtplib.SMTP_SSL('127.0.0.1', int(tls_port), context=context), 'smtplib TLS')
`
  const { submissionPort, submissionsPort } = server.world
  await run('python3', ['-c', program, ada.user, ada.pass, `${submissionPort}`, `${submissionsPort}`])
  await expectSent('smtplib STARTTLS')
  await expectSent('smtplib TLS')
})

test('curl sends over STARTTLS and over implicit TLS', async () => {
  for (const [url, name] of [
    [`smtp://127.0.0.1:${server.world.submissionPort}`, 'curl STARTTLS'],
    [`smtps://127.0.0.1:${server.world.submissionsPort}`, 'curl TLS'],
  ] as const) {
    const file = join(folder, 'message')
    await writeFile(file, `From: ${ada.user}\r\nTo: bob@a.test\r\nSubject: ${name}\r\n\r\nhello\r\n`)
    const envelope = ['--mail-from', ada.user, '--mail-rcpt', 'bob@a.test', '--upload-file', file]
    await run('curl', ['-sSk', '--ssl-reqd', url, '--user', `${ada.user}:${ada.pass}`, ...envelope])
    await expectSent(name)
  }
})

test.skipIf(!isInstalled('swaks'))('swaks sends over STARTTLS and over implicit TLS', async () => {
  const { submissionPort, submissionsPort } = server.world
  const login = ['--auth-user', ada.user, '--auth-password', ada.pass]
  for (const [how, port, auth] of [
    ['--tls', submissionPort, 'PLAIN'],
    ['--tls-on-connect', submissionsPort, 'LOGIN'],
  ] as const) {
    const to = ['--server', '127.0.0.1', '--port', `${port}`, how, '--auth', auth, ...login]
    await run('swaks', [...to, '--from', ada.user, '--to', 'bob@a.test', '--header', `Subject: swaks ${auth}`])
    await expectSent(`swaks ${auth}`)
  }
})

test.skipIf(!isInstalled('mutt'))('mutt sends over implicit TLS', async () => {
  const settings = join(folder, 'muttrc')
  const url = `smtps://${encodeURIComponent(ada.user)}@127.0.0.1:${server.world.submissionsPort}/`
  await writeFile(
    settings,
    [
      ...[
        `set smtp_url="${url}"`,
        `set smtp_pass="${ada.pass}"`,
        `set from="${ada.user}"`,
        'set copy=no',
        'unset ssl_verify_host',
      ],
      ...[
        'set ssl_verify_dates=no',
        `set certificate_file="${join(folder, 'certificate.pem')}"`,
        'set use_envelope_from=yes',
      ],
    ].join('\n'),
  )
  await writeFile(join(folder, 'certificate.pem'), await certificateOf(server.world.submissionsPort))
  const sending = run('mutt', ['-n', '-F', settings, '-s', 'mutt TLS', 'bob@a.test'], {
    env: { ...process.env, HOME: folder },
  })
  sending.child.stdin!.end('hello\n')
  await sending
  await expectSent('mutt TLS')
})

async function certificateOf(port: number): Promise<string> {
  const { connect } = await import('node:tls')
  const client = connect({ host: '127.0.0.1', port, rejectUnauthorized: false })
  await new Promise((resolve) => client.once('secureConnect', resolve))
  const { raw } = client.getPeerCertificate()
  client.destroy()
  return `-----BEGIN CERTIFICATE-----\n${raw
    .toString('base64')
    .match(/.{1,64}/g)!
    .join('\n')}\n-----END CERTIFICATE-----\n`
}
