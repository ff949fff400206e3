/**
 * Attacks the logins of IMAP: passwords that are wrong, expired, revoked, narrowed or malformed; guessing; and sessions that try to go on after
 * their password was revoked.
 */
import { expect, test } from 'vitest'
import { createLog } from '../../../src/log.ts'
import { type Permission, permissions } from '../../../src/mail/access/permissions.ts'
import { type Answer, ImapClient } from '../imap-client.ts'
import { messageWith, useServer } from '../imap-under-test.ts'
import { type MartletUnderTest, startMartletImap } from '../martlet-under-test.ts'

const server = useServer(() => startMartletImap())
const WRONG = { status: 'NO', text: expect.stringMatching(/^\[AUTHENTICATIONFAILED\]/) }
const base64 = (text: string | Buffer) => Buffer.from(text).toString('base64')

interface Key {
  readonly path: string
  readonly user: string
  readonly password: string
}

async function appPassword(user: string): Promise<Key> {
  const all = `/v0/inboxes/${user}/app-passwords`
  const { body } = await server.current.world.request('POST', all, { body: {} })
  return { user, password: body.password, path: `${all}/${body.app_password_id}` }
}

async function apiKey(user: string, body: object = {}): Promise<Key> {
  const made = await server.current.world.request('POST', `/v0/inboxes/${user}/api-keys`, { body })
  return { user, password: made.body.api_key, path: `/v0/api-keys/${made.body.api_key_id}` }
}

const newUser = async () => (await server.current.createAccount()).user
const open = () => ImapClient.open(server.current.port)

/** Logs in with AUTHENTICATE PLAIN, which can send any bytes. */
async function logIn(user: string, password: string) {
  const client = await open()
  const answer = await client.command(`AUTHENTICATE PLAIN ${base64(`\0${user}\0${password}`)}`)
  client.destroy()
  return answer
}

test('only the exact password of this inbox opens it; the case of the address does not matter', async () => {
  const { user, password } = await appPassword(await newUser())
  const other = await appPassword(await newUser())
  expect(await logIn(user, password)).toMatchObject({ status: 'OK' })
  expect(await logIn(user.toUpperCase(), password)).toMatchObject({ status: 'OK' })
  const [name, domain] = user.split('@')
  for (const [as, pass] of [
    [user, other.password],
    [other.user, password],
    [user, password.toUpperCase()],
    [user, ` ${password}`],
    [user, `${password} `],
    [user, `${password}\n`],
    [user, password.slice(0, -1)],
    [user, `${password}0`],
    [`${name}+tag@${domain}`, password],
    ['agentmail', password],
    [user, 'app_'],
    [user, '%'],
    [user, "' or '1'='1"],
    [user, 'pässwörd'],
  ]) {
    expect(await logIn(as!, pass!), `${as} ${pass}`).toMatchObject(WRONG)
  }
})

test('malformed passwords: empty, NUL, other bytes than UTF-8, very long ones', async () => {
  const { user, password } = await appPassword(await newUser())
  const client = await open()
  for (const response of [
    `\0${user}\0`,
    `\0\0${password}`,
    `\0${user}\0${password}\0`,
    `\0${user}\0a\0b`,
    `${user}\0x`,
  ]) {
    expect(await client.command(`AUTHENTICATE PLAIN ${base64(response)}`), response).toMatchObject({ status: 'BAD' })
  }
  const bytes = Buffer.concat([Buffer.from(`\0${user}\0`), Buffer.from([0xff, 0xfe])])
  expect(await client.command(`AUTHENTICATE PLAIN ${base64(bytes)}`)).toMatchObject({ status: 'BAD' })
  expect(await client.command(`LOGIN ${user} ""`)).toMatchObject(WRONG)
  const withNul = await client.command(`LOGIN ${user} {${password.length + 1}+}\r\n${password}\0`)
  expect(withNul.status).not.toBe('OK')
  expect(await client.command(`LOGIN ${user} {8000+}\r\n${'x'.repeat(8_000)}`)).toMatchObject(WRONG)
  client.send(`z LOGIN ${user} {100000+}\r\n`)
  expect(await client.response()).toMatch(/^\* BYE /)
  await client.closed
})

