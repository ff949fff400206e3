/** Tests the keys of SEARCH, one by one, against a small mailbox. */
import { truncate } from 'node:fs/promises'
import { inspect } from 'node:util'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import type { MailAccount, OpenMailbox } from '../../src/edges/imap/session/mail-store.ts'
import type { SearchKey } from '../../src/formats/imap/search-keys.ts'
import type { Log } from '../../src/log.ts'
import { firstPosition, inSet } from '../../src/mail/mailboxes/search/search-positions.ts'
import { createReportDamage, DamagedContent } from '../../src/mail/messages/content/damaged-content.ts'
import { expectBounded } from '../formats/bounded.ts'
import { append, appendedMail, type MailboxWorld, startMailboxes } from './mailbox-world.ts'

let world: MailboxWorld
let account: MailAccount
let inbox: OpenMailbox
let ids: string[]

const mails = [
  'From: Ann Example <ann@x.test>\nTo: Ada <ada@a.test>\nSubject: Grüße aus Köln\nMessage-ID: <one@x.test>\nDate: Sat, 3 Feb 2001 23:30:00 -0500\n\nThe quick brown fox\n',
  'From: Bob <bob@y.test>\nTo: Eve <eve@b.test>\nCc: Carl <carl@c.test>\nSubject: plain\nMessage-ID: <two@y.test>\nIn-Reply-To: <one@x.test>\nReferences: <one@x.test>\nX-Colour: Blue\nDate: Sun, 4 Feb 2001 00:10:00 +0000\n\njumps over 你好世界\n',
  'From: Cid <cid@z.test>\nSubject: large\nMessage-ID: <three@z.test>\nDate: 1 Mar 99 10:00 GMT\n\n' +
    'lazy dog '.repeat(500),
]

beforeAll(async () => {
  world = await startMailboxes({
    mailboxes: { searchContentsMax: 10, searchRowsMax: 100 },
    store: { inlineBytesMax: 5_000 },
  })
  account = await world.logIn()
  for (const [index, raw] of mails.entries()) {
    const flags = index === 0 ? ['\\Seen', 'Work'] : index === 1 ? ['\\Flagged'] : []
    await account.append('INBOX', appendedMail(raw, { flags, internalDate: Date.UTC(2001, 1, 3 + index, 12) }))
  }
  inbox = await account.open('INBOX')
  ids = []
  for await (const batch of inbox.fetch([1, 2, 3], { ids: true }, new AbortController().signal)) {
    ids.push(...batch.map(({ emailId }) => emailId!))
  }
})

afterAll(() => world[Symbol.asyncDispose]())

const text = (where: string, value: string) => ({ key: 'text', in: where, value }) as SearchKey
const header = (name: string, value: string): SearchKey => ({ key: 'header', name, value })
const flag = (name: string, isSet = true): SearchKey => ({ key: 'flag', flag: name, isSet })
const date = (of: string, is: string, day: string) => ({ key: 'date', of, is, day }) as SearchKey
const set = (start: number | '*', end: number | '*') => [{ start, end }]

const cases: [SearchKey, number[]][] = [
  [{ key: 'all' }, [1, 2, 3]],
  [flag('\\seen'), [1]],
  [flag('\\Seen', false), [2, 3]],
  [flag('WORK'), [1]],
  [{ key: 'not', of: flag('\\Flagged') }, [1, 3]],
  [{ key: 'or', keys: [flag('\\Seen'), flag('\\Flagged')] }, [1, 2]],
  [{ key: 'and', keys: [flag('\\Seen', false), text('subject', 'LARGE')] }, [3]],
  [{ key: 'and', keys: [] }, [1, 2, 3]],
  [{ key: 'sequence', set: set(2, '*') }, [2, 3]],
  [{ key: 'sequence', set: set('*', 9) }, [3]],
  [{ key: 'uid', set: set(3, 1) }, [1, 2, 3]],
  [{ key: 'uid', set: set(100, '*') }, [3]],
  [{ key: 'saved result' }, [2]],
  [{ key: 'modseq', atLeast: 1n }, [1, 2, 3]],
  [{ key: 'modseq', atLeast: 2n ** 60n }, []],
  [{ key: 'size', is: 'larger', bytes: 1_000 }, [3]],
  [{ key: 'size', is: 'smaller', bytes: 1_000 }, [1, 2]],
  [text('subject', 'GRÜSSE'), []],
  [text('subject', 'grüße AUS'), [1]],
  [text('subject', ''), [1, 2, 3]],
  [text('from', 'ann example <ANN@'), [1]],
  [text('to', 'eve'), [2]],
  [text('cc', 'carl@c'), [2]],
  [text('cc', ''), [2]],
  [text('bcc', 'carl'), []],
  [text('body', 'QUICK brown'), [1]],
  [text('body', '好世'), [2]],
  [text('body', 'plain'), []],
  [text('text', 'plain'), [2]],
  [text('text', 'eve@b.test'), [2]],
  [text('text', 'azy d'), [3]],
  [text('text', ''), [1, 2, 3]],
  [header('X-Colour', 'blue'), [2]],
  [header('x-colour', ''), [2]],
  [header('Message-ID', '<TWO@y'), [2]],
  [header('References', 'one@x.test'), [2]],
  [header('In-Reply-To', '<one@x.test>'), [2]],
  [date('internal', 'on', '2001-02-04'), [2]],
  [date('internal', 'before', '2001-02-04'), [1]],
  [date('internal', 'since', '2001-02-04'), [2, 3]],
  [date('sent', 'on', '2001-02-03'), [1]],
  [date('sent', 'before', '2000-01-01'), [3]],
  [date('saved', 'since', '2020-01-01'), [1, 2, 3]],
  [{ key: 'within', is: 'older', seconds: 60 }, [1, 2, 3]],
  [{ key: 'within', is: 'younger', seconds: 60 }, []],
  [{ key: 'threadid', id: 'none' }, []],
]

