/** Tests substring search: scripts without spaces, hostile queries, pages, and the index, which changes no result. */
import { randomBytes } from 'node:crypto'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { MailError } from '../../src/errors.ts'
import { parseMail } from '../../src/mail/messages/content/parsed-message.ts'
import { checkIndexes, requestIndexing } from '../../src/mail/messages/search/index-messages.ts'
import type { SearchClause, SearchPage } from '../../src/mail/messages/search/search.ts'
import * as inboxes from '../../src/store/tables/inboxes-table.ts'
import { countStatements } from '../store/count-statements.ts'
import { asKysely, openTestStore, temporaryFolder } from '../store/test-store.ts'
import { insertParsedMails } from '../support/parsed-mail-rows.ts'
import { databaseName } from '../support/test-database.ts'
import { fileMail, fillers, type Mail, openSearchWorld } from './search-world.ts'

const cases: [string, Mail, string][] = [
  ['inside a word', { text: 'an unbelievable offer' }, 'believ'],
  ['upper and lower case alike', { text: 'GRÜSSE aus Köln' }, 'grüsse AUS kÖLN'],
  ['a Greek word that is longer than the text', { text: 'η ΟΔΟΣΑ' }, 'ΟΔΟΣ'],
  ['Chinese inside a sentence', { text: '您的验证码是123456请勿告诉他人' }, '验证码'],
  ['two characters', { text: '这封邮件很重要' }, '重要'],
  ['one character', { text: 'only one of them has ß' }, 'ß'],
  ['across a space', { text: 'invoice number 42' }, 'ce num'],
  ['across lines', { text: 'the end of a\r\nline' }, 'of a line'],
  ['with punctuation', { text: 'see https://example.test/a?b=c%20d' }, 'test/a?b=c%20'],
  ['in the subject', { subject: 'Quarterly report' }, 'report'],
  ['in addresses', { from: 'Ann Example' }, 'ann example sender@example'],
  ['an emoji beside letters', { text: 'party 🎉 today' }, '🎉 to'],
  ['a quote', { text: 'he said "hello" twice' }, '"hello"'],
  ['HTML without a text part', { html: '<p>Dear <b>customer</b></p><style>p{}</style>' }, 'dear customer'],
  ['the beginning of a message of megabytes', { text: `needle ${randomBytes(400_000).toString('base64')}` }, 'needle'],
]

describe.each([
  { where: 'messages that are not indexed', isIndexed: false },
  { where: 'the index', isIndexed: true },
])('in $where', ({ isIndexed }) => {
  let world: Awaited<ReturnType<typeof openSearchWorld>>
  const wanted = new Map<string, string>()
  beforeAll(async () => {
    world = await openSearchWorld()
    const before = isIndexed ? fillers(100) : []
    const ids = await world.add(...before, ...cases.map(([, mail]) => mail), ...(isIndexed ? fillers(160) : []))
    for (const [index, [name]] of cases.entries()) wanted.set(name, ids[before.length + index]!)
    await world.index()
  })
  afterAll(() => world[Symbol.asyncDispose]())

  test.each(cases)('finds %s', async (name, _mail, query) => {
    expect(await world.blocks()).toBe(isIndexed ? 1 : 0)
    expect(await world.find(query)).toEqual([wanted.get(name)])
  })
})

// Each of these is an operator or the end of a string somewhere.
describe('plain text', () => {
  let world: Awaited<ReturnType<typeof openSearchWorld>>
  beforeAll(async () => {
    world = await openSearchWorld()
    await world.add({ subject: 'foo', from: 'foo', text: 'foo bar foo bar' })
  })
  afterAll(() => world[Symbol.asyncDispose]())

  test.each([
    '" OR *',
    'foo NEAR bar',
    'subject:foo',
    'foo*',
    '^foo',
    '(((',
    'foo\0bar',
    '\0\0\0\0',
    '%_%',
    "'; drop table messages; --",
    '\ud800\ud800\ud800',
    '\\"\\"\\"',
    'x'.repeat(1_000),
  ])('treats %j as plain text', async (query) => {
    expect(await world.find(query)).toEqual([])
  })
})