test('a key that has expired, was deleted or rotated, or may not read does not log in', async () => {
  const { world } = server.current
  const user = await newUser()
  const [deleted, rotated] = [await appPassword(user), await appPassword(user)]
  await world.request('DELETE', deleted.path)
  const renewed = (await world.request('POST', `${rotated.path}/rotate`)).body.password
  expect(await logIn(user, deleted.password)).toMatchObject(WRONG)
  expect(await logIn(user, rotated.password)).toMatchObject(WRONG)
  expect(await logIn(user, renewed)).toMatchObject({ status: 'OK' })
  const expiring = await apiKey(user, { expires_at: new Date(Date.now() + 2_000).toISOString() })
  const session = await ImapClient.logIn(server.current.port, expiring)
  expect(await session.response()).toMatch(/^\* BYE /) // it expires
  expect(await logIn(user, expiring.password)).toMatchObject(WRONG)
  const sender = await apiKey(user, { permissions: { message_send: true } })
  expect(await logIn(user, sender.password)).toMatchObject({
    status: 'NO',
    text: expect.stringMatching(/^\[AUTHORIZATIONFAILED\]/),
  })
})

const SUBJECTS = ['one', 'two', 'three', 'four']
type Change = (client: ImapClient) => Promise<Answer>
const commands = (...all: string[]) =>
  all.map(
    (each): Change =>
      (client) =>
        client.command(each),
  )
const append =
  (mailbox: string): Change =>
  (client) =>
    client.append(mailbox, messageWith('appended'))

test.each<[Permission, string, Change[]]>([
  [
    'message_update',
    'INBOX',
    [
      ...commands('UID STORE 1 +FLAGS (\\Flagged)', 'UID COPY 2 Archive', 'UID MOVE 3 Archive', 'EXPUNGE'),
      ...commands('CREATE Work', 'RENAME Own Other', 'SUBSCRIBE Sent', 'UNSUBSCRIBE Sent', 'DELETE Own2'),
      append('INBOX'),
    ],
  ],
  ['message_delete', 'Trash', commands('UID EXPUNGE 4', 'EXPUNGE')],
  ['draft_delete', 'Drafts', commands('UID EXPUNGE 4', 'EXPUNGE')],
  ['draft_update', 'Drafts', commands('UID STORE 1 +FLAGS (\\Flagged)')],
  ['draft_create', 'Drafts', [append('Drafts')]],
])('without %s, the commands that need it over REST change nothing in %s', async (missing, mailbox, changes) => {
  const user = await newUser()
  const owner = await ImapClient.logIn(server.current.port, await appPassword(user))
  for (const own of ['Own', 'Own2']) await owner.ok(`CREATE ${own}`)
  for (const subject of SUBJECTS) await owner.append(mailbox, messageWith(subject))
  await owner.ok(`SELECT ${mailbox}`)
  await owner.ok('UID STORE 4 +FLAGS.SILENT (\\Deleted)')
  const flags = Object.fromEntries(permissions.map((each) => [each, each !== missing]))
  const client = await ImapClient.logIn(server.current.port, await apiKey(user, { permissions: flags }))
  const state = async () => [
    ...(await owner.ok('UID FETCH 1:* FLAGS')),
    ...(await owner.ok('LIST "" * RETURN (SUBSCRIBED STATUS (MESSAGES))')),
  ]
  const before = await state()
  await client.ok(`SELECT ${mailbox}`)
  for (const [index, change] of changes.entries()) {
    const { status, text } = await change(client)
    expect(`${status} ${text}`, `${index}`).toMatch(/^NO \[(NOPERM|READ-ONLY)\]/)
  }
  expect(await state()).toEqual(before)
  for (const [index, change] of changes.entries())
    expect(await change(owner), `${index}`).toMatchObject({ status: 'OK' })
})

test('guessing: a connection ends after some failures, whether the inbox exists or not', async () => {
  const user = await newUser()
  for (const as of [user, 'nobody@mail.localhost']) {
    const client = await open()
    client.send(Array.from({ length: 50 }, (_, count) => `g${count} LOGIN ${as} guess${count}\r\n`).join(''))
    const responses: string[] = []
    while (!responses.at(-1)?.startsWith('* BYE')) responses.push(await client.response())
    expect(responses.filter((text) => /^g\d+ NO \[AUTHENTICATIONFAILED\]/.test(text))).toHaveLength(5)
    await client.closed
  }
})

