/** Tests substring search: scripts without spaces, hostile queries, pages, and texts too short for the index. */
import { expect, test } from 'vitest'
import type { TextClause, TextSearch } from '../../src/store/sql-adapter.ts'
import { type InboxIds, insertInbox, insertMessage } from './rows.ts'
import { openTestStore, type TestStore } from './test-store.ts'

interface Mail {
  subject?: string
  addresses?: string
  body?: string
}

test.each<[string, Mail, string]>([
  ['inside a word', { body: 'an unbelievable offer' }, 'believ'],
  ['upper and lower case alike', { body: 'GRÜSSE aus Köln' }, 'köln'],
  ['Chinese inside a sentence', { body: '您的验证码是123456请勿告诉他人' }, '验证码'],
  ['across a space', { body: 'invoice number 42' }, 'ce num'],
  ['with punctuation', { body: 'see https://example.test/a?b=c%20d' }, 'test/a?b=c%20'],
  ['in the subject', { subject: 'Quarterly report' }, 'report'],
  ['in addresses', { addresses: 'Ann <ann@example.test>' }, 'ann@example'],
  ['an emoji beside letters', { body: 'party 🎉 today' }, '🎉 to'],
  ['a quote', { body: 'he said "hello" twice' }, '"hello"'],
])('finds %s', async (_what, mail, query) => {
  await using world = await startWorld()
  const wanted = await world.add(mail)
  await world.add({ subject: 'other', addresses: 'other', body: 'nothing of the kind' })
  expect(await world.find(query)).toEqual([wanted])
})

// Each of these is an operator, a syntax error or the end of the string in FTS5, unless it is quoted.
test.each([
  '" OR *',
  '"" OR ""',
  'a" OR body:"b',
  'foo NEAR bar',
  'NEAR(foo bar, 5)',
  'subject:foo',
  '{subject body}:foo',
  'foo*',
  '^foo',
  'foo AND NOT bar',
  '-foo',
  '(((',
  'foo\0bar',
  '\0\0\0\0',
  '%_%',
  "'; drop table messages_text; --",
  '\ud800\ud800\ud800',
  '\\"\\"\\"',
  'x'.repeat(100_000),
])('treats %j as plain text', async (query) => {
  await using world = await startWorld()
  await world.add({ subject: 'foo', addresses: 'foo', body: 'foo bar foo bar' })
  expect(await world.find(query)).toEqual([])
})

test('a text with a NUL is also indexed after the NUL', async () => {
  await using world = await startWorld()
  const id = await world.add({ body: 'before\0behind' })
  expect(await world.find('behind')).toEqual([id])
})

test('a clause needs all its texts in its columns; one matching clause is enough', async () => {
  await using world = await startWorld()
  const both = await world.add({ body: 'red apples and green pears' })
  await world.add({ body: 'red apples' })
  const inSubject = await world.add({ subject: 'green pears', body: 'see below' })

  const anyOf: TextClause[] = [
    { columns: ['body'], allOf: ['apples', 'pears', 'an'] },
    { columns: ['subject', 'addresses'], allOf: ['green pears'] },
  ]
  expect(await world.search({ anyOf })).toEqual([inSubject, both])
})

test('a text of one or two characters is searched in subject, addresses and preview', async () => {
  await using world = await startWorld()
  const subject = await world.add({ subject: '您的验证码' })
  const preview = await world.add({ body: '这是验证码' })
  const address = await world.add({ addresses: '验证@example.test' })
  await world.add({ subject: 'nothing' })
  expect(await world.find('验证')).toEqual([address, preview, subject])
  expect(await world.find('%')).toEqual([])
})

test.each(['needle', 'ne'])('pages of %j continue where the last one ended, within the row budget', async (query) => {
  await using world = await startWorld()
  const found: string[] = []
  for (let n = 0; n < 30; n++) {
    found.unshift(await world.add({ subject: 'needle' }))
    await world.addElsewhere({ subject: 'needle' })
  }

  const seen: string[] = []
  let beforeNumber: number | undefined
  let pages = 0
  do {
    const anyOf: TextClause[] = [{ columns: ['subject'], allOf: [query] }]
    const search = { inboxId: world.inbox.inbox_id, anyOf, beforeNumber, limit: 5, scanRowsMax: 4 }
    const page = await world.store.adapter.searchText(world.store.db, search)
    expect(page.messages.length).toBeLessThanOrEqual(4)
    seen.push(...page.messages.map(({ id }) => id))
    beforeNumber = page.nextNumber
    pages++
  } while (beforeNumber !== undefined)

  expect(seen).toEqual(found)
  expect(pages).toBeGreaterThan(7)
})

test('a message that was removed from the index is not found, and a failed transaction indexes nothing', async () => {
  await using world = await startWorld()
  const id = await world.add({ body: 'findable' })
  const { store } = world
  await store
    .transaction(async (tx) => {
      const { number } = await insertMessage(tx, world.inbox)
      await store.adapter.indexText(tx, number, { subject: '', addresses: '', body: 'findable too' })
      throw new Error('no')
    })
    .catch(() => undefined)
  expect(await world.find('findable')).toEqual([id])

  const { number } = await store.db
    .selectFrom('messages')
    .select('number')
    .where('id', '=', id)
    .executeTakeFirstOrThrow()
  await store.transaction((tx) => store.adapter.unindexText(tx, number))
  expect(await world.find('findable')).toEqual([])
})

test('an empty query finds nothing', async () => {
  await using world = await startWorld()
  await world.add({ body: 'something' })
  expect(await world.search({ anyOf: [] })).toEqual([])
  expect(await world.search({ anyOf: [{ columns: ['body'], allOf: ['', '\0'] }] })).toEqual([])
})

/** Opens a store with two inboxes; searches cover the first one. */
async function startWorld() {
  const store = await openTestStore()
  const [inbox, other] = await store.transaction(async (tx) => [await insertInbox(tx), await insertInbox(tx)] as const)
  const search = async (more: Pick<TextSearch, 'anyOf'>) => {
    const found = await store.adapter.searchText(store.db, {
      ...{ inboxId: inbox.inbox_id, limit: 50, scanRowsMax: 5_000 },
      ...more,
    })
    return found.messages.map(({ id }) => id)
  }
  return {
    store,
    inbox,
    search,
    find: (query: string) => search({ anyOf: [{ columns: ['subject', 'addresses', 'body'], allOf: [query] }] }),
    add: (mail: Mail) => addMail(store, inbox, mail),
    addElsewhere: (mail: Mail) => addMail(store, other, mail),
    [Symbol.asyncDispose]: () => store[Symbol.asyncDispose](),
  }
}

async function addMail(
  store: TestStore,
  inbox: InboxIds,
  { subject = '', addresses = '', body = '' }: Mail,
): Promise<string> {
  return store.transaction(async (tx) => {
    const { id, number, contentId } = await insertMessage(tx, inbox, { subject, preview: body.slice(0, 200) })
    await tx
      .insertInto('content_addresses')
      .values({ content_id: contentId, kind: 'from', position: 0, address: addresses })
      .execute()
    await store.adapter.indexText(tx, number, { subject, addresses, body })
    return id
  })
}
