/** Corners of RFC 9051, RFC 7162 and the extensions that clients meet rarely, on any server. */
import { expect, test } from 'vitest'
import { type ImapUnderTest, messageWith, openMailbox, openSession } from '../imap-under-test.ts'
import { readValue } from '../imap-values.ts'

/** A FETCH of flags by this session, after another one has changed them, has MODSEQ once CONDSTORE is enabled. */
const ENABLING: [string, string][] = [
  ['ENABLE CONDSTORE', 'ENABLE CONDSTORE'],
  ['SELECT with CONDSTORE', 'SELECT Work (CONDSTORE)'],
  ['EXAMINE with CONDSTORE', 'EXAMINE Work (CONDSTORE)'],
  ['STATUS of HIGHESTMODSEQ', 'STATUS Work (HIGHESTMODSEQ)'],
  ['FETCH of MODSEQ', 'FETCH 1 MODSEQ'],
  ['FETCH with CHANGEDSINCE', 'FETCH 1 FLAGS (CHANGEDSINCE 1)'],
  ['STORE with UNCHANGEDSINCE', 'STORE 1 (UNCHANGEDSINCE 1) +FLAGS.SILENT (\\Flagged)'],
  ['SEARCH of MODSEQ', 'SEARCH MODSEQ 1'],
  ['ENABLE QRESYNC', 'ENABLE QRESYNC'],
]

