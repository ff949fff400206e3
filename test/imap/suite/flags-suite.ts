/** What changes messages: STORE, COPY, MOVE, EXPUNGE, APPEND (RFC 9051 §6.3.12, §6.4), and what other sessions see. */
import { expect, test } from 'vitest'
import { type ImapUnderTest, messageWith, openMailbox, openSession } from '../imap-under-test.ts'

export function flagsSuite(server: { readonly current: ImapUnderTest }): void {
  test('STORE answers with the flags, and another session learns them', async () => {
    const [client, other] = await openMailbox(server.current, { sessions: 2 })
    expect(await client!.ok('STORE 1:2 +FLAGS (\\Seen)')).toEqual([
      '1 FETCH (FLAGS (\\Seen))',
      '2 FETCH (FLAGS (\\Seen))',
    ])
    expect(await other!.ok('NOOP')).toEqual(['1 FETCH (FLAGS (\\Seen))', '2 FETCH (FLAGS (\\Seen))'])
    expect(await other!.ok('STORE 2 -FLAGS \\Seen')).toEqual(['2 FETCH (FLAGS ())'])
    expect(await client!.ok('FETCH 1:* FLAGS')).toEqual([
      '2 FETCH (FLAGS ())', // the other session's change
      '1 FETCH (FLAGS (\\Seen))',
      '2 FETCH (FLAGS ())',
      '3 FETCH (FLAGS ())',
    ])
    expect(await client!.ok('UID STORE 1 FLAGS (\\Flagged)')).toEqual(['1 FETCH (UID 1 FLAGS (\\Flagged))'])
  })

  test('STORE .SILENT answers nothing, unless another session has changed the flags too', async () => {
    const [client, other] = await openMailbox(server.current, { sessions: 2 })
    expect(await client!.ok('STORE 1 +FLAGS.SILENT (\\Seen)')).toEqual([])
    await other!.ok('STORE 1 +FLAGS (\\Flagged)')
    const untagged = await client!.ok('STORE 1 +FLAGS.SILENT (\\Answered)')
    expect(untagged.at(-1)).toMatch(/^1 FETCH \(FLAGS \((?=.*\\Flagged)(?=.*\\Seen).*\)\)$/)
  })

  test('a new keyword is announced before it appears', async () => {
    const [client, other] = await openMailbox(server.current, { sessions: 2 })
    const [flags, fetched] = await client!.ok('STORE 3 +FLAGS (project-x)')
    expect(flags).toMatch(/^FLAGS \(.*\bproject-x\b.*\)$/)
    expect(fetched).toBe('3 FETCH (FLAGS (project-x))')
    const [otherFlags, otherFetched] = await other!.ok('NOOP')
    expect(otherFlags).toMatch(/^FLAGS \(.*\bproject-x\b.*\)$/)
    expect(otherFetched).toBe('3 FETCH (FLAGS (project-x))')
    expect(await client!.ok('STORE 2 +FLAGS (project-x)')).toEqual(['2 FETCH (FLAGS (project-x))'])
  })

  test.each([
    ['STORE 4 +FLAGS (\\Seen)', 'BAD'],
    ['STORE 0 +FLAGS (\\Seen)', 'BAD'],
    ['STORE 1 +FLAGS', 'BAD'],
    ['STORE 1 FLAGS (\\Seen', 'BAD'],
    ['STORE 1 MFLAGS (\\Seen)', 'BAD'],
    ['STORE 1 FLAGS (a b\x80)', 'BAD'],
    ['UID STORE 99 +FLAGS (\\Seen)', 'OK'],
    ['UID STORE 99:100 FLAGS.SILENT ()', 'OK'],
  ])('%s: %s', async (command, status) => {
    const [client] = await openMailbox(server.current)
    expect(await client!.command(command)).toMatchObject({ status, untagged: [] })
  })

  test('EXPUNGE removes what is deleted; numbers shift; other sessions follow', async () => {
    const [client, other] = await openMailbox(server.current, { sessions: 2, subjects: ['1', '2', '3', '4', '5'] })
    await client!.ok('STORE 2,4:5 +FLAGS.SILENT (\\Deleted)')
    expect(await client!.ok('EXPUNGE')).toEqual(['5 EXPUNGE', '4 EXPUNGE', '2 EXPUNGE'])
    expect(await client!.ok('FETCH 1:* UID')).toEqual(['1 FETCH (UID 1)', '2 FETCH (UID 3)'])
    expect(await other!.ok('NOOP')).toEqual(['5 EXPUNGE', '4 EXPUNGE', '2 EXPUNGE'])
    expect(await other!.ok('EXPUNGE')).toEqual([])
  })

  test('UID EXPUNGE removes only the deleted messages among those given', async () => {
    const [client] = await openMailbox(server.current)
    await client!.ok('STORE 1:2 +FLAGS.SILENT (\\Deleted)')
    expect(await client!.ok('UID EXPUNGE 2:*')).toEqual(['2 EXPUNGE'])
    expect(await client!.ok('UID FETCH 1:* UID')).toEqual(['1 FETCH (UID 1)', '2 FETCH (UID 3)'])
    expect(await client!.ok('UID EXPUNGE 100')).toEqual([])
  })

  test('COPY and MOVE return the new UIDs', async () => {
    const [client, other] = await openMailbox(server.current, { sessions: 2 })
    await client!.ok('CREATE Target')
    await client!.ok('STORE 3 +FLAGS.SILENT (\\Flagged)')
    const copied = await client!.command('COPY 1,3 Target')
    expect(copied).toMatchObject({ status: 'OK', text: expect.stringMatching(/^\[COPYUID \d+ 1,3 1:2\] /) })
    const moved = await client!.command('UID MOVE 2 Target')
    expect(moved.untagged).toEqual([expect.stringMatching(/^OK \[COPYUID \d+ 2 3\] /), '2 EXPUNGE'])
    expect(await other!.ok('NOOP')).toEqual(expect.arrayContaining(['2 EXPUNGE']))
    await other!.ok('SELECT Target')
    expect(await other!.ok('FETCH 1:* (UID FLAGS)')).toEqual([
      '1 FETCH (UID 1 FLAGS ())',
      '2 FETCH (UID 2 FLAGS (\\Flagged))',
      '3 FETCH (UID 3 FLAGS ())',
    ])
    expect(await client!.command('COPY 1 Nowhere')).toMatchObject({
      status: 'NO',
      text: expect.stringMatching(/^\[TRYCREATE\]/),
    })
    expect(await client!.command('MOVE 1 Nowhere')).toMatchObject({
      status: 'NO',
      text: expect.stringMatching(/^\[TRYCREATE\]/),
    })
    expect(await client!.command('UID COPY 77 Target')).toMatchObject({ status: 'OK', text: 'COPY completed' })
    expect(await client!.command('COPY 7 Target')).toMatchObject({ status: 'BAD' })
  })

  test('APPEND: flags, date, UID; the selected mailbox grows before the answer', async () => {
    const [client, other] = await openMailbox(server.current, { sessions: 2, subjects: [] })
    const message = messageWith('one')
    const appended = await client!.append('Work', message, '(\\Seen \\Flagged) "17-Jul-1996 02:44:25 -0700" ')
    expect(appended.text).toMatch(/^\[APPENDUID \d+ 1\] /)
    expect(appended.untagged).toEqual(['1 EXISTS'])
    expect(await other!.ok('NOOP')).toEqual(['1 EXISTS'])
    expect(await other!.ok('FETCH 1 (FLAGS INTERNALDATE BODY.PEEK[TEXT])')).toEqual([
      '1 FETCH (FLAGS (\\Flagged \\Seen) INTERNALDATE "17-Jul-1996 09:44:25 +0000" BODY[TEXT] {18}\r\nThe text of one.\r\n)',
    ])
  })

  test('APPEND with a literal that waits', async () => {
    const { client } = await openSession(server.current)
    await client.ok('CREATE Work')
    expect(await client.withLiterals('APPEND Work () ', messageWith('one'))).toMatchObject({ status: 'OK' })
    expect(await client.withLiterals('APPEND ', 'Work', ' (\\Seen) ', messageWith('two'))).toMatchObject({
      status: 'OK',
    })
    expect(await client.ok('STATUS Work (MESSAGES UNSEEN)')).toEqual(['STATUS Work (MESSAGES 2 UNSEEN 1)'])
  })

  test('APPEND is refused before the message is asked for, or reads it and goes on', async () => {
    const { client } = await openSession(server.current)
    const refused = await client.withLiterals('APPEND Nowhere ', messageWith('one'))
    expect(refused).toMatchObject({ status: 'NO', text: expect.stringMatching(/^\[TRYCREATE\]/) })
    expect(await client.append('Nowhere', messageWith('one'))).toMatchObject({ status: 'NO' })
    expect(await client.withLiterals('APPEND INBOX (\\Seen ', messageWith('one'))).toMatchObject({ status: 'BAD' })
    expect(await client.append('INBOX', messageWith('one'), '(\\Seen ')).toMatchObject({ status: 'BAD' })
    expect(await client.append('INBOX', messageWith('one'), '"yesterday" ')).toMatchObject({ status: 'BAD' })
    client.send(`x APPEND INBOX {${messageWith('one').length}+}\r\n${messageWith('one')} more\r\n`)
    expect(await client.response()).toMatch(/^x BAD /)
    expect(await client.command('APPEND INBOX "text"')).toMatchObject({ status: 'BAD' })
    expect(await client.ok('STATUS INBOX (MESSAGES)')).toEqual(['STATUS INBOX (MESSAGES 0)'])
  })
}
