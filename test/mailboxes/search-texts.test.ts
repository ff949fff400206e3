/** Tests that TEXT, BODY and the header keys of SEARCH see whole messages, and that a search that would read too much is refused. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { MailAccount, OpenMailbox } from '../../src/edges/imap/session/mail-store.ts'
import type { SearchKey, TextTarget } from '../../src/formats/imap/search-keys.ts'
import { countStatements } from '../store/count-statements.ts'
import { appendedMail, type MailboxWorld, startMailboxes, startNode } from './mailbox-world.ts'

let world: MailboxWorld
let account: MailAccount
let inbox: OpenMailbox

const filler = (chars: number) => 'filler words on a line\n'.repeat(Math.ceil(chars / 23))
const base64 = (text: string) => Buffer.from(text).toString('base64')

const mails = [
  // 1: the index has only the beginning
  `From: ann@x.test\nSubject: long\nMessage-ID: <long@x.test>\nX-Loop: Carousel\n\n${filler(40_000)}the needle in the haystack\n${filler(5_000)}`,
  // 2: attachments
  [
    'From: "Example, Bob" <bob@y.test> (the builder)',
    'To: Undisclosed: ada@a.test, Eve <eve@b.test>;',
    'Subject: attached',
    'Subject: second subject',
    'Message-ID: <two@y.test>',
    'MIME-Version: 1.0',
    'Content-Type: multipart/mixed; boundary=b',
    '',
    '--b',
    '',
    'see the files',
    '--b',
    'Content-Type: text/csv; charset=iso-8859-1; name="prices.csv"',
    'Content-Transfer-Encoding: base64',
    'Content-Disposition: attachment; filename="prices.csv"',
    '',
    Buffer.from('Stra\xdfe;42', 'latin1').toString('base64'),
    '--b',
    'Content-Type: message/rfc822',
    '',
    'Subject: inner subject',
    'Content-Type: text/plain',
    'Content-Transfer-Encoding: base64',
    '',
    base64('text of the inner message'),
    '--b',
    'Content-Type: application/octet-stream; name=data.bin',
    'Content-Transfer-Encoding: base64',
    '',
    base64('bytes that are no text'),
    '--b--',
    '',
  ].join('\n'),
  // 3: HTML alone
  `From: cid@z.test\nSubject: html\nContent-Type: text/html\n\n<p>${filler(40_000)}</p><p>the <b>bold</b> ending</p>\n`,
  // 4: a field of many lines
  `From: dan@z.test\nSubject: plain\nReceived: from relay.z.test\n by mx.a.test with SMTP\nX-Note: =?utf-8?q?gr=C3=BC=C3=9Fe?=\nMessage-ID: without brackets\nX-Greek: ΟΔΟΣΑ\n\nshort, ΛΟΓΟΣΑ\n`,
  // 5: parts, and no attachment
  [
    'From: eve@z.test',
    'Subject: alternative',
    'MIME-Version: 1.0',
    'Content-Type: multipart/alternative; boundary=a',
    '',
    '--a',
    'X-Part: of a short message',
    '',
    'the text',
    '--a',
    'Content-Type: text/html',
    '',
    '<p>the text, only in <b>HTML</b></p>',
    '--a--',
    '',
  ].join('\n'),
]

beforeAll(async () => {
  world = await startMailboxes({ mailboxes: { searchSourceBytesMax: 500_000, searchContentsMax: 1_000 } })
  account = await world.logIn()
  for (const raw of mails) await account.append('INBOX', appendedMail(raw))
  inbox = await account.open('INBOX')
})
afterAll(() => world[Symbol.asyncDispose]())

const search = (key: SearchKey) => inbox.search(key, inbox.latest(), [], new AbortController().signal)
const text = (target: TextTarget, value: string): SearchKey => ({ key: 'text', in: target, value })
const header = (name: string, value: string): SearchKey => ({ key: 'header', name, value })

const cases: [SearchKey, number[]][] = [
  [text('body', 'Needle in the HAYSTACK'), [1]],
  [text('text', 'needle in the haystack'), [1]],
  [text('text', 'carousel'), [1]],
  [text('text', 'x-loop: carou'), [1]],
  [text('text', 'x-part: of a short message'), [5]],
  [text('body', 'of a short message'), []],
  [text('text', 'only in html'), [5]],
  [text('body', 'carousel'), []],
  [text('body', 'straße;42'), [2]],
  [text('text', 'prices.csv'), [2]],
  [text('body', 'prices.csv'), []],
  [text('body', 'inner subject'), [2]],
  [text('body', 'text of the inner message'), [2]],
  [text('body', 'bytes that are no text'), []],
  [text('body', 'the bold ending'), [3]],
  [text('text', 'from relay.z.test by mx'), [4]],
  [text('text', 'grüße'), [4]],
  [text('text', 'ΟΔΟΣ'), [4]],
  [text('body', 'λογος'), [4]],
  [text('body', `${filler(500)}the needle`.replaceAll('\n', ' ')), [1]], // longer than the index compares
  [text('body', `${'filler words on a line '.repeat(15)}the needles`), []],
  [{ key: 'not', of: text('body', 'needle in') }, [2, 3, 4, 5]],
  [header('X-Note', 'GRÜSSE'), []],
  [header('X-Note', 'grüße'), [4]],
  [header('received', 'mx.a.test'), [4]],
  [header('From', 'the builder'), [2]],
  [header('from', '"example, bob"'), [2]],
  [header('Subject', 'second'), [2]],
  [header('Message-ID', 'without brackets'), [4]],
  [header('Message-ID', '<LONG@x.test>'), [1]],
  [text('from', 'Example, Bob <bob@y'), [2]],
  [text('from', 'the builder'), []],
  [text('to', 'eve@b.test'), [2]],
  [text('subject', 'second'), []],
]

test.each(cases.map(([key, uids]) => [JSON.stringify(key).slice(0, 100), uids, key] as const))(
  'SEARCH %s finds %j',
  async (_shown, uids, key) => {
    expect(await search(key)).toEqual(uids)
  },
)

test('a search that would read more bytes than it may is refused, and never answered wrongly', async () => {
  const keys = [...'abcdefgh'].map((letter) => text('body', `${letter}0`)) // signatures have no text of two letters
  await expect(search({ key: 'or', keys })).rejects.toMatchObject({ code: 'LIMIT' })
  expect(await search(text('body', 'short'))).toEqual([4])
})

test('who has read a message once reads it again only for a text that it may have', async () => {
  const { counted, statements } = countStatements(world.store)
  const node = await startNode(counted)
  const mailbox = await (await world.logIn(undefined, node)).open('INBOX')
  const find = (value: string) =>
    mailbox.search(text('text', value), mailbox.latest(), [], new AbortController().signal)
  await find('neither here nor there')
  const before = statements.contents!
  expect(before).toBeGreaterThan(0)
  expect(await find('nothing that is here')).toEqual([])
  expect(statements.contents).toBe(before)
  expect(await find('carousel')).toEqual([1])
  expect(statements.contents).toBe(before + 1)
  await node.feed.stop()
})

test('searches of long messages take turns and can be cut', async () => {
  const found = await Promise.all(Array.from({ length: 10 }, () => search(text('body', 'needle in'))))
  expect(found).toEqual(Array.from({ length: 10 }, () => [1]))
  const cut = new AbortController()
  const waiting = inbox.search(text('body', 'needle in'), inbox.latest(), [], cut.signal)
  cut.abort()
  await expect(waiting).rejects.toThrow()
  expect(await search(text('body', 'needle in'))).toEqual([1])
})

test('a draft is searched as a whole', async () => {
  const drafts = await account.open('Drafts')
  await account.append('Drafts', appendedMail(mails[1]!.replaceAll('<two@y.test>', '<draft@y.test>')))
  const latest = await drafts.refresh()
  const of = (key: SearchKey) => drafts.search(key, latest, [], new AbortController().signal)
  expect([await of(text('body', 'inner message')), await of(text('text', 'prices.csv'))]).toEqual([[1], [1]])
  expect([await of(text('body', 'prices.csv')), await of(text('subject', 'attached'))]).toEqual([[], [1]])
})