function modseqChanges(server: { readonly current: ImapUnderTest }): void {
  test.each(ENABLING)('%s enables CONDSTORE: changes by others have MODSEQ', async (_name, command) => {
    const [client, other] = await openMailbox(server.current, { sessions: 2 })
    await other!.ok('STORE 2 +FLAGS.SILENT (\\Seen)')
    expect((await client!.ok('NOOP'))[0]).not.toContain('MODSEQ')
    await client!.ok(command)
    await other!.ok('STORE 2 +FLAGS.SILENT (\\Flagged)')
    expect(await client!.ok('NOOP')).toContainEqual(expect.stringMatching(/^2 FETCH \(.*MODSEQ \(\d+\)\)$/))
  })

  test('UNCHANGEDSINCE 0 changes nothing and names all of them', async () => {
    const [client] = await openMailbox(server.current)
    const answer = await client!.command('STORE 1:2 (UNCHANGEDSINCE 0) +FLAGS (\\Seen)')
    expect(answer).toMatchObject({ status: 'OK', text: expect.stringMatching(/^\[MODIFIED 1:2\] /), untagged: [] })
    expect(await client!.ok('SEARCH SEEN')).toEqual(['SEARCH'])
  })

  test.each(['-1', '9223372036854775808', 'x', ''])('UNCHANGEDSINCE %s is BAD', async (modseq) => {
    const [client] = await openMailbox(server.current)
    const command = `STORE 1 (UNCHANGEDSINCE ${modseq}) +FLAGS (\\Seen)`
    expect(await client!.command(command)).toMatchObject({ status: 'BAD', untagged: [] })
  })

  test('STORE of a message that vanished, with UNCHANGEDSINCE, is OK and names the others only', async () => {
    const [client, other] = await openMailbox(server.current, { sessions: 2 })
    await other!.ok('STORE 1 +FLAGS.SILENT (\\Deleted)')
    await other!.ok('EXPUNGE')
    const answer = await client!.command('STORE 1:2 (UNCHANGEDSINCE 1) +FLAGS (\\Seen)')
    expect(answer).toMatchObject({ status: 'OK', text: expect.stringMatching(/^\[MODIFIED 2\] /) })
  })

  test('QRESYNC with another UIDVALIDITY says nothing of the past; with one known to be right, only the rest', async () => {
    const [client, other] = await openMailbox(server.current, { sessions: 2, subjects: ['1', '2', '3'] })
    await client!.ok('ENABLE QRESYNC')
    await client!.ok('UNSELECT')
    await other!.ok('STORE 1 +FLAGS.SILENT (\\Deleted)')
    await other!.ok('EXPUNGE')
    const [status] = await client!.ok('STATUS Work (UIDVALIDITY)')
    const validity = Number(/\d+/.exec(status!)![0])
    const selectWith = async (parameters: string) => client!.ok(`SELECT Work (QRESYNC (${parameters}))`)
    const unknown = await selectWith(`${validity - 1} 1`)
    expect(unknown.filter((text) => /VANISHED| FETCH /.test(text))).toEqual([])
    expect(unknown).toContainEqual(expect.stringContaining(`[UIDVALIDITY ${validity}]`))
    const known = await selectWith(`${validity} 1 1,3`)
    expect(known).toContain('VANISHED (EARLIER) 1')
    expect(known.filter((text) => / FETCH /.test(text))).toEqual([expect.stringMatching(/^2 FETCH \(UID 3 /)])
    for (const parameters of ['1', `${validity} 1 0`, `${validity} 1 1:3 (1)`, `${validity} 1 1:*`]) {
      expect(await client!.command(`SELECT Work (QRESYNC (${parameters}))`), parameters).toMatchObject({
        status: 'BAD',
      })
    }
  })

  test('VANISHED (EARLIER) has only UIDs that were asked for and that existed', async () => {
    const [client, other] = await openMailbox(server.current, { sessions: 2, subjects: ['1', '2', '3', '4'] })
    await client!.ok('ENABLE QRESYNC')
    await other!.ok('STORE 2,4 +FLAGS.SILENT (\\Deleted)')
    await other!.ok('EXPUNGE')
    await client!.ok('NOOP')
    const vanished = async (set: string) =>
      (await client!.ok(`UID FETCH ${set} (UID) (CHANGEDSINCE 1 VANISHED)`)).filter((text) => /^VANISHED/.test(text))
    expect(await vanished('1:100')).toEqual(['VANISHED (EARLIER) 2,4'])
    expect(await vanished('1:3')).toEqual(['VANISHED (EARLIER) 2'])
    expect(await vanished('3,50:60')).toEqual([])
    expect(await vanished('4:*')).toEqual(['VANISHED (EARLIER) 4'])
  })
}

function mailboxCorners(server: { readonly current: ImapUnderTest }): void {
  test('a parent that does not exist has no STATUS in LIST, and cannot be selected', async () => {
    const { client } = await openSession(server.current)
    await client.ok('CREATE top/below')
    const listed = await client.ok('LIST "" (top top/%) RETURN (STATUS (MESSAGES SIZE))')
    expect(listed.filter((text) => text.startsWith('STATUS'))).toEqual(['STATUS top/below (MESSAGES 0 SIZE 0)'])
    await client.ok('ENABLE IMAP4rev2')
    expect(await client.ok('LIST "" top')).toEqual([expect.stringMatching(/^LIST \(\\NonExistent \\HasChildren\)/)])
    for (const command of ['SELECT top', 'STATUS top (MESSAGES)', 'SUBSCRIBE top']) {
      expect(await client.command(command), command).toMatchObject({
        status: 'NO',
        text: expect.stringMatching(/^\[NONEXISTENT\]/),
      })
    }
  })

  test('RENAME of INBOX is refused with NO (RFC 9051 §6.3.6), and so is that to INBOX', async () => {
    const { client } = await openSession(server.current)
    await client.append('INBOX', messageWith('one'))
    await client.ok('CREATE Work')
    expect((await client.command('RENAME INBOX Old')).text).toMatch(/^\[CANNOT\]/)
    expect((await client.command('RENAME Work inbox')).text).toMatch(/^\[ALREADYEXISTS\]/)
    expect(await client.ok('STATUS INBOX (MESSAGES)')).toEqual(['STATUS INBOX (MESSAGES 1)'])
  })

  test('what is not built is not announced: UIDONLY, NOTIFY, MULTIAPPEND, BINARY for rev1, COMPRESS, SORT, THREAD', async () => {
    const { client } = await openSession(server.current)
    const [capabilities] = await client.ok('CAPABILITY')
    for (const name of [
      'UIDONLY',
      'NOTIFY',
      'MULTIAPPEND',
      'BINARY',
      'COMPRESS',
      'SORT',
      'THREAD',
      'ACL',
      'METADATA',
    ]) {
      expect(capabilities, name).not.toContain(name)
    }
    expect(await client.ok('ENABLE UIDONLY')).toEqual(['ENABLED'])
  })

  test('STATUS=SIZE equals the sum of RFC822.SIZE', async () => {
    const [client] = await openMailbox(server.current)
    const sizes = (await client!.ok('FETCH 1:* RFC822.SIZE')).map((text) => Number(/SIZE (\d+)/.exec(text)![1]))
    const sum = sizes.reduce((total, size) => total + size, 0)
    expect(await client!.ok('STATUS Work (SIZE)')).toEqual([`STATUS Work (SIZE ${sum})`])
  })
}

function searchCorners(server: { readonly current: ImapUnderTest }): void {
  test('ESEARCH and the saved result after MOVE: what has left is in neither', async () => {
    const [client] = await openMailbox(server.current, { subjects: ['1', '2', '3', '4'] })
    await client!.ok('CREATE Target')
    await client!.ok('SEARCH RETURN (SAVE) ALL')
    await client!.ok('MOVE 2 Target')
    const tag = client!.begin('UID SEARCH RETURN (ALL COUNT) $')
    expect((await client!.end(tag)).untagged).toEqual([`ESEARCH (TAG "${tag}") UID ALL 1,3:4 COUNT 3`])
    const numbers = client!.begin('SEARCH RETURN (MIN MAX ALL) ALL')
    expect((await client!.end(numbers)).untagged).toEqual([`ESEARCH (TAG "${numbers}") MIN 1 MAX 3 ALL 1:3`])
    expect((await client!.command('MOVE $ Target')).untagged.filter((text) => /EXPUNGE/.test(text))).toHaveLength(3)
    const none = client!.begin('SEARCH RETURN (ALL COUNT) $')
    expect((await client!.end(none)).untagged).toEqual([`ESEARCH (TAG "${none}") COUNT 0`])
  })

  test('SEARCHRES: a SEARCH that fails empties the saved result', async () => {
    const [client] = await openMailbox(server.current)
    await client!.ok('SEARCH RETURN (SAVE) ALL')
    expect(await client!.command('SEARCH RETURN (SAVE) CHARSET x-none SUBJECT a')).toMatchObject({ status: 'NO' })
    expect(await client!.ok('FETCH $ UID')).toEqual([])
    await client!.ok('SEARCH RETURN (SAVE) 2')
    await client!.ok('SELECT Work') // RFC 5182 §2.1
    expect(await client!.ok('FETCH $ UID')).toEqual([])
  })
}

const INNER = [
  'From: inner@example.test',
  'Subject: inner',
  'Date: Tue, 8 Feb 1994 21:52:25 -0800',
  'Content-Type: multipart/alternative; boundary=i',
  '',
  '--i',
  '',
  'plain',
  '--i',
  'Content-Type: text/html',
  '',
  '<p>html</p>',
  '--i--',
].join('\r\n')

const NESTED = [
  'From: outer@example.test',
  'Subject: outer',
  'Content-Type: multipart/mixed; boundary=o',
  '',
  '--o',
  '',
  'see below',
  '--o',
  'Content-Type: message/rfc822',
  'Content-Description: forwarded',
  '',
  INNER,
  '--o--',
  '',
].join('\r\n')

function messageCorners(server: { readonly current: ImapUnderTest }): void {
  const fetchOne = async (message: string, item: string) => {
    const { client } = await openSession(server.current)
    await client.ok('CREATE Work')
    expect(await client.append('Work', message)).toMatchObject({ status: 'OK' })
    await client.ok('SELECT Work')
    const [fetched] = await client.ok(`FETCH 1 ${item}`)
    return readValue(fetched!.slice(`1 FETCH (${item} `.length))
  }

  test.each([
    ['no field at all', 'X-None: 1', [null, null, null, null, null, null, null, null, null, null]],
    ['empty fields', 'From:\r\nTo: \r\nSubject:\r\nCc: ,', [null, '', null, null, null, null, null, null, null, null]],
    [
      'Sender and Reply-To default to From',
      'From: ann@x.test\r\nSender:\r\nReply-To:',
      [null, null, [[null, null, 'ann', 'x.test']], [[null, null, 'ann', 'x.test']], [[null, null, 'ann', 'x.test']]],
    ],
    [
      'a group',
      'To: Team: ann@x.test, Bob <bob@y.test>;',
      [
        ...[null, null, null, null, null],
        [
          [null, null, 'Team', null],
          [null, null, 'ann', 'x.test'],
          ['Bob', null, 'bob', 'y.test'],
          [null, null, null, null],
        ],
      ],
    ],
    [
      'an empty group',
      'To: undisclosed-recipients:;',
      [
        ...[null, null, null, null, null],
        [
          [null, null, 'undisclosed-recipients', null],
          [null, null, null, null],
        ],
      ],
    ],
  ])('ENVELOPE with %s', async (_name, header, expected) => {
    const envelope = (await fetchOne(`${header}\r\n\r\nbody\r\n`, 'ENVELOPE')) as unknown[]
    expect(envelope).toHaveLength(10)
    expect(envelope.slice(0, expected.length)).toEqual(expected)
  })

  test('BODYSTRUCTURE of a message in a message has its envelope, its structure and its lines', async () => {
    const [, message] = (await fetchOne(NESTED, 'BODYSTRUCTURE')) as [unknown, unknown[]]
    expect(message!.slice(0, 7).map((value) => (typeof value === 'string' ? value.toLowerCase() : value))).toEqual([
      ...['message', 'rfc822', null, null, 'forwarded', '7bit', `${INNER.length}`],
    ])
    const [envelope, body, lines] = message!.slice(7) as [unknown[], unknown[], string]
    expect(envelope.slice(0, 3)).toEqual([
      'Tue, 8 Feb 1994 21:52:25 -0800',
      'inner',
      [[null, null, 'inner', 'example.test']],
    ])
    expect(body[2]).toMatch(/alternative/i)
    expect((body[1] as string[]).slice(0, 2).map((value) => value.toLowerCase())).toEqual(['text', 'html'])
    expect(Number(lines)).toBe(INNER.split('\r\n').length - 1)
  })

  test('sections of a message in a message: its parts are numbered below it', async () => {
    const { client } = await openSession(server.current)
    await client.ok('CREATE Work')
    await client.append('Work', NESTED)
    await client.ok('SELECT Work')
    const literal = (text: string) => `{${text.length}}\r\n${text}`
    expect(
      await client.ok('FETCH 1 (BODY.PEEK[2.2] BODY.PEEK[2.1.MIME] BODY.PEEK[2.3] BODY.PEEK[2.HEADER]<0.5>)'),
    ).toEqual([
      `1 FETCH (BODY[2.2] ${literal('<p>html</p>')} BODY[2.1.MIME] ${literal('\r\n')} BODY[2.3] NIL BODY[2.HEADER]<0> ${literal('From:')})`,
    ])
  })

  test('APPEND with a literal8 without UTF8 (RFC 9051 §6.3.12)', async () => {
    const { client } = await openSession(server.current)
    await client.ok('CREATE Work')
    const message = 'Subject: binary\r\nContent-Transfer-Encoding: binary\r\n\r\na\xffb\r\n'
    client.send(`x APPEND Work ~{${message.length}+}\r\n${message}\r\n`)
    expect(await client.response()).toMatch(/^x OK \[APPENDUID /)
    await client.ok('SELECT Work')
    client.send('y FETCH 1 BODY.PEEK[]\r\n')
    expect(await client.response()).toBe(`* 1 FETCH (BODY[] {${message.length}}\r\n${message})`)
  })

  test('UTF8=ACCEPT: a header in UTF-8 comes back in ENVELOPE, and SEARCH finds it', async () => {
    const { client } = await openSession(server.current)
    await client.ok('CREATE Work')
    await client.ok('ENABLE UTF8=ACCEPT')
    const message = 'From: J\xc3\xb6rg <joerg@x.test>\r\nSubject: caf\xc3\xa9\r\n\r\nbody\r\n'
    client.send(`x APPEND Work (\\Seen) UTF8 (~{${message.length}+}\r\n${message})\r\n`)
    expect(await client.response()).toMatch(/^x OK \[APPENDUID /)
    await client.ok('SELECT Work')
    expect(await client.ok('FETCH 1 BODY.PEEK[HEADER.FIELDS (SUBJECT)]')).toEqual([
      `1 FETCH (BODY[HEADER.FIELDS (SUBJECT)] {18}\r\nSubject: caf\xc3\xa9\r\n\r\n)`,
    ])
    expect(await client.ok('SEARCH SUBJECT "caf\xc3\xa9"')).toEqual(['SEARCH 1'])
    expect(await client.ok('SEARCH FROM "j\xc3\xb6rg"')).toEqual(['SEARCH 1'])
  })
}

export function cornersSuite(server: { readonly current: ImapUnderTest }): void {
  modseqChanges(server)
  mailboxCorners(server)
  searchCorners(server)
  messageCorners(server)
}
