/**
 * Tests null in requests that send or label. The clients send it for an optional argument that their caller sets to None or null:
 * `send(inbox, to=…, cc=cc)` in Python, where `cc` is None.
 */
import { expect, test } from 'vitest'
import { startWorld } from '../../support/world.ts'

const unset = { labels: null, reply_to: null, cc: null, bcc: null, html: null, headers: null, track_opens: null }

test('null means the same as an absent member, in every send and in changes of labels', async () => {
  await using world = await startWorld()
  const { inboxId } = await world.agentmail.inboxes.create({ username: 'ada' })
  const { messages } = world.agentmail.inboxes
  const nothing = { cc: null, bcc: null, replyTo: null, labels: null, html: null, attachments: null } as never as object
  const { messageId, threadId } = await messages.send(inboxId, { to: inboxId, subject: 's', text: 'x', ...nothing })
  const sent = await messages.get(inboxId, messageId)
  expect(sent).toMatchObject({ to: [inboxId], subject: 's', text: 'x' })
  for (const name of ['cc', 'bcc', 'replyTo', 'html', 'attachments']) expect(sent, name).not.toHaveProperty(name)

  const all = `/v0/inboxes/${inboxId}/messages`
  const one = `${all}/${encodeURIComponent(messageId)}`
  const post = (path: string, body: object) => world.request('POST', path, { body: { ...unset, ...body } })
  const attachment = { content: 'eA==', url: null, filename: null, content_type: null, content_id: null }
  const attached = { ...attachment, content_disposition: null }
  for (const [path, body] of [
    [all, { to: 'a@b.test', subject: null, text: 'x' }],
    [`${one}/reply`, { to: null, text: 'x', reply_all: null, attachments: [attached] }],
    [`${one}/reply-all`, { to: null, text: 'x', reply_all: null }],
    [`${one}/forward`, { to: 'a@b.test', text: null, subject: null }],
    [`/api/v0${all.slice(3)}/send`, { to: 'a@b.test', text: 'x' }],
  ] as const) {
    expect((await post(path, body)).status, path).toBe(200)
  }
  // A repeat may leave out what was null: it is the same content.
  const headers = { 'idempotency-key': 'once' }
  const mail = { to: 'a@b.test', text: 'y' }
  const first = await world.request('POST', `${all}/send`, { headers, body: { ...mail, ...unset } })
  expect((await world.request('POST', `${all}/send`, { headers, body: mail })).body).toEqual(first.body)

  const labels = async (path: string, body: object) => (await world.request('PATCH', path, { body })).body.labels
  expect(await labels(one, { add_labels: 'mine', remove_labels: null })).toContain('mine')
  expect(await labels(`/v0/threads/${threadId}`, { add_labels: null, remove_labels: ['mine'] })).not.toContain('mine')
  const batch = { message_ids: [messageId], add_labels: ['mine'], remove_labels: null }
  expect((await post(`${all}/batch-update`, batch)).body.updates[0].labels).toContain('mine')
})

test('null is refused where it would mean more than nothing, and an error does not ask for it', async () => {
  await using world = await startWorld()
  const { inboxId } = await world.agentmail.inboxes.create({ username: 'ada' })
  const all = `/v0/inboxes/${inboxId}/messages`
  const post = async (path: string, body: object) => {
    const answer = await world.request('POST', path, { body })
    return [answer.status, answer.body.message]
  }
  expect(await post(`${all}/send`, { to: null, text: 'x' })).toEqual([422, expect.stringContaining('recipient')])
  expect(await post(`${all}/send`, { to: 'a@b.test', hold: null })).toEqual([400, 'hold must be a boolean'])
  expect(await post(`${all}/send`, { to: [null] })).toEqual([400, 'to.0 must be "address" or "Name <address>"'])
  expect(await post(`${all}/send`, { to: 'a@b.test', text: 5 })).toEqual([400, 'text must be a string'])
  expect((await post(`${all}/send`, { to: 'a@b.test', attachments: [{ content: null }] }))[0]).toBe(400)
  // A list of inboxes that is null by mistake would select all.
  expect((await post('/v0/webhooks', { url: 'http://127.0.0.1:9/', inbox_ids: null }))[0]).toBe(400)
  const nothing = { add_labels: null, remove_labels: null }
  expect((await world.request('PATCH', `${all}/x`, { body: nothing })).status).toBe(400)
})
