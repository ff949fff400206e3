/**
 * Tests what a manual change does to a recipient in each state, and that it never changes one in delivery. The store is
 * real, and the test takes the leases itself; test/flows/queue-control.test.ts tests the whole server.
 */
import { describe, expect, test } from 'vitest'
import { type LimitOverrides, withLimits } from '../../src/config/limits.ts'
import type { KeyActor } from '../../src/mail/access/actor.ts'
import { createQueue, type Queue } from '../../src/mail/sending/queue/queue.ts'
import type { QueueAction, Route } from '../../src/mail/sending/queue/queue-change.ts'
import * as inboxes from '../../src/store/tables/inboxes-table.ts'
import * as table from '../../src/store/tables/queue-table.ts'
import { HOUR, type SentMail, sendMail } from './sent-mail.ts'

const all = { isAll: true }

async function operator(
  mail: SentMail,
  { route, limits }: { route?: Route; limits?: LimitOverrides } = {},
): Promise<{ queue: Queue; actor: KeyActor }> {
  await mail.store.transaction((tx) =>
    tx
      .insertInto('api_keys')
      .values({
        ...{ id: 'key-1', kind: 'bearer', organization_id: mail.organizationId, name: 'test', prefix: 'am_us' },
        ...{ key_hash: 'hash', is_root: 0, created_by: 'system:test', created_at: tx.now, updated_at: tx.now },
      })
      .execute(),
  )
  const queue = createQueue({
    store: mail.store,
    clock: () => mail.submission.created_at,
    discardBlobs: async () => undefined,
    defaultRoute: route,
    hasRelay: true,
    limits: withLimits(limits),
  })
  return { queue, actor: { kind: 'key', apiKeyId: 'key-1', organizationId: mail.organizationId } }
}

async function history(mail: SentMail) {
  return mail.store.db
    .selectFrom('recipient_history')
    .select(['position', 'target', 'outcome', 'reply'])
    .orderBy('recipient_id')
    .orderBy('position')
    .execute()
}

test('a held recipient is no longer tried, and records who held it', async () => {
  await using mail = await sendMail(['bob@example.test'], { attempts: 2, last_code: 451, last_reply: 'later' })
  const { queue, actor } = await operator(mail)
  expect(await queue.change(actor, {}, 'hold', all)).toEqual({ changed: 1, busy: 0, isMore: false })
  expect(await mail.recipients()).toMatchObject([
    { state: 'held', last_code: null, last_enhanced_code: null, last_reply: 'Held by key:key-1', attempts: 2 },
  ])
  expect(await history(mail)).toEqual([{ position: 1, target: 'queue', outcome: 'held', reply: 'Held by key:key-1' }])
  expect(await mail.events()).toEqual(['message.held'])
})

test('a released recipient is due now, and starts from zero', async () => {
  const old = { state: 'held' as const, attempts: 7, delay_notice_at: 1, next_attempt_at: 0, last_reply: 'Held' }
  await using mail = await sendMail(['bob@example.test'], old)
  const { queue, actor } = await operator(mail)
  mail.pass(9 * HOUR)
  expect(await queue.change(actor, {}, 'release', all)).toMatchObject({ changed: 1 })
  const now = mail.submission.created_at + 9 * HOUR
  expect(await mail.recipients()).toMatchObject([
    { state: 'queued', attempts: 0, next_attempt_at: now, released_at: now, delay_notice_at: null, route: null },
  ])
  expect(await mail.events()).toEqual(['message.released'])
})

test('a release uses the given route, or the configured one', async () => {
  await using mail = await sendMail(['bob@example.test', 'cy@example.com'], { state: 'held' })
  const { queue, actor } = await operator(mail, { route: 'relay' })
  await queue.change(actor, {}, 'release', { domain: 'example.test' }, 'direct')
  await queue.change(actor, {}, 'release', { domain: 'example.com' })
  expect((await mail.recipients()).map(({ route }) => route)).toEqual(['direct', 'relay'])
  await expect(queue.change(actor, {}, 'hold', all, 'direct')).rejects.toMatchObject({ code: 'validation_error' })
})

