/** Tests the limit of keywords in a mailbox, and how mail programs learn of many. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ImapClient } from '../imap/imap-client.ts'
import { messageWith } from '../imap/imap-under-test.ts'
import { type MartletUnderTest, startMartletImap } from '../imap/martlet-under-test.ts'

let server: MartletUnderTest

beforeAll(async () => {
  server = await startMartletImap({ mailboxes: { keywordsMax: 5 } })
})
afterAll(() => server?.stop())

const permanentFlags = (responses: readonly string[]) =>
  responses.flatMap((text) => /\[PERMANENTFLAGS \((.*?)\)\]/.exec(text)?.[1] ?? [])[0]?.split(' ')

test('a mailbox has at most keywordsMax keywords: STORE is refused, APPEND leaves them out, and "\\*" is gone', async () => {
  const account = await server.createAccount()
  const client = await ImapClient.logIn(server.port, account)
  await client.ok('CREATE Work')
  for (const subject of ['one', 'two']) await client.append('Work', messageWith(subject))
  const before = permanentFlags(await client.ok('SELECT Work'))
  expect(before).toContain('\\*')
  await client.ok('STORE 1 +FLAGS (k1 k2 k3 k4)')
  expect(await client.command('STORE 2 +FLAGS (k5 k6)')).toMatchObject({
    status: 'NO',
    text: expect.stringMatching(/^\[LIMIT\]/),
  })
  expect(await client.ok('FETCH 2 FLAGS')).toEqual(['2 FETCH (FLAGS ())'])
  await client.ok('STORE 2 +FLAGS (K1 k5)')
  const full = permanentFlags(await client.ok('SELECT Work'))
  expect(full).not.toContain('\\*')
  expect(full).toEqual(expect.arrayContaining(['k1', 'k5', '\\Seen'])) // these can still be stored
  await client.ok('STORE 2 FLAGS (k2 k5)')
  expect(await client.command('STORE 1:2 FLAGS (k9 k1)')).toMatchObject({ status: 'NO' })
  const { text } = await client.append('Work', messageWith('three'), '(\\Seen k9) ')
  expect(text).toMatch(/^\[APPENDUID \d+ 3\]/)
  expect(await client.ok('FETCH 3 FLAGS')).toEqual(['3 FETCH (FLAGS (\\Seen))'])
  // Another login, while the mailbox is not open.
  client.destroy()
  const other = await ImapClient.logIn(server.port, account)
  await other.append('Work', messageWith('four'), '(k9 k2) ')
  await other.append('Work', messageWith('five'), '(k2) ')
  await other.ok('SELECT Work')
  expect(await other.ok('FETCH 4:5 FLAGS')).toEqual(['4 FETCH (FLAGS ())', '5 FETCH (FLAGS (k2))'])
  // Removing the last message with a keyword makes space.
  await other.ok('STORE 1:* -FLAGS (k4)')
  await other.ok('STORE 1 +FLAGS (k6)')
})

test('many keywords of the API are announced once, not once for each', async () => {
  const { world } = server
  const account = await server.createAccount()
  const client = await ImapClient.logIn(server.port, account)
  for (let count = 0; count < 20; count += 1) await client.append('INBOX', messageWith(`m${count}`))
  await client.ok('SELECT INBOX')
  const path = `/v0/inboxes/${account.user}/messages`
  const { body } = await world.request('GET', `${path}?limit=100`)
  for (const [index, { message_id }] of body.messages.entries()) {
    await world.request('PATCH', `${path}/${encodeURIComponent(message_id)}`, {
      body: { add_labels: [`label-${index}`] },
    })
  }
  const responses = await client.ok('NOOP')
  expect(responses.filter((text) => text.startsWith('FLAGS '))).toHaveLength(1)
  expect(responses.filter((text) => / FETCH /.test(text))).toHaveLength(20)
})
