/** Tests what clients get of a draft whose file is damaged or lost. One that got 404 took the draft for deleted. */
import { randomBytes } from 'node:crypto'
import { rm, truncate } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { createLog } from '../../../src/log.ts'
import { blobFile } from '../../support/blob-file.ts'
import { readRows } from '../../support/test-database.ts'
import { startWorld } from '../../support/world.ts'

const DAMAGED = { status: 500, body: { code: 'content_damaged' } }
/** Longer than what a row holds. */
const text = randomBytes(2_000).toString('hex')

/** @returns a world, and a function that damages the texts of its drafts */
async function startWithDrafts(how: string) {
  const world = await startWorld({
    ...{ log: createLog('silent'), startPaused: true },
    limits: { store: { inlineBytesMax: 1_000 } },
  })
  const { inboxId } = await world.agentmail.inboxes.create({ username: 'ada' })
  const path = `/v0/inboxes/${inboxId}/drafts`
  return {
    ...{ world, path, drafts: world.agentmail.inboxes.drafts, inboxId },
    async damage(draftId: string) {
      const [[key]] = (await readRows(
        world,
        `select blob_key from draft_parts join contents on contents.id = content_id where draft_id = '${draftId}' and kind = 'text'`,
      )) as [[string]]
      const file = await blobFile(world, key)
      await (how === 'lost' ? rm(file) : truncate(file, 100))
    },
  }
}

test.each(['lost', 'too short'])('a draft whose file is %s says so until its text is replaced', async (how) => {
  const { world, path, drafts, inboxId, damage } = await startWithDrafts(how)
  await using _world = world
  const { draftId } = await drafts.create(inboxId, { to: ['bob@example.test'], text })
  const draft = `${path}/${draftId}`
  expect((await world.request('GET', draft)).body).toMatchObject({ text })
  await damage(draftId)
  expect(await world.request('GET', draft)).toMatchObject(DAMAGED)
  expect(await world.request('POST', `${draft}/send`, { body: {} })).toMatchObject(DAMAGED)
  expect(await world.request('PATCH', draft, { body: { subject: 'lunch' } })).toMatchObject(DAMAGED)
  expect((await drafts.list(inboxId)).drafts).toMatchObject([{ draftId }])
  expect(await world.request('PATCH', draft, { body: { text: 'again' } })).toMatchObject({ status: 200 })
  expect((await world.request('GET', draft)).body).toMatchObject({ text: 'again' })
  expect((await world.request('POST', `${draft}/send`, { body: {} })).status).toBe(200)
  expect((await world.request('GET', draft)).status).toBe(404)
})

test.each(['lost', 'too short'])('a scheduled draft whose file is %s fails with this reason', async (how) => {
  const { world, path, drafts, inboxId, damage } = await startWithDrafts(how)
  await using _world = world
  const { draftId } = await drafts.create(inboxId, { to: ['bob@example.test'], text, sendAt: new Date(0) })
  await damage(draftId)
  await world.request('POST', '/v0/outbound/resume')
  const listed = async () => (await drafts.list(inboxId)).drafts
  await expect.poll(listed).toMatchObject([{ draftId, sendStatus: 'failed' }])
  const [[reason]] = (await readRows(world, 'select send_error from drafts')) as [[string]]
  expect(reason).toBe('What is stored of this message or file is damaged or lost, so it cannot be read')
  expect((await world.request('DELETE', `${path}/${draftId}`)).status).toBeLessThan(300)
  expect((await world.request('GET', `${path}/${draftId}`)).status).toBe(404)
})
