/** Tests uploads: who can use them, what may arrive at their links, how often, and how they end. */
import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import type { LimitOverrides } from '../../src/config/limits.ts'
import { createLog } from '../../src/log.ts'
import { createSignedTokens } from '../../src/mail/access/signed-tokens.ts'
import { createContents } from '../../src/mail/messages/content/contents.ts'
import { createDiscardBlobs } from '../../src/mail/messages/content/discard-blobs.ts'
import { createDownloads } from '../../src/mail/messages/content/downloads.ts'
import { createPrepareBytes } from '../../src/mail/messages/content/prepared-bytes.ts'
import { sweepUploads } from '../../src/mail/sending/uploads/upload-sweep.ts'
import { createUploads } from '../../src/mail/sending/uploads/uploads.ts'
import * as contentsTable from '../../src/store/tables/contents-table.ts'
import { FeedWorld, type TestInbox } from '../events/feed-world.ts'

const pdf = { filename: 'a.pdf', contentType: 'application/pdf', sizeBytes: 3, isExactSize: true }
const file = { contentType: 'application/pdf', bytes: Buffer.from('abc') }

async function openUploadWorld(limits: LimitOverrides = {}) {
  const world = await FeedWorld.open(limits)
  const { store } = world
  const contents = createContents({ store })
  const discardBlobs = createDiscardBlobs({ store, log: createLog('silent') })
  const { clock } = world.time
  const tokensOf = (name: string) => createSignedTokens({ store, random: randomBytes, name })
  const downloads = createDownloads({
    ...{ store, contents, clock, limits: world.limits, reportDamage: () => undefined },
    tokens: tokensOf('downloads'),
  })
  const uploads = createUploads({
    ...{ store, contents, downloads, discardBlobs, clock },
    config: { limits: world.limits, messageBytesMax: 1_000_000 },
    prepareBytes: createPrepareBytes({ store, discardBlobs }),
    tokens: tokensOf('uploads'),
  })
  const inbox = await world.addInbox()
  const { organizationId, podId, inboxId } = inbox
  return {
    world,
    uploads,
    downloads,
    inbox: asRow(inbox),
    ofOrganization: await world.addKey({ organizationId }),
    ofPod: await world.addKey({ organizationId, podId }),
    ofInbox: await world.addKey({ organizationId, podId, inboxId }),
    async contentCount() {
      return (await store.db.selectFrom('contents').select('id').execute()).length
    },
    async sweep() {
      await sweepUploads({ store, clock, discardBlobs, limits: world.limits }, new AbortController().signal)
    },
    [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
  }
}

function asRow({ organizationId, podId, inboxId }: TestInbox) {
  return { id: inboxId, organization_id: organizationId, pod_id: podId }
}

test('uploaded bytes become an attachment of a message, with the name and type that were requested', async () => {
  await using made = await openUploadWorld()
  const { uploads, inbox, ofOrganization } = made
  const { id, token } = await uploads.begin(ofOrganization, {}, pdf)
  await expect(uploads.attach(ofOrganization, inbox, [{ uploadId: id }])).rejects.toMatchObject({
    code: 'validation_error',
    message: expect.stringContaining('have not arrived'),
  })
  expect(await uploads.put(token, file)).toMatchObject({ id, sizeBytes: 3 })
  const [content] = await made.world.store.db.selectFrom('contents').select('id').execute()
  await made.world.store.transaction((tx) => contentsTable.removeUnused(tx, [content!.id])) // it is used
  const other = { filename: 'b.txt', bytes: Buffer.from('x') }
  expect(
    await uploads.attach(ofOrganization, inbox, [other, { uploadId: id }, { uploadId: id, filename: 'c' }]),
  ).toEqual([
    other,
    { filename: 'a.pdf', contentType: 'application/pdf', bytes: file.bytes },
    { filename: 'c', contentType: 'application/pdf', bytes: file.bytes },
  ])
})

test('an upload exists only within the scope of the key that began it', async () => {
  await using made = await openUploadWorld()
  const { world, uploads, inbox, ofOrganization, ofPod, ofInbox } = made
  const stranger = await world.addInbox()
  const strangerKey = await world.addKey({ organizationId: stranger.organizationId })
  const wide = await uploads.begin(ofOrganization, {}, pdf)
  const narrow = await uploads.begin(ofInbox, {}, pdf)
  for (const { token } of [wide, narrow]) await uploads.put(token, file)

  for (const actor of [ofOrganization, ofPod, ofInbox]) {
    expect(await uploads.attach(actor, inbox, [{ uploadId: narrow.id }])).toHaveLength(1)
  }
  for (const [actor, id] of [
    [ofPod, wide.id],
    [ofInbox, wide.id],
    [strangerKey, wide.id],
    [strangerKey, narrow.id],
    [ofOrganization, 'nothing'],
  ] as const) {
    const missing = { code: 'not_found' }
    await expect(uploads.attach(actor, inbox, [{ uploadId: id }])).rejects.toMatchObject(missing)
    await expect(uploads.get(actor, id)).rejects.toMatchObject(missing)
    await expect(uploads.link(actor, id)).rejects.toMatchObject(missing)
  }
  // A wide key may use it, but not for another inbox.
  const elsewhere = { ...inbox, id: 'another inbox' }
  await expect(uploads.attach(ofOrganization, elsewhere, [{ uploadId: narrow.id }])).rejects.toMatchObject({
    code: 'not_found',
  })
})

test('only what was requested may arrive: its size, its media type, at its link, in time', async () => {
  await using made = await openUploadWorld()
  const { world, uploads, ofOrganization } = made
  const exact = await uploads.begin(ofOrganization, {}, pdf)
  const atMost = await uploads.begin(ofOrganization, {}, { ...pdf, isExactSize: false })
  const refusals: [string, Buffer, string | undefined, string][] = [
    [exact.token, Buffer.from('ab'), 'application/pdf', 'validation_error'],
    [exact.token, Buffer.from('abcd'), 'application/pdf', 'body_too_large'],
    [atMost.token, Buffer.from('abcd'), 'application/pdf', 'body_too_large'],
    [exact.token, file.bytes, 'text/html', 'validation_error'],
    [exact.token, file.bytes, undefined, 'validation_error'],
    [`${exact.token}x`, file.bytes, 'application/pdf', 'not_found'],
    ['x.y', file.bytes, 'application/pdf', 'not_found'],
  ]
  for (const [token, bytes, contentType, code] of refusals) {
    await expect(uploads.put(token, { bytes, contentType })).rejects.toMatchObject({ code })
  }
  await uploads.put(exact.token, { ...file, contentType: 'Application/PDF; name=x' })
  await uploads.put(atMost.token, { ...file, bytes: Buffer.from('a') })
  world.time.now += world.limits.uploads.urlMs
  await expect(uploads.put(exact.token, file)).rejects.toMatchObject({ code: 'not_found' })
  expect(await uploads.get(ofOrganization, exact.id)).toMatchObject({ sizeBytes: 3 })
})

test('a repeated put replaces the bytes, and a large file is a blob that disappears with the upload', async () => {
  await using made = await openUploadWorld({ store: { inlineBytesMax: 10 } })
  const { world, uploads, downloads, ofOrganization } = made
  const large = { ...pdf, sizeBytes: 100, isExactSize: false }
  const { id, token } = await uploads.begin(ofOrganization, {}, large)
  await uploads.put(token, { ...file, bytes: Buffer.alloc(100, 'a') })
  await uploads.put(token, { ...file, bytes: Buffer.alloc(99, 'b') })
  expect(await made.contentCount()).toBe(1)
  const link = await uploads.link(ofOrganization, id)
  const chunks: Uint8Array[] = []
  for await (const chunk of (await downloads.open(link.token)).bytes) chunks.push(chunk)
  expect(Buffer.concat(chunks).toString()).toBe('b'.repeat(99))

  world.time.now += world.limits.uploads.keepMs
  await expect(uploads.get(ofOrganization, id)).rejects.toMatchObject({ code: 'not_found' })
  await expect(downloads.open(link.token)).rejects.toMatchObject({ code: 'not_found' })
  await made.sweep()
  expect(await made.contentCount()).toBe(0)
  const blobs: string[] = []
  for await (const key of world.store.blobs.listOlderThan(Date.now() + 60_000)) blobs.push(key)
  expect(blobs).toEqual([])
})

test('an organization has a limited number and size of uploads, and a pod half of it', async () => {
  await using made = await openUploadWorld({ uploads: { perOrganizationMax: 4, perOrganizationBytesMax: 1_000 } })
  const { world, uploads, ofOrganization, ofPod } = made
  await expect(uploads.begin(ofPod, {}, { ...pdf, sizeBytes: 501 })).rejects.toMatchObject({ code: 'limit_exceeded' })
  await uploads.begin(ofPod, {}, pdf)
  await uploads.begin(ofPod, {}, pdf)
  await expect(uploads.begin(ofPod, {}, pdf)).rejects.toMatchObject({ code: 'limit_exceeded' })
  await uploads.begin(ofOrganization, {}, pdf)
  await expect(uploads.begin(ofOrganization, {}, { ...pdf, sizeBytes: 999 })).rejects.toMatchObject({
    code: 'limit_exceeded',
  })
  await uploads.begin(ofOrganization, {}, pdf)
  await expect(uploads.begin(ofOrganization, {}, pdf)).rejects.toMatchObject({ code: 'limit_exceeded' })
  world.time.now += world.limits.uploads.keepMs
  await uploads.begin(ofPod, {}, pdf)
})

test('what has not arrived counts until its link ends, and then what has', async () => {
  const perOrganization = { perOrganizationMax: 4, perOrganizationBytesMax: 1_000 }
  await using made = await openUploadWorld({ uploads: perOrganization })
  const { world, uploads, ofOrganization } = made
  const large = { ...pdf, sizeBytes: 500, isExactSize: false }
  const refused = { code: 'limit_exceeded' }
  const used = await uploads.begin(ofOrganization, {}, large)
  const unused = await uploads.begin(ofOrganization, {}, large)
  await uploads.put(used.token, file) // and a repeated put could bring 500
  await expect(uploads.begin(ofOrganization, {}, pdf)).rejects.toMatchObject(refused)

  world.time.now += world.limits.uploads.urlMs
  await expect(uploads.get(ofOrganization, unused.id)).rejects.toMatchObject({ code: 'not_found' })
  expect(await uploads.get(ofOrganization, used.id)).toMatchObject({ sizeBytes: 3 })
  await uploads.begin(ofOrganization, {}, { ...large, sizeBytes: 997 })
  await expect(uploads.begin(ofOrganization, {}, { ...pdf, sizeBytes: 1 })).rejects.toMatchObject(refused)
  await made.sweep()
  const left = await world.store.db.selectFrom('uploads').select('id').execute()
  expect(left.map(({ id }) => id)).not.toContain(unused.id)
})

test('a request that cannot be stored is refused, and a key needs one of two permissions', async () => {
  await using made = await openUploadWorld()
  const { world, uploads, inbox, ofOrganization } = made
  const organizationId = inbox.organization_id
  for (const wrong of [
    { filename: '' },
    { filename: 'a\nb' },
    { filename: 'x'.repeat(256) },
    { contentType: 'pdf' },
    { contentType: 'a/b\r\nx: y' },
    { sizeBytes: -1 },
    { sizeBytes: 1.5 },
    { sizeBytes: world.limits.uploads.fileBytesMax + 1 },
  ]) {
    await expect(uploads.begin(ofOrganization, {}, { ...pdf, ...wrong })).rejects.toMatchObject({
      code: 'validation_error',
    })
  }
  const writer = await world.addKey({ organizationId }, { permissions: ['draft_create'] })
  await uploads.begin(writer, {}, pdf)
  const reader = await world.addKey({ organizationId }, { permissions: ['message_read'] })
  await expect(uploads.begin(reader, {}, pdf)).rejects.toMatchObject({ code: 'missing_permission' })
})
