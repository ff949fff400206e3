/** Tests that each item of a FETCH has the same value alone and beside others: what is read of a message depends on all of them. */
import { expect, onTestFinished, test } from 'vitest'
import { seededRandom } from '../support/seeded-random.ts'
import type { ImapClient } from './imap-client.ts'
import { openMailbox, startMemoryServer } from './imap-under-test.ts'

const ITEMS = [
  ...['UID', 'FLAGS', 'MODSEQ', 'INTERNALDATE', 'SAVEDATE', 'RFC822.SIZE', 'EMAILID', 'PREVIEW'],
  ...['ENVELOPE', 'BODY', 'BODYSTRUCTURE', 'RFC822', 'RFC822.HEADER', 'RFC822.TEXT'],
  ...['BODY.PEEK[]', 'BODY.PEEK[]<3.9>', 'BODY.PEEK[HEADER]', 'BODY.PEEK[HEADER]<5.5>', 'BODY.PEEK[TEXT]'],
  ...['BODY.PEEK[HEADER.FIELDS (subject)]', 'BODY.PEEK[HEADER.FIELDS.NOT (subject)]', 'BODY.PEEK[1]', 'BODY.PEEK[9]'],
  ...['BODY.PEEK[1.MIME]', 'BODY.PEEK[2.HEADER]', 'BODY.PEEK[2.HEADER.FIELDS (X)]', 'BODY.PEEK[2.TEXT]<1.4>'],
  ...['BINARY.PEEK[]', 'BINARY.PEEK[1]', 'BINARY.PEEK[1]<3.2>', 'BINARY.SIZE[]', 'BINARY.SIZE[1]', 'BINARY.SIZE[2]'],
]

const RAW = [
  ...['Subject: parts', 'From: Ann <ann@x.test>', 'Content-Type: multipart/mixed; boundary=b', '', '--b'],
  ...['Content-Transfer-Encoding: quoted-printable', '', 'caf=C3=A9', '--b', 'Content-Type: message/rfc822', ''],
  ...['Subject: inner', 'X: 1', '', 'inner text', '--b--', ''],
].join('\r\n')

test.each([
  ['in memory', 1_000_000],
  ['in a file', 10],
])('items of a message %s have the same values alone and together', async (_where, largeBytes) => {
  const server = await startMemoryServer()
  onTestFinished(() => server.stop())
  const [client] = (await openMailbox(server)) as [ImapClient]
  const inbox = [...server.store.inboxes.values()][0]!
  const { messages } = inbox.mailboxes.get('Work')!
  messages.set(1, { ...messages.get(1)!, raw: Buffer.from(RAW) })
  inbox.largeBytes = largeBytes
  await client.ok('STORE 1 +FLAGS (\\Seen)')
  const fetched = async (items: readonly string[]) => {
    const [response] = await client.ok(`FETCH 1 (${items.join(' ')})`)
    return response!.slice('1 FETCH ('.length, -1)
  }
  const alone = new Map<string, string>()
  for (const item of ITEMS) alone.set(item, await fetched([item]))
  const random = seededRandom(1)
  const choose = () => ITEMS[Math.floor(random() * ITEMS.length)]!
  const pairs = ITEMS.flatMap((one) => ITEMS.map((other) => [one, other]))
  for (const items of [...pairs, ...Array.from({ length: 300 }, () => [choose(), choose(), choose(), choose()])]) {
    expect(await fetched(items), items.join(' ')).toBe(items.map((item) => alone.get(item)).join(' '))
  }
})
