/**
 * Tests what a forward loads: nothing before it can be sent, and no more than the memory for composing allows. 50 forwards of a
 * large message decoded its attachments 50 times, each of them to be refused for its missing recipient.
 */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { open, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import type { LimitOverrides } from '../../src/config/limits.ts'
import { startWorld, type World } from '../support/world.ts'

const SOURCE = '<1@x.test>'
const BYTES = 100_000

async function startWithSource(limits: LimitOverrides, env: Record<string, string> = {}) {
  const world = await startWorld({ limits, env })
  onTestFinished(() => world[Symbol.asyncDispose]())
  const { inboxId } = await world.agentmail.inboxes.create({ username: 'ada' })
  const attachments = ['1.bin', '2.bin'].map((filename) => ({ filename, content: Buffer.alloc(BYTES / 2, 'x') }))
  await world.smtp.send({ to: inboxId, text: 'the plan', messageId: SOURCE, attachments })
  const { messages, drafts } = world.agentmail.inboxes
  const path = `/v0/inboxes/${inboxId}/messages/${encodeURIComponent(SOURCE)}/forward`
  const forward = (body: object) => world.request('POST', path, { body })
  const forwardDraft = async (fields: object) => {
    const { draftId } = await drafts.create(inboxId, { forwardOf: SOURCE, ...fields })
    return () => world.request('POST', `/v0/inboxes/${inboxId}/drafts/${draftId}/send`, { body: {} })
  }
  return { world, inboxId, messages, forward, forwardDraft }
}

async function blobFiles({ shared }: World): Promise<string[]> {
  const entries = await readdir(shared.blobsDir, { recursive: true, withFileTypes: true })
  return entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name))
}

async function removeBlobs(world: World): Promise<number> {
  const files = await blobFiles(world)
  for (const file of files) await rm(file)
  return files.length
}

const own = (bytes: number) => ({ attachments: [{ filename: 'own', content: Buffer.alloc(bytes).toString('base64') }] })
const to = ['bob@example.test']

test('a forward that is refused has read nothing of the attachments', async () => {
  const limits = { store: { inlineBytesMax: 1_000 }, sending: { attachmentsMax: 2 } }
  const { world, forward, forwardDraft, ...source } = await startWithSource(limits, {
    MARTLET_MESSAGE_BYTES_MAX: `${2 * BYTES}`,
  })
  const empty = await forwardDraft({})
  const withMany = await forwardDraft({ to, ...own(1) })
  expect(await removeBlobs(world)).toBeGreaterThan(0)
  // The bytes of the source are lost: what reads them gets 500.
  expect(await forward({ to })).toMatchObject({ status: 500, body: { code: 'content_damaged' } })

  const noRecipients = { status: 422, body: { message: 'The message has no recipients' } }
  expect(await forward({})).toMatchObject(noRecipients)
  expect(await empty()).toMatchObject(noRecipients)
  expect(await forward({ to: ['nobody'] })).toMatchObject({ status: 400, body: { code: 'validation_error' } })
  const tooMany = { status: 400, body: { message: expect.stringContaining('at most 2 attachments') } }
  expect(await forward({ to, ...own(1) })).toMatchObject(tooMany)
  expect(await withMany()).toMatchObject(tooMany)
  const { inboxId } = source
  await world.request('PATCH', `/v0/inboxes/${inboxId}`, { body: { status: 'paused' } })
  expect(await forward({ to })).toMatchObject({ status: 403, body: { message: `The inbox ${inboxId} is paused` } })
})

test('a forward that would be too large has read nothing of the attachments', async () => {
  const limits = { store: { inlineBytesMax: 1_000 } }
  const { world, forward, forwardDraft } = await startWithSource(limits, {
    MARTLET_MESSAGE_BYTES_MAX: `${1.5 * BYTES}`,
  })
  const large = await forwardDraft({ to, ...own(BYTES) })
  expect(await removeBlobs(world)).toBeGreaterThan(0)
  for (const answer of [await forward({ to, ...own(BYTES) }), await large()]) {
    expect(answer).toMatchObject({ status: 413 })
  }
})

test('a forward waits for memory for the attachments, before it reads them', async () => {
  const { world, messages, inboxId, forward, forwardDraft } = await startWithSource({
    http: { responseWaitMs: 50 },
    store: { inlineBytesMax: 1_000 },
    sending: { composedBytesMax: 4 * BYTES },
  })
  const draft = await forwardDraft({ to })
  // One forward waits for its disk: the bytes of the source are a pipe that no one writes.
  const [path] = await blobFiles(world)
  const bytes = await readFile(path!)
  await rm(path!)
  await promisify(execFile)('mkfifo', [path!])
  onTestFinished(async () => (await open(path!, 'r+')).close()) // ends a read that still waits
  const reading = forward({ to })
  await expect.poll(() => composedBytes(world)).toBeGreaterThan(2 * BYTES)

  const refused = { status: 503, body: { code: 'service_unavailable' } }
  expect(await forward({ to })).toMatchObject(refused)
  expect(await draft()).toMatchObject(refused)
  const writer = await open(path!, 'w')
  await rm(path!)
  await writeFile(path!, bytes)
  await writer.close()
  await reading
  await expect.poll(() => composedBytes(world)).toBe(0)
  const before = (await messages.list(inboxId, { labels: ['sent'] })).count
  for (const answer of [await forward({ to }), await draft()]) expect(answer.status).toBe(200)
  expect((await messages.list(inboxId, { labels: ['sent'] })).count).toBe(before + 2)
})

// Other requests wait for the memory, and a URL may take 30 s.
test('a forward reserves no memory while it fetches an attachment', async () => {
  const { world, messages, inboxId, forward } = await startWithSource({ sending: { composedBytesMax: 4 * BYTES } })
  const responses: ServerResponse[] = []
  const files = createServer((_request, response) => void responses.push(response)).listen(0, '127.0.0.1')
  await once(files, 'listening')
  onTestFinished(() => void files.close().closeAllConnections())
  const url = `http://127.0.0.1:${(files.address() as AddressInfo).port}/own.txt`

  const fetching = forward({ to, attachments: [{ url }] })
  await expect.poll(() => responses.length).toBe(1)
  expect(await composedBytes(world)).toBe(0)
  expect((await forward({ to })).status).toBe(200)
  responses[0]!.end('mine')
  const { status, body } = await fetching
  expect(status).toBe(200)
  const { attachments } = await messages.get(inboxId, body.message_id)
  expect(attachments!.map(({ filename, size }) => [filename, size])).toEqual([
    ['own.txt', 4],
    ['1.bin', BYTES / 2],
    ['2.bin', BYTES / 2],
  ])
})

async function composedBytes(world: World): Promise<number> {
  const { body: metrics } = await world.request('GET', '/metrics')
  return Number(/^martlet_http_composing_bytes (\d+)$/m.exec(metrics)?.[1])
}
