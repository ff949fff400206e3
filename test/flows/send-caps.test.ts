/** Caps on the messages per day of an inbox and an organization, and on its inboxes: one rule for each way to send. */
import AgentPost from 'martlet/agentpost'
import { AgentMailClient as AssmblClient } from 'martlet/assmbl'
import { createTransport } from 'nodemailer'
import { expect, test } from 'vitest'
import { notSupported } from '../support/test-database.ts'
import { startNodes, startWorld, type World } from '../support/world.ts'

const NOON = Date.UTC(2026, 10, 30, 12)
const HALF_A_DAY = 43_200

test('an inbox sends as much as its cap, however it sends; what is refused is not stored, and a repeat does not count', async () => {
  let now = NOON
  const env = { MARTLET_INBOX_SENDS: '5', MARTLET_SUBMISSION_PORT: '0' }
  await using world = await startWorld({ env, clock: () => now })
  const inbox = await world.agentmail.inboxes.create({ username: 'ada' })
  const at = `/v0/inboxes/${inbox.inboxId}`
  const { body: created } = await world.request('POST', `${at}/api-keys`, { body: {} })
  const mail = { to: ['bob@remote.test'], subject: 'hello', text: 'hello' }
  const send = (body: object = mail, headers: Record<string, string> = {}) =>
    world.request('POST', `${at}/messages/send`, { body, headers })

  const repeated = { 'idempotency-key': 'one' }
  const first = await send(mail, repeated)
  expect(first.status).toBe(200)
  expect((await send(mail, repeated)).body).toEqual(first.body)
  expect((await send({ ...mail, to: [] })).status).toBeGreaterThanOrEqual(400) // refused ones do not count either
  const agentPost = new AgentPost({ apiKey: world.rootKey, baseUrl: world.url })
  const [ownInbox] = (await agentPost.inboxes.list()).data.filter(({ email }) => email === inbox.email)
  await agentPost.messages.send(ownInbox!.id, { to: [{ email: 'bob@remote.test' }], subject: 's', text_body: 't' })
  const assmbl = new AssmblClient({ baseUrl: world.url, token: created.api_key })
  await assmbl.sendMail({ to: ['bob@remote.test'], subject: 's', body: 't' })
  const { draftId } = await world.agentmail.inboxes.drafts.create(inbox.inboxId, mail)
  await world.agentmail.inboxes.drafts.send(inbox.inboxId, draftId, {})
  await submit(world, inbox.email)

  const stored = async () => (await world.agentmail.inboxes.messages.list(inbox.inboxId)).count
  const count = await stored()
  const refused = await send()
  expect(refused).toMatchObject({
    status: 429,
    body: { code: 'rate_limit_exceeded', message: 'Too many messages sent by this inbox: at most 5 per day' },
  })
  expect(Number(refused.headers.get('retry-after'))).toBe(HALF_A_DAY)
  await expect(submit(world, inbox.email)).rejects.toMatchObject({ responseCode: 451, response: /^451 4\.7\.1 / })
  await expect(assmbl.sendMail({ to: ['bob@remote.test'], subject: 's', body: 't' })).rejects.toMatchObject({
    statusCode: 429,
  })
  expect((await send(mail, repeated)).body).toEqual(first.body) // still the first result
  expect(await stored()).toBe(count)
  // The key of a refused send is free again, and the next day, so is the inbox.
  const later = { 'idempotency-key': 'later' }
  expect((await send(mail, later)).status).toBe(429)
  now += HALF_A_DAY * 1_000
  expect((await send(mail, later)).status).toBe(200)
})

test('an organization has a cap of its own, and another organization is not concerned', async () => {
  await using world = await startWorld({ env: { MARTLET_ORGANIZATION_SENDS: '3', MARTLET_INBOX_SENDS: 'off' } })
  const inboxes = await Promise.all(['a', 'b'].map((username) => world.agentmail.inboxes.create({ username })))
  const send = (inboxId: string) =>
    world.request('POST', `/v0/inboxes/${inboxId}/messages/send`, { body: { to: ['bob@remote.test'], text: 't' } })
  const statuses = await Promise.all([...inboxes, ...inboxes, ...inboxes].map(({ inboxId }) => send(inboxId)))
  expect(statuses.map(({ status }) => status).toSorted()).toEqual([200, 200, 200, 429, 429, 429])
  expect(statuses.find(({ status }) => status === 429)!.body.message).toContain(
    'sent by this organization: at most 3 per day',
  )
})

test('an organization has at most as many inboxes as the operator permits', async () => {
  await using world = await startWorld({ env: { MARTLET_ORGANIZATION_INBOXES: '3' } })
  // The server has made the postmaster's inbox: it does not count. It did, so an operator got one inbox less.
  expect((await world.agentmail.inboxes.list()).inboxes).toMatchObject([{ inboxId: 'postmaster@mail.localhost' }])
  for (let count = 0; count < 3; count += 1) await world.agentmail.inboxes.create({ clientId: `c${count}` })
  const refused = await world.request('POST', '/v0/inboxes', { body: {} })
  expect(refused).toMatchObject({ status: 403, body: { code: 'limit_exceeded' } })
  expect(refused.body.message).toBe('There can be at most 3 inboxes in an organization')
  expect((await world.agentmail.inboxes.create({ clientId: 'c2' })).clientId).toBe('c2') // it exists
  await world.agentmail.inboxes.delete((await world.agentmail.inboxes.create({ clientId: 'c2' })).inboxId)
  await world.agentmail.inboxes.create({ clientId: 'another' })
})

const onTwo = notSupported('sqlite', 'one process uses a data folder')

onTwo('two nodes share the cap of an organization, and the limit of a key', async () => {
  const env = { MARTLET_ORGANIZATION_SENDS: '20', MARTLET_KEY_REQUESTS: '200' }
  await using nodes = await startNodes({}, env)
  const inbox = await nodes.one.agentmail.inboxes.create({ username: 'ada' })
  const path = `/v0/inboxes/${inbox.inboxId}/messages/send`
  const body = { to: ['bob@remote.test'], text: 't' }
  const sent = async (world: World) => (await world.request('POST', path, { body })).status === 200
  const results: boolean[] = []
  for (let count = 0; count < 15; count += 1) results.push(...(await Promise.all(nodes.both.map(sent))))
  const permitted = results.filter(Boolean).length
  // Both may send the last one at the same time, and not see that of the other.
  expect(permitted).toBeGreaterThanOrEqual(20)
  expect(permitted).toBeLessThanOrEqual(21)

  const { body: key } = await nodes.one.request('POST', '/v0/api-keys', { body: {} })
  const began = performance.now()
  const read = async (world: World) => (await world.request('GET', '/v0/auth/me', { key: key.api_key })).status
  const statuses = await Promise.all(Array.from({ length: 600 }, (_, index) => read(nodes.both[index % 2]!)))
  const gained = ((performance.now() - began) / 60_000) * 200
  const answered = statuses.filter((status) => status === 200).length
  expect(statuses.filter((status) => status === 429)).toHaveLength(600 - answered)
  expect(answered).toBeGreaterThanOrEqual(200)
  expect(answered).toBeLessThanOrEqual(200 * 1.1 + gained + 10)
})

async function submit(world: World, user: string): Promise<void> {
  const transport = createTransport({
    ...{ host: '127.0.0.1', port: world.submissionPort, requireTLS: true, tls: { rejectUnauthorized: false } },
    auth: { user, pass: world.rootKey },
  })
  try {
    await transport.sendMail({ from: user, to: 'bob@remote.test', subject: 'by a program', text: 'hello' })
  } finally {
    transport.close()
  }
}
