/** Tests logins of submission: by what they are refused, when they wait, and when their sessions end. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { RawClient } from '../smtp/raw-client.ts'
import {
  openLoggedIn,
  openSecure,
  plain,
  type Sender,
  type SubmissionWorld,
  startSubmission,
  submit,
} from './submission-world.ts'

let server: SubmissionWorld
let ada: Sender
let number = 0

beforeAll(async () => {
  server = await startSubmission()
  ada = await newInbox()
})
afterAll(() => server?.[Symbol.asyncDispose]())

async function newInbox(): Promise<Sender> {
  const { email } = await server.world.agentmail.inboxes.create({ username: `user${++number}` })
  return { user: email, pass: server.world.rootKey }
}

async function newAppPassword(inbox: string, key = server.world.rootKey) {
  const path = `/v0/inboxes/${encodeURIComponent(inbox)}/app-passwords`
  const { status, body } = await server.world.request('POST', path, { body: { name: 'phone' }, key })
  expect(status).toBe(200)
  return { ...body, path: `${path}/${body.app_password_id}` } as {
    password: string
    path: string
    app_password_id: string
  }
}

const base64 = (text: string) => Buffer.from(text).toString('base64')

test('AUTH is offered and accepted inside TLS only', async () => {
  const client = await RawClient.open(server.world.submissionPort)
  expect(await client.command('EHLO client.test')).not.toContain('AUTH')
  expect(await client.command(`AUTH PLAIN ${plain(ada)}`)).toBe(
    '538 5.7.11 Encryption is required before AUTH; send STARTTLS',
  )
  expect(await client.command(`MAIL FROM:<${ada.user}>`)).toBe('530 5.7.0 Send STARTTLS first, then AUTH')
  await client.startTls()
  expect(await client.command('AUTH PLAIN')).toBe('503 5.5.1 Send EHLO first')
  expect(await client.command('EHLO client.test')).toContain('AUTH PLAIN LOGIN')
  expect(await client.command(`MAIL FROM:<${ada.user}>`)).toBe('530 5.7.0 Authentication is required')
  expect(await client.command('RCPT TO:<bob@a.test>')).toBe('503 5.5.1 Send MAIL first')
})

test('PLAIN and LOGIN log in, with and without initial response', async () => {
  const [user, pass] = [base64(ada.user), base64(ada.pass)]
  const dialogues = [
    [[`AUTH PLAIN ${plain(ada)}`, '235']],
    [[`auth plain ${plain(ada, ada.user)}`, '235']],
    [
      ['AUTH PLAIN', '334'],
      [plain(ada), '235'],
    ],
    [
      ['AUTH LOGIN', '334 VXNlcm5hbWU6'],
      [user, '334 UGFzc3dvcmQ6'],
      [pass, '235'],
    ],
    [
      [`AUTH LOGIN ${user}`, '334 UGFzc3dvcmQ6'],
      [pass, '235'],
    ],
  ] as const
  for (const dialogue of dialogues) {
    const client = await openSecure(server.world)
    for (const [line, begin] of dialogue) expect((await client.command(line)).startsWith(begin), line).toBe(true)
    expect(await client.command('AUTH PLAIN')).toBe('503 5.5.1 You are authenticated already')
    expect(await client.command(`MAIL FROM:<${ada.user}> AUTH=<> SIZE=10`)).toBe('250 2.1.0 Sender ok')
    client.socket.destroy()
  }
})

test('malformed, cancelled and unknown exchanges are refused, and the session continues', async () => {
  const client = await openSecure(server.world)
  const refused = [
    [['AUTH'], '501 5.5.4'],
    [['AUTH PLAIN a b'], '501 5.5.4'],
    [['AUTH CRAM-MD5'], '504 5.5.4'],
    [['AUTH PLAIN =='], '501 5.5.2'],
    [['AUTH PLAIN ='], '501 5.5.2'],
    [[`AUTH PLAIN ${base64('no separators')}`], '501 5.5.2'],
    [[`AUTH PLAIN ${base64('\0user\0')}`], '501 5.5.2'],
    [['AUTH PLAIN', '*'], '501 5.7.0'],
    [['AUTH LOGIN', base64('user'), '*'], '501 5.7.0'],
    [['AUTH LOGIN', 'not base64!'], '501 5.5.2'],
    [['AUTH LOGIN', Buffer.from([0xff, 0xfe, 0xfd]).toString('base64')], '501 5.5.2'],
    [['AUTH LOGIN', 'A'.repeat(8_000)], '500 5.5.6'],
    [[`AUTH PLAIN ${plain(ada, 'someone@else.test')}`], '535 5.7.8'],
  ] as const
  for (const [lines, code] of refused) {
    let reply = ''
    for (const line of lines) reply = await client.command(line)
    expect(reply.slice(0, code.length), lines.join(' · ')).toBe(code)
  }
  expect(await client.command('NOOP')).toBe('250 2.0.0 Ok')
  expect(await client.command(`AUTH PLAIN ${plain(ada)}`)).toMatch(/^235 2\.7\.0 /)
})

test('only keys whose scope covers the inbox, and app passwords of the inbox, log in', async () => {
  const { world } = server
  const other = await newInbox()
  const scoped = (inbox: string, permissions?: object) =>
    world.request('POST', `/v0/inboxes/${inbox}/api-keys`, { body: { ...(permissions && { permissions }) } })
  const own = (await scoped(ada.user)).body.api_key
  const foreign = (await scoped(other.user)).body.api_key
  const reader = (await scoped(ada.user, { message_read: true })).body.api_key
  const { password } = await newAppPassword(ada.user)
  const results = [
    [ada.user, own, '235'],
    [ada.user.toUpperCase(), own, '235'],
    [ada.user, password, '235'],
    ['agentmail', own, '235'],
    [ada.user, foreign, '535 5.7.8 The user name or the password is wrong'],
    [ada.user, 'wrong', '535 5.7.8 The user name or the password is wrong'],
    ['nobody@mail.localhost', own, '535 5.7.8 The user name or the password is wrong'],
    [other.user, password, '535 5.7.8 The user name or the password is wrong'],
    ['agentmail', password, '535 5.7.8 The user name or the password is wrong'],
    ['not an address', own, '535 5.7.8 The user name or the password is wrong'],
    [ada.user, reader, '535 5.7.8 The password lacks the permission message_send'],
  ] as const
  for (const [user, pass, begin] of results) {
    const client = await openSecure(world)
    const reply = await client.command(`AUTH PLAIN ${plain({ user, pass })}`)
    expect(reply.slice(0, begin.length), `${user} ${pass}`).toBe(begin)
    client.socket.destroy()
  }
})

test('the user agentmail sends from any inbox in the scope of its key, which MAIL names', async () => {
  const { world } = server
  const other = await newInbox()
  const key = (await world.request('POST', `/v0/inboxes/${ada.user}/api-keys`, { body: {} })).body.api_key
  const sender = { user: 'agentmail', pass: key }
  await submit(world, sender, { from: ada.user, to: other.user })
  await expect(submit(world, sender, { from: other.user, to: ada.user })).rejects.toMatchObject({
    response: `553 5.7.1 Sender not authorized: ${other.user} is not the address of this login`,
  })
})

test('an app password opens no API', async () => {
  const { password } = await newAppPassword(ada.user)
  expect((await server.world.request('GET', '/v0/auth/me', { key: password })).status).toBe(401)
})

test('app passwords are listed without their text, rotated, and deleted', async () => {
  const { world } = server
  const { user } = await newInbox()
  const made = await newAppPassword(user)
  const listed = async () => (await world.request('GET', `/v0/inboxes/${user}/app-passwords`)).body.app_passwords
  const shown = { app_password_id: made.app_password_id, name: 'phone', inbox_id: user }
  expect(await listed()).toEqual([expect.objectContaining(shown)])
  expect(JSON.stringify(await listed())).not.toContain(made.password)
  expect((await world.request('GET', `/v0/inboxes/${user}/api-keys`)).body.api_keys).toEqual([])
  expect((await world.request('DELETE', `/v0/api-keys/${made.app_password_id}`)).status).toBe(404)
  const refused = await world.request('GET', '/v0/inboxes', { key: made.password })
  const message = 'This is an app password, which is only for mail programs (IMAP and SMTP)'
  expect(refused).toMatchObject({ status: 401, body: { code: 'unknown_api_key', message } })

  const rotated = (await world.request('POST', `${made.path}/rotate`)).body
  expect(rotated).toMatchObject({ ...shown, password: expect.stringMatching(/^app_[0-9a-f]{40}$/) })
  const client = await openSecure(world)
  expect(await client.command(`AUTH PLAIN ${plain({ user, pass: made.password })}`)).toMatch(/^535 /)
  expect(await client.command(`AUTH PLAIN ${plain({ user, pass: rotated.password })}`)).toMatch(/^235 /)

  expect((await world.request('DELETE', made.path)).status).toBe(204)
  expect(await client.reply()).toBe('421 4.7.0 The password was revoked or changed; log in again')
  expect(await listed()).toEqual([])
})

test('a key makes no app password that may do more than itself, and rotates none', async () => {
  const { world } = server
  const permissions = { api_key_create: true, api_key_update: true, api_key_delete: true, message_send: true }
  const expires = new Date(Date.now() + 3_600_000).toISOString()
  const body = { permissions, expires_at: expires }
  const { api_key: key } = (await world.request('POST', `/v0/inboxes/${ada.user}/api-keys`, { body })).body
  const made = (await world.request('POST', `/v0/inboxes/${ada.user}/app-passwords`, { body: {}, key })).body
  expect(made.expires_at).toBe(expires)
  expect(Object.entries(made.permissions).flatMap(([name, isSet]) => (isSet ? [name] : []))).toEqual(['message_send'])
  const stronger = await newAppPassword(ada.user)
  expect((await world.request('POST', `${stronger.path}/rotate`, { key })).status).toBe(403)
  expect((await world.request('DELETE', stronger.path, { key })).status).toBe(403)
})

test.each(['deleted', 'narrowed', 'rotated'])('a session ends when its password is %s', async (change) => {
  const { world } = server
  const { user } = await newInbox()
  const key = (await world.request('POST', `/v0/inboxes/${user}/api-keys`, { body: {} })).body
  const { password, path } = await newAppPassword(user)
  const pass = change === 'rotated' ? password : key.api_key
  const client = await openLoggedIn(world, { user, pass })
  const keyPath = `/v0/api-keys/${key.api_key_id}`
  if (change === 'deleted') await world.request('DELETE', keyPath)
  if (change === 'narrowed') await world.request('PATCH', keyPath, { body: { permissions: { message_read: true } } })
  if (change === 'rotated') await world.request('POST', `${path}/rotate`)
  expect(await client.rest()).toBe('421 4.7.0 The password was revoked or changed; log in again\r\n')
})

test('a message that is under way when its key is deleted is not sent', async () => {
  const { world } = server
  const { user } = await newInbox()
  const key = (await world.request('POST', `/v0/inboxes/${user}/api-keys`, { body: {} })).body
  const client = await openLoggedIn(world, { user, pass: key.api_key })
  for (const command of [`MAIL FROM:<${user}>`, `RCPT TO:<${ada.user}>`, 'DATA']) await client.command(command)
  await world.request('DELETE', `/v0/api-keys/${key.api_key_id}`)
  client.send(`From: ${user}\r\n\r\nx\r\n.\r\n`)
  expect(await client.reply()).toBe('530 5.7.0 The API key is unknown, was deleted, or has expired')
  expect((await world.agentmail.inboxes.messages.list(user)).messages).toEqual([])
})
