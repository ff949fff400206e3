/** FETCH (RFC 9051 §6.4.5): items, sections, partials, \Seen, on any server. */
import { expect, test } from 'vitest'
import type { ImapClient } from '../imap-client.ts'
import { type ImapUnderTest, openSession } from '../imap-under-test.ts'

const MULTIPART = [
  'From: Ann <ann@example.test>',
  'Subject: parts',
  'Date: Mon, 7 Feb 1994 21:52:25 -0800',
  'MIME-Version: 1.0',
  'Content-Type: multipart/mixed; boundary=b1',
  '',
  '--b1',
  'Content-Type: text/plain; charset=utf-8',
  'Content-Transfer-Encoding: quoted-printable',
  '',
  'caf=C3=A9',
  '--b1',
  'Content-Type: application/octet-stream',
  'Content-Transfer-Encoding: base64',
  '',
  'AAEC',
  '--b1',
  'Content-Type: message/rfc822',
  '',
  'Subject: inner',
  'X-Other: 1',
  '',
  'inner text',
  '--b1--',
  '',
].join('\r\n')

async function openMessage(server: ImapUnderTest, message = MULTIPART): Promise<ImapClient> {
  const { client } = await openSession(server)
  await client.ok('CREATE Work')
  await client.append('Work', message)
  await client.ok('SELECT Work')
  return client
}

const literal = (text: string) => `{${text.length}}\r\n${text}`