test('a clause needs all its texts in its columns; one matching clause is enough', async () => {
  await using world = await openSearchWorld()
  await world.add(...fillers(200))
  const [both] = await world.add({ text: 'red apples and green pears' })
  await world.add({ text: 'red apples' })
  const [inSubject] = await world.add({ subject: 'green pears', text: 'see below' })
  await world.add({ text: 'green pears' }, ...fillers(60))
  const anyOf: SearchClause[] = [
    { columns: ['body'], allOf: ['apples', 'pears', 'an'] },
    { columns: ['subject', 'addresses'], allOf: ['green pears'] },
  ]
  for (const blocks of [0, 1]) {
    expect(await world.blocks()).toBe(blocks)
    expect(await world.search({ anyOf })).toEqual([inSubject, both])
    await world.index()
  }
})

test('hidden messages are omitted', async () => {
  await using world = await openSearchWorld()
  const [shown, hidden] = await world.add({ text: 'needle' }, { text: 'needle' })
  await world.store.transaction((tx) =>
    tx.updateTable('messages').set({ hidden: 4 }).where('id', '=', hidden!).execute(),
  )
  const anyOf: SearchClause[] = [{ columns: ['body'], allOf: ['needle'] }]
  expect(await world.search({ anyOf, hiddenMask: 3 })).toEqual([hidden, shown])
  expect(await world.search({ anyOf, hiddenMask: 6 })).toEqual([shown])
})

test.each(['needle', 'ne'])(
  'pages of %j continue where the last one ended, within the limit of rows',
  async (query) => {
    await using world = await openSearchWorld({ limits: { search: { pageRowsMax: 4 } } })
    const found: string[] = []
    for (let n = 0; n < 30; n++) {
      found.unshift(...(await world.add({ subject: 'needle' }, ...fillers(n % 3))).slice(0, 1))
      await world.addElsewhere({ subject: 'needle' })
    }
    const anyOf: SearchClause[] = [{ columns: ['subject'], allOf: [query] }]
    const sizes: number[] = []
    const seen: string[] = []
    let beforeNumber: number | undefined
    do {
      const page = await world.page({ anyOf, beforeNumber, limit: 5 })
      sizes.push(page.messages.length)
      seen.push(...page.messages.map(({ id }) => id))
      beforeNumber = page.nextNumber
    } while (beforeNumber !== undefined)
    expect(seen).toEqual(found)
    expect(Math.max(...sizes)).toBeLessThanOrEqual(4)
  },
)

test.each([
  ['a word', 'the needle', 'needle'],
  ['two ideographs', '您的验证码', '验证'],
  ['an emoji', 'party 🎉', '🎉'],
])('a page reads only the messages of the index that may match %s', async (_what, text, query) => {
  await using world = await openSearchWorld({ limits: { search: { pageRowsMax: 20 } } })
  const [wanted] = await world.add({ text }, ...fillers(255))
  await world.index()
  const page = await world.page({ anyOf: [{ columns: ['body'], allOf: [query] }], limit: 10 })
  expect(page).toEqual({
    messages: [{ id: wanted, number: expect.any(Number) }],
    nextNumber: undefined,
    rowsLeft: expect.any(Number),
  })
})

test.each([
  ['does not occur', 'needle'],
  ['is in the oldest message only', 'filler 0'],
])('a page of a text that %s reads at most as many blocks as messages', async (_what, query) => {
  await using world = await openSearchWorld({ limits: { search: { pageRowsMax: 2 } } })
  await world.add(...fillers(5 * 256))
  await world.index()
  expect(await world.blocks()).toBe(5)
  const anyOf: SearchClause[] = [{ columns: ['body', 'subject'], allOf: [query] }]
  let pages = 0
  let beforeNumber: number | undefined
  do {
    const page = await world.page({ anyOf, beforeNumber, limit: 10 })
    pages += 1
    beforeNumber = page.nextNumber
  } while (beforeNumber !== undefined)
  expect(pages).toBeGreaterThanOrEqual(3)
})