test.each(['queued', 'held'] as const)('a recipient that is %s can be cancelled permanently', async (state) => {
  await using mail = await sendMail(['bob@example.test'], { state })
  const { queue, actor } = await operator(mail)
  expect(await queue.change(actor, {}, 'cancel', all)).toMatchObject({ changed: 1 })
  expect(await mail.recipients()).toMatchObject([{ state: 'cancelled', last_reply: 'Cancelled by key:key-1' }])
  expect(await mail.events()).toEqual(['message.cancelled'])
  for (const action of ['hold', 'release', 'cancel', 'retry'] as const) {
    expect(await queue.change(actor, {}, action, all)).toMatchObject({ changed: 0 })
  }
})

test('a retry makes a recipient due now and keeps the last reply; one that is already due is not changed', async () => {
  const waiting = { attempts: 3, next_attempt_at: Date.parse('2026-11-21T14:00:00Z'), last_reply: 'later' }
  await using mail = await sendMail(['bob@example.test'], waiting)
  const { queue, actor } = await operator(mail)
  expect(await queue.change(actor, {}, 'retry', all)).toMatchObject({ changed: 1 })
  expect(await mail.recipients()).toMatchObject([
    { state: 'queued', attempts: 3, next_attempt_at: mail.submission.created_at, last_reply: 'later' },
  ])
  expect(await history(mail)).toMatchObject([{ outcome: 'retried' }])
  expect(await mail.events()).toEqual([])
  expect(await queue.change(actor, {}, 'retry', all)).toMatchObject({ changed: 0 })
})

test('a held recipient is not changed by a retry, only by a release', async () => {
  await using mail = await sendMail(['bob@example.test'], { state: 'held', next_attempt_at: Date.parse('2026-12-01') })
  const { queue, actor } = await operator(mail)
  expect(await queue.change(actor, {}, 'retry', all)).toMatchObject({ changed: 0 })
  expect(await history(mail)).toEqual([])
})

describe('a recipient in delivery', () => {
  test.each(['hold', 'cancel', 'retry'] as const)('is not changed by %s, and is counted as busy', async (action) => {
    await using mail = await sendMail(['bob@example.test', 'cy@example.test'], {
      next_attempt_at: Date.parse('2026-11-21T14:00:00Z'),
    })
    const { queue, actor } = await operator(mail)
    const [bob] = await mail.claimed()
    await mail.store.transaction((tx) =>
      tx.updateTable('recipients').set({ lease_owner: null, lease_until: null }).where('position', '=', 1).execute(),
    )
    expect(await queue.change(actor, {}, action, all)).toEqual({ changed: 1, busy: 1, isMore: false })
    expect((await mail.recipients())[0]).toEqual(bob)
    expect(await history(mail)).toHaveLength(1)
  })

  test('can be changed when its lease has expired, and its old worker can no longer record an outcome', async () => {
    await using mail = await sendMail(['bob@example.test'])
    const { queue, actor } = await operator(mail)
    await mail.claimed()
    mail.pass(HOUR)
    expect(await queue.change(actor, {}, 'hold', all)).toMatchObject({ changed: 1, busy: 0 })
    expect(await mail.recipients()).toMatchObject([{ state: 'held', lease_owner: null, lease_until: null }])
  })
})

test.each(['hold', 'cancel'] as const)('%s of mail whose inbox is being deleted has no event', async (action) => {
  await using mail = await sendMail(['bob@example.test', 'cy@example.test'])
  const { queue, actor } = await operator(mail)
  await mail.store.transaction((tx) => inboxes.update(tx, mail.inboxId, { deleting_at: tx.now }))
  expect(await queue.change(actor, {}, action, all)).toMatchObject({ changed: 2 })
  expect((await mail.recipients()).filter(({ state }) => state === 'queued')).toEqual([])
  expect(await mail.events()).toEqual([])
})

