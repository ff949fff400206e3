/** Tests who may change a draft, which shows it, and that a change that changes nothing is none. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { toPrefixedId } from '../../src/formats/base32-ids.ts'
import { startWorld, type World } from '../support/world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
})
afterAll(() => world[Symbol.asyncDispose]())

async function keyWith(inboxId: string, ...granted: readonly string[]): Promise<string> {
  const permissions = Object.fromEntries(granted.map((flag) => [flag, true]))
  const { body } = await world.request('POST', `/v0/inboxes/${inboxId}/api-keys`, { body: { permissions } })
  return body.api_key
}

// A key that could not read drafts read any of them with an empty change.
test.each([
  ['AgentMail', (inboxId: string, id: string) => `/v0/inboxes/${inboxId}/drafts/${id}`],
  ['AgentPost', (_inboxId: string, id: string) => `/api/v1/drafts/${toPrefixedId('drf', id)}`],
])(
  'with the API of %s, a key that may change drafts and not read them gets the content of its own only',
  async (_dialect, pathIn) => {
    const { inboxId } = await world.agentmail.inboxes.create({})
    const { drafts } = world.agentmail.inboxes
    const before = await drafts.create(inboxId, { to: ['bob@example.test'], text: 'not for others' })
    const pathOf = (id: string) => pathIn(inboxId, id)
    const writer = await keyWith(inboxId, 'draft_create', 'draft_update')
    for (const body of [{}, { subject: 'of the writer' }]) {
      const answer = await world.request('PATCH', pathOf(before.draftId), { key: writer, body })
      expect(answer.status).toBe(200)
      const known = ['created_at', 'draft_id', 'id', 'inbox_id', 'labels', 'updated_at']
      expect(Object.keys(answer.body).filter((name) => !known.includes(name))).toEqual([])
      expect(JSON.stringify(answer.body)).toContain('updated_at')
    }
    expect(await drafts.get(inboxId, before.draftId)).toMatchObject({ subject: 'of the writer', text: before.text })

    const own = await world.agentmailAs(writer).inboxes.drafts.create(inboxId, { text: 'x' })
    const patch = (key: string, id: string) => world.request('PATCH', pathOf(id), { key, body: { subject: 'mine' } })
    expect(await patch(writer, own.draftId)).toMatchObject({ status: 200, body: { subject: 'mine' } })
    const editor = await keyWith(inboxId, 'draft_read', 'draft_update')
    expect(await patch(editor, before.draftId)).toMatchObject({ status: 200, body: { subject: 'mine' } })
  },
)

test('a key that may not read drafts takes them off the schedule, and changes their labels', async () => {
  const { inboxId } = await world.agentmail.inboxes.create({})
  const sendAt = new Date(Date.now() + 3_600_000)
  const { draftId } = await world.agentmail.inboxes.drafts.create(inboxId, { to: ['bob@example.test'], sendAt })
  const guard = await keyWith(inboxId, 'draft_update')
  const { drafts } = world.agentmailAs(guard).inboxes // the SDK reads the response
  const unscheduled = await drafts.update(inboxId, draftId, { sendAt: null })
  expect(unscheduled).toMatchObject({ inboxId, draftId, labels: [] })
  expect(unscheduled.sendStatus).toBeUndefined()
  expect(await drafts.update(inboxId, draftId, { addLabels: ['stopped'] })).toMatchObject({ labels: ['stopped'] })
  await expect(drafts.update(inboxId, draftId, { sendAt })).rejects.toMatchObject({ statusCode: 403 })
})

test('a change that changes nothing leaves the time of the draft, and has no event', async () => {
  const { inboxId } = await world.agentmail.inboxes.create({})
  const { drafts } = world.agentmail.inboxes
  const before = await drafts.create(inboxId, { text: 'x', labels: ['a'] })
  const { draftId } = before
  const socket = await world.subscribe({ inboxIds: [inboxId], eventTypes: ['draft.updated'] })
  const path = `/v0/inboxes/${inboxId}/drafts/${draftId}`
  for (const body of [{}, { add_labels: ['a'], remove_labels: ['b'] }, { send_at: null }, { add_attachments: [] }]) {
    const { status, body: shown } = await world.request('PATCH', path, { body })
    expect({ status, draft_id: shown.draft_id, text: shown.text, updated_at: shown.updated_at }).toEqual({
      ...{ status: 200, draft_id: draftId, text: 'x', updated_at: before.updatedAt.toISOString() },
    })
  }
  expect(await drafts.get(inboxId, draftId)).toEqual(before)
  const { updatedAt } = await drafts.update(inboxId, draftId, { addLabels: ['b'] })
  const { draft } = await socket.next('draft.updated')
  expect(draft.timestamp).toBe(updatedAt.toISOString())
  expect(updatedAt.getTime()).toBeGreaterThan(before.updatedAt.getTime())
  expect(await world.request('PATCH', path, { body: { send_at: null } })).toMatchObject({ status: 200 })
  expect((await drafts.get(inboxId, draftId)).updatedAt).toEqual(updatedAt)
})