test('a page of a common word reads a few blocks, and one of an absent word a few slices of each', async () => {
  await using world = await openSearchWorld()
  await world.add(...fillers(6 * 256))
  await world.index()
  const statementsOf = async (text: string) => {
    const { counted, statements } = countStatements(world.store)
    // The slices of a text that is searched in several columns are read once.
    const anyOf: SearchClause[] = [
      { columns: ['subject'], allOf: [text] },
      { columns: ['body'], allOf: [text] },
    ]
    await world.page({ anyOf, limit: 5 }, counted)
    return statements
  }
  // Six bits, in two statements, and the messages after the last block.
  expect(await statementsOf('number')).toEqual({ search_blocks: 1, search_chunks: 2, messages: 2 })
  expect(await statementsOf('qqqqqqqqqq')).toEqual({ search_blocks: 2, search_chunks: 2, messages: 1 })
})

// Numbers have the order of commits, and each transaction and node has a time of its own. The newest message was not found by a time after it.
test('messages are found by their times, also where these are not in the order of their numbers', async () => {
  await using world = await openSearchWorld()
  const ids = await world.add(...Array<Mail>(4).fill({ text: 'needle' }))
  const setTimes = (...times: number[]) =>
    world.store.transaction(async (tx) => {
      for (const [index, timestamp] of times.entries())
        await tx.updateTable('messages').set({ timestamp }).where('id', '=', ids[index]!).execute()
    })
  const at = Date.now()
  const find = (times: { before?: number; after?: number }) =>
    world.search({ anyOf: [{ columns: ['body'], allOf: ['needle'] }], ...times })
  const [first, second, third, fourth] = ids
  await setTimes(at + 151, at + 150, at + 1, at)
  expect(await find({ before: at + 100 })).toEqual([fourth, third])
  expect(await find({ after: at + 100 })).toEqual([second, first])
  expect(await find({ before: at + 151, after: at })).toEqual([third, second])
  const day = 24 * 60 * 60_000
  await setTimes(at, at + day, at + 1, at + 2) // by a clock that was wrong for a moment
  expect(await find({ before: at + 100 })).toEqual([fourth, third, first])
  await setTimes(at, at - day, at + 1, at + 2)
  expect(await find({ after: at - 100 })).toEqual([fourth, third, first])
  // The same, while the others are not in order either.
  await setTimes(at, at + day, at + 2, at + 1)
  expect(await find({ before: at + 100 })).toEqual([fourth, third, first])
  await setTimes(at + 2, at + day, at + 1, at)
  expect(await find({ before: at + 100 })).toEqual([fourth, third, first])
  await setTimes(at + 1, at, at - day, at + 2)
  expect(await find({ after: at - 100 })).toEqual([fourth, second, first])
})

test('an empty query finds nothing', async () => {
  await using world = await openSearchWorld()
  await world.add({ text: 'something' })
  expect(await world.search({ anyOf: [] })).toEqual([])
  expect(await world.search({ anyOf: [{ columns: ['body'], allOf: [''] }] })).toEqual([])
})