test('a message loses the label "delayed" when its late recipients are held or cancelled', async () => {
  await using mail = await sendMail(['bob@example.test', 'cy@example.com'], { attempts: 1 })
  const { queue, actor } = await operator(mail)
  await mail.store.transaction((tx) =>
    tx.insertInto('message_labels').values({ message_id: mail.messageId, label: 'delayed' }).execute(),
  )
  const labels = async () =>
    (await mail.store.db.selectFrom('message_labels').select('label').orderBy('label').execute()).map(
      ({ label }) => label,
    )
  await queue.change(actor, {}, 'hold', { domain: 'example.test' })
  expect(await labels()).toEqual(['delayed', 'sent']) // the other recipient is still late
  await queue.change(actor, {}, 'cancel', { domain: 'example.com' })
  expect(await labels()).toEqual(['sent'])
  expect(await mail.events()).toEqual(['message.held', 'label.removed', 'message.cancelled'])
})

test('one call changes a limited number, reports that there are more, and the next call continues', async () => {
  const addresses = ['a', 'b', 'c', 'd', 'e', 'busy'].map((name) => `${name}@example.test`)
  await using mail = await sendMail(addresses)
  const { queue, actor } = await operator(mail, { limits: { delivery: { queueChangeMax: 2 } } })
  await mail.claimed()
  await mail.store.transaction((tx) =>
    tx.updateTable('recipients').set({ lease_until: null }).where('position', '<', 5).execute(),
  )
  const answers = []
  for (let call = 0; call < 3; call += 1) answers.push(await queue.change(actor, {}, 'hold', all))
  expect(answers).toEqual([
    { changed: 2, busy: 0, isMore: true },
    { changed: 2, busy: 0, isMore: true },
    { changed: 1, busy: 1, isMore: false }, // counted once, at the end
  ])
  const twoAddresses = ['a@example.test', 'b@example.test']
  for (const named of [{ ids: ['a', 'b'] }, { addresses: twoAddresses }]) {
    expect(await queue.change(actor, {}, 'hold', named)).toEqual({ changed: 0, busy: 0, isMore: false })
  }
  for (const named of [{ ids: ['a', 'b', 'c'] }, { addresses: [...twoAddresses, 'c'] }]) {
    const refused = { code: 'validation_error', message: 'At most 2 recipients can be named in one call' }
    await expect(queue.change(actor, {}, 'hold', named)).rejects.toMatchObject(refused)
  }
  // As many as one call changes: there are no more.
  expect(await queue.change(actor, {}, 'cancel', { addresses: twoAddresses })).toMatchObject({ isMore: false })
})

test('only selected recipients are changed', async () => {
  await using mail = await sendMail(['bob@example.test', 'cy@example.test', 'di@example.com'])
  const { queue, actor } = await operator(mail)
  const [bob] = await mail.recipients()
  const states = async () => (await mail.recipients()).map(({ state }) => state)

  await queue.change(actor, {}, 'hold', { ids: [bob!.id, 'unknown'] })
  expect(await states()).toEqual(['held', 'queued', 'queued'])
  for (const nobody of [{ ids: [] }, { ids: ['\0'] }, { addresses: [] }, { addresses: ['no address'] }]) {
    expect(await queue.change(actor, {}, 'hold', nobody)).toMatchObject({ changed: 0 })
  }
  await queue.change(actor, {}, 'cancel', { isAll: true, state: 'held' })
  expect(await states()).toEqual(['cancelled', 'queued', 'queued'])
  const message = { inbox: mail.address, message: mail.messageId }
  await queue.change(actor, {}, 'hold', { ...message, addresses: ['DI@Example.com'] })
  expect(await states()).toEqual(['cancelled', 'queued', 'held'])
  await queue.change(actor, {}, 'hold', { state: 'held', isAll: true })
  await queue.change(actor, {}, 'hold', { inbox: mail.address, domain: 'EXAMPLE.test' })
  expect(await states()).toEqual(['cancelled', 'held', 'held'])
})

test('a selection must not be empty, and must be valid', async () => {
  await using mail = await sendMail(['bob@example.test'])
  const { queue, actor } = await operator(mail)
  for (const selection of [{}, { state: 'queued' as const }, { message: 'x' }, { domain: 'a b' }]) {
    await expect(queue.change(actor, {}, 'cancel', selection)).rejects.toMatchObject({ code: 'validation_error' })
  }
  for (const selection of [{ inbox: 'nobody@example.test' }, { inbox: mail.address, message: 'x' }]) {
    await expect(queue.change(actor, {}, 'cancel', selection)).rejects.toMatchObject({ code: 'not_found' })
  }
  expect(await mail.recipients()).toMatchObject([{ state: 'queued' }])
})