export function fetchSuite(server: { readonly current: ImapUnderTest }): void {
  const header = MULTIPART.slice(0, MULTIPART.indexOf('\r\n\r\n') + 4)

  test.each([
    ['BODY.PEEK[HEADER]', `BODY[HEADER] ${literal(header)}`],
    ['BODY.PEEK[TEXT]', `BODY[TEXT] ${literal(MULTIPART.slice(header.length))}`],
    [
      'BODY.PEEK[HEADER.FIELDS (subject X-None)]',
      `BODY[HEADER.FIELDS (subject X-None)] ${literal('Subject: parts\r\n\r\n')}`,
    ],
    [
      'BODY.PEEK[HEADER.FIELDS.NOT (Date MIME-Version "Content-Type" From)]',
      `BODY[HEADER.FIELDS.NOT (Date MIME-Version Content-Type From)] ${literal('Subject: parts\r\n\r\n')}`,
    ],
    ['BODY.PEEK[1]', `BODY[1] ${literal('caf=C3=A9')}`],
    [
      'BODY.PEEK[1.MIME]',
      `BODY[1.MIME] ${literal('Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n')}`,
    ],
    ['BODY.PEEK[3]', `BODY[3] ${literal('Subject: inner\r\nX-Other: 1\r\n\r\ninner text')}`],
    ['BODY.PEEK[3.HEADER]', `BODY[3.HEADER] ${literal('Subject: inner\r\nX-Other: 1\r\n\r\n')}`],
    ['BODY.PEEK[3.HEADER.FIELDS (SUBJECT)]', `BODY[3.HEADER.FIELDS (SUBJECT)] ${literal('Subject: inner\r\n\r\n')}`],
    ['BODY.PEEK[3.TEXT]', `BODY[3.TEXT] ${literal('inner text')}`],
    ['BODY.PEEK[3.1]', `BODY[3.1] ${literal('inner text')}`],
    ['BODY.PEEK[9]', 'BODY[9] NIL'],
    ['BODY.PEEK[1.TEXT]', 'BODY[1.TEXT] NIL'],
    ['BODY.PEEK[]<0.4>', `BODY[]<0> ${literal('From')}`],
    ['BODY.PEEK[1]<3.100>', `BODY[1]<3> ${literal('=C3=A9')}`],
    ['BODY.PEEK[1]<100.1>', 'BODY[1]<100> ""'],
    ['BINARY.PEEK[1]', `BINARY[1] ${literal('caf\xc3\xa9')}`],
    ['BINARY.PEEK[1]<3.2>', `BINARY[1]<3> ${literal('\xc3\xa9')}`],
    ['BINARY.SIZE[1]', 'BINARY.SIZE[1] 5'],
    ['RFC822.HEADER', `RFC822.HEADER ${literal(header)}`],
    ['RFC822.SIZE', `RFC822.SIZE ${MULTIPART.length}`],
  ])('%s', async (item, expected) => {
    const client = await openMessage(server.current)
    expect(await client.ok(`FETCH 1 ${item}`)).toEqual([`1 FETCH (${expected})`])
    expect(await client.ok(`UID FETCH 1 (${item} FLAGS)`)).toEqual([`1 FETCH (UID 1 ${expected} FLAGS ())`])
  })

  const subject = literal('Subject: parts\r\n\r\n')
  test.each([
    ['BODY.PEEK[HEADER] BODY.PEEK[]', `BODY[HEADER] ${literal(header)} BODY[] ${literal(MULTIPART)}`],
    ['RFC822.HEADER BINARY.SIZE[]', `RFC822.HEADER ${literal(header)} BINARY.SIZE[] ${MULTIPART.length}`],
    [
      'BODY.PEEK[] BODY.PEEK[HEADER.FIELDS (Subject)]',
      `BODY[] ${literal(MULTIPART)} BODY[HEADER.FIELDS (Subject)] ${subject}`,
    ],
  ])('(%s): the whole message and its header', async (items, expected) => {
    const client = await openMessage(server.current)
    expect(await client.ok(`FETCH 1 (${items})`)).toEqual([`1 FETCH (${expected})`])
  })

  test('a decoded part with NUL is a literal8', async () => {
    const client = await openMessage(server.current)
    client.send('x FETCH 1 BINARY.PEEK[2]\r\n')
    expect(await client.response()).toBe('* 1 FETCH (BINARY[2] ~{3}\r\n\0\x01\x02)')
  })

  test.each([
    ['BODY[]', `BODY[] ${literal(MULTIPART)}`],
    ['RFC822', `RFC822 ${literal(MULTIPART)}`],
    ['RFC822.TEXT', `RFC822.TEXT ${literal(MULTIPART.slice(header.length))}`],
    ['BINARY[1]', `BINARY[1] ${literal('caf\xc3\xa9')}`],
  ])('%s sets \\Seen', async (item, expected) => {
    const client = await openMessage(server.current)
    expect(await client.ok(`FETCH 1 ${item}`)).toEqual([`1 FETCH (${expected} FLAGS (\\Seen))`])
    expect(await client.ok(`FETCH 1 (${item})`)).toEqual([`1 FETCH (${expected})`])
    expect(await client.ok('FETCH 1 FLAGS')).toEqual(['1 FETCH (FLAGS (\\Seen))'])
  })

  // They are read in batches, and each one has its own change.
  test('many messages have their new flags in the responses with their content, and in no others', async () => {
    const messages = Array.from({ length: 40 }, (_, i) => `Subject: ${i + 1}\r\n\r\nhello\r\n`)
    const client = await openMessage(server.current, messages[0])
    for (const message of messages.slice(1)) await client.append('Work', message)
    await client.ok('NOOP')
    await client.ok('STORE 7,30 +FLAGS.SILENT (\\Seen)')
    expect(await client.ok('FETCH 1:40 BODY[]')).toEqual(
      messages.map((message, i) => {
        const flags = [7, 30].includes(i + 1) ? '' : ' FLAGS (\\Seen)'
        return `${i + 1} FETCH (BODY[] ${literal(message)}${flags})`
      }),
    )
    expect(await client.ok('SEARCH UNSEEN')).toEqual(['SEARCH'])
  })

  test('macros, ENVELOPE, BODY and BODYSTRUCTURE', async () => {
    const client = await openMessage(server.current)
    const [fast] = await client.ok('FETCH 1 FAST')
    expect(fast).toMatch(/^1 FETCH \(FLAGS \(\) INTERNALDATE "[^"]{26}" RFC822.SIZE \d+\)$/)
    const [all] = await client.ok('FETCH 1 all')
    const envelope =
      '("Mon, 7 Feb 1994 21:52:25 -0800" "parts" (("Ann" NIL "ann" "example.test")) (("Ann" NIL "ann" "example.test")) ' +
      '(("Ann" NIL "ann" "example.test")) NIL NIL NIL NIL NIL)'
    expect(all).toBe(`${fast!.slice(0, -1)} ENVELOPE ${envelope})`)
    const [full] = await client.ok('FETCH 1 FULL')
    expect(full).toMatch(/ BODY \(\("TEXT" "PLAIN" .* "MIXED"\)\)$/i)
    expect(await client.ok('FETCH 1 (BODYSTRUCTURE)')).toEqual([
      expect.stringMatching(/^1 FETCH \(BODYSTRUCTURE \(.*"boundary" "b1".*\)\)$/i),
    ])
    expect(await client.command('FETCH 1 (FAST)')).toMatchObject({ status: 'BAD' })
  })

  test('PREVIEW, SAVEDATE, EMAILID, THREADID, MODSEQ', async () => {
    const client = await openMessage(server.current)
    const [text] = await client.ok('FETCH 1 (PREVIEW SAVEDATE EMAILID THREADID MODSEQ UID)')
    expect(text).toMatch(
      /^1 FETCH \(PREVIEW (NIL|"[^"]*"|\{\d+\}\r\n[\s\S]*?) SAVEDATE ("[^"]{26}"|NIL) EMAILID \(\S+\) THREADID (\(\S+\)|NIL) MODSEQ \(\d+\) UID 1\)$/,
    )
    await client.ok('FETCH 1 (PREVIEW (LAZY))')
    expect(await client.command('FETCH 1 (PREVIEW (EAGER))')).toMatchObject({ status: 'BAD' })
  })

  test.each([
    'FETCH 2 FLAGS',
    'FETCH 1 NONSENSE',
    'FETCH 1 ()',
    'FETCH 1 BODY[',
    'FETCH 1 BODY[MIME]',
    'FETCH 1 BODY[1.]',
    'FETCH 1 BODY[0]',
    'FETCH 1 BODY[HEADER.FIELDS ()]',
    'FETCH 1 BODY[]<0.0>',
    'FETCH 1 BODY[]<5>',
    'FETCH 1 FLAGS[]',
    'FETCH 1: FLAGS',
    'FETCH 1,,2 FLAGS',
    'FETCH 1 (FLAGS  UID)',
    'FETCH a FLAGS',
    'FETCH 99999999999 FLAGS',
    'UID FETCH 1 (FLAGS) (VANISHED)',
    'UID FETCH 1 (FLAGS) (CHANGEDSINCE 1 VANISHED)',
  ])('%s is BAD', async (command) => {
    const client = await openMessage(server.current)
    expect(await client.command(command)).toMatchObject({ status: 'BAD', untagged: [] })
  })

  test('sets: reversed ranges, "*", repeated numbers, UIDs that do not exist', async () => {
    const { client } = await openSession(server.current)
    await client.ok('CREATE Work')
    await client.ok('SELECT Work')
    expect(await client.ok('FETCH 1:* FLAGS')).toEqual([])
    expect(await client.ok('UID FETCH 1:* FLAGS')).toEqual([])
    for (const subject of ['a', 'b', 'c']) await client.append('Work', `Subject: ${subject}\r\n\r\nx\r\n`)
    await client.ok('NOOP')
    const numbers = async (set: string) =>
      (await client.ok(`FETCH ${set} UID`)).map((text) => Number.parseInt(text, 10))
    expect(await numbers('3:1')).toEqual([1, 2, 3])
    expect(await numbers('*')).toEqual([3])
    expect(await numbers('*:2')).toEqual([2, 3])
    expect(await numbers('3,1,1:2')).toEqual([1, 2, 3])
    expect(await client.ok('UID FETCH 10:* UID')).toEqual(['3 FETCH (UID 3)'])
    expect(await client.ok('UID FETCH 9,2 UID')).toEqual(['2 FETCH (UID 2)'])
  })
}