describe('the index', () => {
  test('a deleted message is not found, and its signature is removed with the others of its block', async () => {
    await using world = await openSearchWorld()
    const [gone, kept] = await world.add({ text: 'the needle' }, { text: 'needles' }, ...fillers(254))
    await world.index()
    const [before] = await chunks()
    await world.remove(gone!)
    expect(await world.find('needle')).toEqual([kept])
    const { run_at } = await world.store.db.selectFrom('jobs').select('run_at').executeTakeFirstOrThrow()
    expect(run_at).toBeGreaterThan(Date.now())
    await world.index()
    expect(await world.find('needle')).toEqual([kept])
    expect(await world.store.db.selectFrom('search_blocks').select('has_removed').execute()).toEqual([
      { has_removed: 0 },
    ])
    // The first bit of each slice belongs to the first message of the block, which is another one now.
    expect(await chunks()).not.toEqual([before])

    async function chunks(): Promise<string[]> {
      const rows = await world.store.db.selectFrom('search_chunks').select('bytes').orderBy('id').execute()
      return [Buffer.concat(rows.map(({ bytes }) => bytes)).toString('base64')]
    }
  })

  test('a block is deleted with its last message, and small neighbours become one block', async () => {
    await using world = await openSearchWorld()
    const ids = await world.add(...fillers(256 * 3))
    await world.index()
    expect(await world.blocks()).toBe(3)
    await world.remove(...ids.slice(0, 256))
    expect(await world.blocks()).toBe(2)
    await world.remove(...ids.slice(300, 600))
    await world.index()
    expect(await world.blocks()).toBe(1)
    expect(await world.find('filler 2')).toHaveLength(44)
    expect(await world.find('filler')).toHaveLength(256 * 3 - 256 - 300)
    await world.remove(...ids)
    expect(await world.blocks()).toBe(0)
    expect(await world.store.db.selectFrom('search_chunks').select('id').execute()).toEqual([])
  })

  test.each([
    ['a part of a block is missing', 'delete from search_chunks where id % 48 > 0'],
    ['another text function made it', "update search_blocks set text_function = '0:1'"],
    ['it is missing', 'delete from search_blocks'],
  ])('is made again when %s; until then a search finds the same', async (_what, damage) => {
    await using world = await openSearchWorld({ limits: { search: { pageRowsMax: 100 } } })
    const [wanted] = await world.add({ text: 'needle' }, ...fillers(600))
    await world.index()
    expect(await world.blocks()).toBe(2)
    const needle = { anyOf: [{ columns: ['body'] as const, allOf: ['needle'] }], limit: 10 }
    await world.store.transaction((tx) => sql.raw(damage).execute(asKysely(tx)))
    await world.store.transaction((tx) => tx.deleteFrom('jobs').execute())
    // Meanwhile all messages are compared, at most a hundred per page.
    const pages: SearchPage[] = []
    do pages.push(await world.page({ ...needle, beforeNumber: pages.at(-1)?.nextNumber }))
    while (pages.at(-1)!.nextNumber !== undefined)
    expect(pages.flatMap(({ messages }) => messages.map(({ id }) => id))).toEqual([wanted])
    expect(pages.length).toBe(7)
    for (const { rowsLeft } of pages) expect(rowsLeft).toBeGreaterThanOrEqual(0)
    await checkIndexes(world, new AbortController().signal)
    const jobs = await world.store.db.selectFrom('jobs').select(['kind', 'key']).execute()
    expect(jobs).toEqual([{ kind: 'index-messages', key: world.inbox.inbox_id }])
    await world.index()
    expect(await world.find('needle')).toEqual([wanted])
    expect((await world.page(needle)).messages).toHaveLength(1) // within one page, so the index is used again
    expect(await world.blocks()).toBe(2)
  })

  // The transaction that marks the block failed, and the search with it.
  test('a search that finds a damaged block answers while the disk is full, and a later one marks the block', async () => {
    await using world = await openSearchWorld()
    const { store } = world
    const [wanted] = await world.add({ text: 'needle' }, ...fillers(255))
    await world.index()
    await store.transaction((tx) => sql.raw('delete from search_chunks where id % 48 > 0').execute(asKysely(tx)))
    await store.transaction((tx) => tx.deleteFrom('jobs').execute())
    const jobs = async () => (await store.db.selectFrom('jobs').select('kind').execute()).map(({ kind }) => kind)
    const transaction = () => Promise.reject(new MailError('disk_full', {}))
    const full = Object.assign(Object.create(store) as typeof store, { transaction })
    expect(await world.find('needle', full)).toEqual([wanted])
    const marked = 'damaged blocks of the text index were not marked; the next search will do it'
    expect(new Set(world.logged.map(({ msg }) => msg))).toEqual(new Set([marked]))
    expect(await jobs()).toEqual([])
    expect(await world.find('needle')).toEqual([wanted])
    expect(await jobs()).toEqual(['index-messages'])
  })

  // It runs after every 64 messages or so, and counted the parts of each block: 85 ms in an inbox of 100,000 messages.
  test('the job reads no part of a block that is complete', async () => {
    await using world = await openSearchWorld()
    await world.add(...fillers(600))
    await world.index()
    const { counted, statements } = countStatements(world.store)
    await world.index(counted)
    expect(statements).toEqual({ search_blocks: 2, messages: 1 })
  })

  // PostgreSQL draws a number when a message is inserted, so numbers are committed in another order than they are drawn.
  test('a message that is committed after one of another inbox with a higher number is found, and gets into the index', async () => {
    await using folder = await temporaryFolder()
    await using world = await openSearchWorld({ dataDir: folder.path })
    const node = databaseName() === 'postgres' ? await openTestStore({ dataDir: folder.path }) : undefined
    const needle = parseMail(Buffer.from('From: a@b.test\r\nSubject: needle\r\n\r\n'), world.limits)
    try {
      await world.add(...fillers(255))
      const wanted = await world.store.transaction(async (tx) => {
        await inboxes.lockById(tx, world.inbox.inbox_id)
        const ids = await insertParsedMails(tx, world.inbox, [needle])
        if (node) {
          await node.transaction((other) => insertParsedMails(other, world.other, [needle]))
          await world.index(node)
          expect(await world.find('needle', node)).toEqual([])
        }
        return ids
      })
      expect(await world.find('needle')).toEqual(wanted)
      await world.index()
      expect(await world.blocks()).toBe(1)
      expect(await world.find('needle')).toEqual(wanted)
    } finally {
      await node?.close()
    }
  })

  test('a block with deleted messages of which a part is missing is made again', async () => {
    await using world = await openSearchWorld()
    const [gone, wanted] = await world.add({ text: 'needle' }, { text: 'needle' }, ...fillers(300))
    await world.index()
    await world.remove(gone!)
    await world.store.transaction((tx) => sql`delete from search_chunks where id % 48 = 7`.execute(asKysely(tx)))
    await world.index()
    expect(await world.find('needle')).toEqual([wanted])
    const chunks = await world.store.db.selectFrom('search_chunks').select('id').execute()
    expect(chunks).toHaveLength(48 * (await world.blocks()))
    expect(await world.blocks()).toBe(1)
  })

  test('a new message of an inbox with at least 256 makes its inbox indexed; one of 64 does so', async () => {
    await using world = await openSearchWorld({ limits: { search: { indexEvery: 1 } } })
    const { store, inbox, limits } = world
    const jobs = () => store.db.selectFrom('jobs').select(['kind', 'key']).execute()
    await world.add(...fillers(255))
    await fileMail(store, inbox, {}, limits)
    expect(await jobs()).toEqual([])
    await fileMail(store, inbox, {}, limits)
    expect(await jobs()).toEqual([{ kind: 'index-messages', key: inbox.inbox_id }])

    const row = (await inboxes.getById(store.db, inbox.inbox_id))!
    const defaults = withLimits({})
    await store.transaction(async (tx) => {
      for (let number = 1; number <= 640; number += 1) {
        await requestIndexing(tx, { ...row, id: `inbox ${number}` }, number, defaults)
      }
    })
    const requests = (await jobs()).filter(({ key }) => key.startsWith('inbox '))
    expect(requests).toHaveLength(10)
  })
})

// Every search of the inbox failed, and the job that makes its index.
test('a message whose stored text is damaged is found by its subject, and stops neither searches nor the index', async () => {
  await using world = await openSearchWorld({ limits: { search: { textCacheBytesMax: 0 } } }) // it is read each time, and logged once
  const { store } = world
  const [damaged] = await world.add({ subject: 'the needle', text: 'needle' })
  const ids = await world.add({ text: 'needle' }, ...fillers(254))
  const { content_id } = await store.db
    .selectFrom('messages')
    .select('content_id')
    .where('id', '=', damaged!)
    .executeTakeFirstOrThrow()
  const search_text = Buffer.from([4, 0, 1])
  await store.transaction((tx) =>
    tx.updateTable('contents').set({ search_text }).where('id', '=', content_id).execute(),
  )
  for (const blocks of [0, 1]) {
    expect(await world.blocks()).toBe(blocks)
    expect(await world.find('needle')).toEqual([ids[0], damaged])
    expect(await world.search({ anyOf: [{ columns: ['body'], allOf: ['needle'] }] })).toEqual([ids[0]])
    await world.index()
  }
  expect(world.logged).toMatchObject([{ level: 'error', contentId: content_id }])
})