test('a refused login is logged at level info, with what fail2ban needs and without the password', async () => {
  const lines: string[] = []
  const logged = await startMartletImap({}, createLog('info', { write: (line) => void lines.push(line) }))
  try {
    const { user } = await logged.createAccount()
    const { body } = await logged.world.request('POST', `/v0/inboxes/${user}/api-keys`, {
      body: { permissions: { message_send: true } },
    })
    const client = await ImapClient.open(logged.port)
    await client.command(`LOGIN ${user} wr0ng-secret`)
    await client.command(`LOGIN "${'n'.repeat(400)}@x.test" wr0ng-secret`)
    await client.command(`LOGIN ${body.api_key} ${user}`) // the fields confused
    await client.command(`LOGIN ${user} ${body.api_key}`)
    client.destroy()
    const refusals = lines.filter((line) => line.includes('"msg":"IMAP login refused"'))
    const common = { level: 'info', session: expect.any(String), remoteAddress: '127.0.0.1' }
    const failed = { ...common, code: 'AUTHENTICATIONFAILED', reason: 'login_failed' }
    expect(refusals.map((line) => JSON.parse(line))).toMatchObject([
      { ...failed, account: user },
      { ...failed, account: `${'n'.repeat(300)}…` },
      failed,
      { ...common, code: 'AUTHORIZATIONFAILED', reason: 'login_forbidden', account: user },
    ])
    // The pattern of docs/operations.md.
    const pattern = /"remoteAddress":"127\.0\.0\.1".*"reason":"login_failed"/
    expect(refusals.map((line) => pattern.test(line))).toEqual([true, true, true, false])
    for (const secret of ['wr0ng-secret', body.api_key]) expect(lines.join('')).not.toContain(secret)
  } finally {
    await logged.stop()
  }
})

test.each(['deleted', 'narrowed', 'rotated'])('in IDLE, a session whose password is %s gets BYE', async (change) => {
  const { world } = server.current
  const user = await newUser()
  const key = change === 'narrowed' ? await apiKey(user) : await appPassword(user)
  const client = await ImapClient.logIn(server.current.port, key)
  await client.ok('SELECT INBOX')
  client.begin('IDLE')
  expect(await client.response()).toMatch(/^\+ /)
  if (change === 'deleted') await world.request('DELETE', key.path)
  if (change === 'rotated') await world.request('POST', `${key.path}/rotate`)
  if (change === 'narrowed') await world.request('PATCH', key.path, { body: { permissions: { message_send: true } } })
  expect(await client.response()).toMatch(/^\* BYE /)
  await client.closed
})

test('a FETCH whose client reads slowly is cut when the password is revoked, and an idle session ends', async () => {
  const { world } = server.current
  const key = await appPassword(await newUser())
  const client = await ImapClient.logIn(server.current.port, key)
  const idle = await ImapClient.logIn(server.current.port, key)
  const large = messageWith('large', 'x'.repeat(70).concat('\r\n').repeat(3_000))
  for (let count = 0; count < 5; count += 1) await client.append('INBOX', large)
  await client.ok('SELECT INBOX')
  client.send(Array.from({ length: 20 }, (_, count) => `f${count} FETCH 1:* BODY.PEEK[]\r\n`).join(''))
  await client.response()
  client.socket.pause() // 20 MB are more than all buffers hold: a FETCH is running
  await world.request('DELETE', key.path)
  expect(await idle.response()).toMatch(/^\* BYE /)
  await idle.closed
  client.socket.resume()
  await client.closed
  // It would follow the FETCH that runs, which its client could read for hours.
  expect(client.unread).not.toContain('* BYE')
  expect(client.unread).not.toContain('f19 OK')
})

test('a change that a revoked password has begun is not made', async () => {
  const { world } = server.current
  const user = await newUser()
  const key = await appPassword(user)
  const client = await ImapClient.logIn(server.current.port, key)
  const message = messageWith('late')
  client.send(`a APPEND INBOX {${message.length}+}\r\n${message.slice(0, 20)}`)
  await world.request('DELETE', key.path)
  client.send(`${message.slice(20)}\r\n`)
  await client.closed
  expect(client.unread).not.toMatch(/^a OK/m)
  const { body } = await world.request('GET', `/v0/inboxes/${user}/messages`)
  expect(body.messages).toEqual([])
})

test('connections of one inbox are limited, and those that end make place', async () => {
  const limited: MartletUnderTest = await startMartletImap({ imap: { connectionsPerAccountMax: 2 } })
  try {
    const account = await limited.createAccount()
    const [first] = [await ImapClient.logIn(limited.port, account), await ImapClient.logIn(limited.port, account)]
    const third = await ImapClient.open(limited.port)
    expect(await third.command(`LOGIN ${account.user} ${account.password}`)).toMatchObject({
      status: 'NO',
      text: expect.stringMatching(/^\[LIMIT\]/),
    })
    await first!.ok('LOGOUT')
    await first!.closed
    await expect.poll(() => third.command(`LOGIN ${account.user} ${account.password}`)).toMatchObject({ status: 'OK' })
  } finally {
    await limited.stop()
  }
})