test('the recipient of a deleted message is removed when it is cancelled', async () => {
  await using mail = await sendMail(['bob@example.test'])
  const { queue, actor } = await operator(mail)
  await mail.store.transaction((tx) => tx.deleteFrom('messages').execute())
  expect(await queue.change(actor, {}, 'cancel', all)).toMatchObject({ changed: 1 })
  expect(await mail.recipients()).toEqual([])
  const { content_id: contentId } = mail.submission
  expect(await mail.store.db.selectFrom('contents').select('id').where('id', '=', contentId).execute()).toEqual([])
})

test('a recipient that was claimed between the query and the change is left alone', async () => {
  await using mail = await sendMail(['bob@example.test', 'cy@example.test', 'di@example.test'])
  const { store } = mail
  const ids = (await mail.recipients()).map(({ id }) => id)
  await store.transaction((tx) =>
    tx.updateTable('recipients').set({ state: 'held' }).where('id', '=', ids[0]!).execute(),
  )
  const { created_at: now } = mail.submission
  await store.transaction((tx) =>
    tx
      .updateTable('recipients')
      .set({ lease_until: now + 1 })
      .where('id', '=', ids[1]!)
      .execute(),
  )
  const changed = await store.transaction((tx) => table.change(tx, ids, ['queued'], { state: 'cancelled' }))
  expect(changed.map(({ id }) => id)).toEqual([ids[2]])
})

test('a recipient is not listed if the key may not see its message', async () => {
  await using mail = await sendMail(['bob@example.test'])
  const { queue, actor } = await operator(mail)
  await mail.store.transaction((tx) => tx.updateTable('messages').set({ hidden: 8 }).execute()) // in the trash
  const reader: KeyActor = { ...actor, permissions: new Set(['message_read']) }
  expect((await queue.list(reader, {}, {}, {})).items).toEqual([])
  expect((await queue.list(actor, {}, {}, {})).items[0]).toMatchObject({ subject: 'lunch?' })
})

test('attempt numbers continue after a release', async () => {
  await using mail = await sendMail(['bob@example.test'])
  const { queue, actor } = await operator(mail)
  for (const action of ['hold', 'release', 'hold', 'cancel'] satisfies QueueAction[]) {
    await queue.change(actor, {}, action, all)
  }
  expect((await history(mail)).map(({ position, outcome }) => `${position} ${outcome}`)).toEqual([
    '1 held',
    '2 released',
    '3 held',
    '4 cancelled',
  ])
})

test('a key of another organization sees and changes nothing, and neither does one without the permission', async () => {
  await using mail = await sendMail(['bob@example.test'])
  const { queue, actor } = await operator(mail)
  await mail.store.transaction((tx) => tx.updateTable('api_keys').set({ permissions: '["message_read"]' }).execute())
  const reader: KeyActor = { ...actor, permissions: new Set(['message_read']) }
  expect((await queue.list(reader, {}, {}, {})).items).toHaveLength(1)
  await expect(queue.change(reader, {}, 'cancel', all)).rejects.toMatchObject({ code: 'missing_permission' })
  await expect(queue.change(actor, {}, 'cancel', all)).rejects.toMatchObject({ code: 'forbidden' }) // it was restricted

  const stranger: KeyActor = { ...actor, organizationId: 'another', permissions: new Set(['message_read']) }
  expect((await queue.list(stranger, {}, {}, {})).items).toEqual([])
  const sender: KeyActor = { ...stranger, permissions: new Set(['message_send']) }
  await mail.store.transaction((tx) => tx.updateTable('api_keys').set({ permissions: '["message_send"]' }).execute())
  expect(await queue.change(sender, {}, 'cancel', all)).toMatchObject({ changed: 0, busy: 0 })
  await expect(queue.list(sender, {}, {}, {})).rejects.toMatchObject({ code: 'missing_permission' })
})