test.each(cases.map(([key, uids]) => [inspect(key), uids, key] as const))(
  'SEARCH %s finds %j',
  async (_shown, uids, key) => {
    expect(await inbox.search(key, inbox.latest(), [2], new AbortController().signal)).toEqual(uids)
  },
)

test('a search by id finds the message; one that reads too many contents is refused', async () => {
  const search = (key: SearchKey) => inbox.search(key, inbox.latest(), [], new AbortController().signal)
  expect(await search({ key: 'emailid', id: ids[1]! })).toEqual([2])
  const costly: SearchKey = { key: 'or', keys: Array.from({ length: 5 }, () => header('X-None', 'x')) }
  await expect(search(costly)).rejects.toMatchObject({ code: 'LIMIT' })
})

test('sets with many ranges cost time for the messages and the ranges, not for each pair of both', () => {
  const uids = Uint32Array.from({ length: 100_000 }, (_, index) => 2 * index + 1)
  const set = Array.from({ length: 20_000 }, (_, index) => ({ start: 10 * index + 2, end: 10 * index + 1 }))
  const numbers = { last: uids.at(-1)!, positionFrom: (uid: number) => firstPosition(uids, uid) }
  const all = new Uint8Array(uids.length).fill(1)
  const found = expectBounded(() => inSet(all, set, numbers), 500) // several seconds otherwise
  expect([...uids].filter((_uid, index) => found[index] === 1)).toEqual(set.map(({ end }) => end))
})

test('all keys of a search together read a limited number of rows', async () => {
  const search = (count: number) => {
    const keys = Array.from({ length: count }, (): SearchKey => ({ key: 'size', is: 'larger', bytes: 1 }))
    return inbox.search({ key: 'and', keys }, inbox.latest(), [], new AbortController().signal)
  }
  expect(await search(10)).toEqual([1, 2, 3])
  await expect(search(40)).rejects.toMatchObject({ code: 'LIMIT' })
})

test('a content that is damaged is logged once', () => {
  const error = vi.fn()
  const report = createReportDamage({ error } as unknown as Log)
  for (const id of ['a', 'b', 'a']) report(id, new DamagedContent('lost'))
  expect(error.mock.calls.map(([{ contentId }]) => contentId)).toEqual(['a', 'b'])
})

// It was NO [SERVERBUG], so that nothing in the mailbox could be found. One whose file was lost counted as deleted: NOT found it.
test.each(['damaged', 'lost', 'too short'])(
  'a message that is %s is in no result that depends on it, and stops no search',
  async (how) => {
    const isInFile = how !== 'damaged'
    const body = isInFile ? 'in a file '.repeat(1_000) : 'in a row'
    const { uid } = await append(account, 'INBOX', appendedMail(`From: dot@x.test\n\n${body}\n`, { flags: ['\\Seen'] }))
    onTestFinished(async () => {
      await inbox.storeFlags([uid], { how: 'add', flags: ['\\Deleted'] })
      await inbox.expunge([uid])
    })
    const { id, blob_key } = await world.store.db
      .selectFrom('messages')
      .innerJoin('contents', 'contents.id', 'messages.content_id')
      .select(['contents.id', 'contents.blob_key'])
      .orderBy('number', 'desc')
      .limit(1)
      .executeTakeFirstOrThrow()
    const noise = Buffer.from([0xff])
    if (how === 'lost') await world.store.blobs.delete(blob_key!)
    else if (isInFile) await truncate(world.store.blobs.fileOf(blob_key!)!, 5_000)
    else {
      await world.store.transaction((tx) =>
        tx.updateTable('contents').set({ bytes: noise, parsed: noise }).where('id', '=', id).execute(),
      )
    }
    const latest = await inbox.refresh()
    const search = async (key: SearchKey) => {
      let damaged = 0
      const found = await inbox.search(key, latest, [], new AbortController().signal, (count) => {
        damaged += count
      })
      return [found, damaged]
    }
    // FETCH was NO [SERVERBUG] or NO [NONEXISTENT], also for the other messages.
    const fetched = []
    const wanted = { size: true, envelope: true, bodyStructure: true, source: 'whole' } as const
    for await (const batch of inbox.fetch(Array.from(latest.uids), wanted, new AbortController().signal))
      fetched.push(...batch)
    expect(fetched.map((message) => [message.uid, message.isDamaged, message.source !== undefined])).toEqual([
      ...[1, 2, 3].map((other) => [other, undefined, true]),
      [uid, true, false],
    ])
    expect(fetched.at(-1)).toMatchObject({ envelope: expect.stringContaining('"dot"'), sizeBytes: expect.any(Number) })

    // The header of a message in a file is in its row too.
    const keys = [text('text', 'x-colour: blue'), ...(isInFile ? [] : [header('X-Colour', 'blue')])]
    for (const key of keys) {
      const shown = inspect(key)
      expect(await search(key), shown).toEqual([[2], 1])
      expect(await search({ key: 'not', of: key }), shown).toEqual([[1, 3], 1])
      expect(await search({ key: 'not', of: { key: 'not', of: key } }), shown).toEqual([[2], 1])
      // Other keys decide alone.
      expect(await search({ key: 'or', keys: [key, flag('\\Seen')] }), shown).toEqual([[1, 2, uid], 0])
      const some: SearchKey = { key: 'and', keys: [key, flag('\\Flagged')] }
      expect(await search({ key: 'not', of: some }), shown).toEqual([[1, 3, uid], 0])
    }
  },
)
