/** What concurrent sessions see and when (RFC 9051 §5.2, §5.5, §7.5.1), and IDLE, on any server. */
import { expect, test } from 'vitest'
import { type ImapUnderTest, messageWith, openMailbox } from '../imap-under-test.ts'

export function sessionsSuite(server: { readonly current: ImapUnderTest }): void {
  test('FETCH, STORE and SEARCH with numbers report no EXPUNGE; the numbers keep their meaning', async () => {
    const [client, other] = await openMailbox(server.current, { sessions: 2 })
    await other!.ok('STORE 1 +FLAGS.SILENT (\\Deleted)')
    await other!.ok('EXPUNGE')
    await other!.append('Work', messageWith('four'))
    expect(await client!.ok('FETCH 3 UID')).toContain('3 FETCH (UID 3)')
    expect((await client!.ok('STORE 2 +FLAGS (\\Seen)')).at(-1)).toBe('2 FETCH (FLAGS (\\Seen))')
    expect(await client!.ok('SEARCH SUBJECT three')).toEqual(['SEARCH 3'])
    const noop = await client!.ok('NOOP')
    expect(noop[0]).toBe('1 EXPUNGE')
    expect(noop[1]).toBe('3 EXISTS')
    expect(await client!.ok('FETCH 1:* UID')).toEqual(['1 FETCH (UID 2)', '2 FETCH (UID 3)', '3 FETCH (UID 4)'])
  })

  test('UID commands may report EXPUNGE', async () => {
    const [client, other] = await openMailbox(server.current, { sessions: 2 })
    await other!.ok('STORE 1 +FLAGS.SILENT (\\Deleted)')
    await other!.ok('EXPUNGE')
    expect((await client!.ok('UID FETCH 2 UID')).slice(-2)).toEqual(['2 FETCH (UID 2)', '1 EXPUNGE'])
  })

  test.each(['STATUS Work (MESSAGES)', 'LIST "" Work RETURN (STATUS (MESSAGES))'])(
    '%s of the selected mailbox reports EXPUNGE before the number of messages',
    async (command) => {
      // imapflow took EXPUNGE off the number in STATUS, and believed that the mailbox was empty.
      const [client, other] = await openMailbox(server.current, { sessions: 2 })
      await other!.ok('STORE 1:2 +FLAGS.SILENT (\\Deleted)')
      await other!.ok('EXPUNGE')
      const responses = (await client!.ok(command)).filter((response) => !response.startsWith('LIST'))
      expect(responses).toEqual(['2 EXPUNGE', '1 EXPUNGE', 'STATUS Work (MESSAGES 1)'])
    },
  )

  test('the contents of a message that has vanished: NO [EXPUNGEISSUED] with numbers, OK with UIDs', async () => {
    const [client, other] = await openMailbox(server.current, { sessions: 2 })
    await other!.ok('STORE 1 +FLAGS.SILENT (\\Deleted)')
    await other!.ok('EXPUNGE')
    const answer = await client!.command('FETCH 1:2 BODY.PEEK[TEXT]')
    expect(answer).toMatchObject({ status: 'NO', text: expect.stringMatching(/^\[EXPUNGEISSUED\]/) })
    expect(answer.untagged.at(-1)).toMatch(/^2 FETCH/)
    expect(await client!.command('STORE 1 +FLAGS (\\Seen)')).toMatchObject({ status: 'OK', untagged: [] })
    expect(await client!.command('UID FETCH 1:2 BODY.PEEK[TEXT]')).toMatchObject({ status: 'OK' })
  })

  test('a command that was sent before EXPUNGE arrived keeps its numbers', async () => {
    const [client, other] = await openMailbox(server.current, { sessions: 2 })
    await other!.ok('STORE 1 +FLAGS.SILENT (\\Deleted)')
    await other!.ok('EXPUNGE')
    client!.send('a NOOP\r\nb FETCH 3 UID\r\nc NOOP\r\n')
    const responses: string[] = []
    while (!responses.at(-1)?.startsWith('c ')) responses.push(await client!.response())
    expect(responses).toContain('* 3 FETCH (UID 3)')
    expect(responses.indexOf('* 1 EXPUNGE')).toBeGreaterThan(responses.findIndex((text) => text.startsWith('b OK')))
  })

  test('a message that came and went between two commands is not reported', async () => {
    const [client, other] = await openMailbox(server.current, { sessions: 2 })
    await other!.append('Work', messageWith('brief'), '(\\Deleted) ')
    await other!.ok('EXPUNGE')
    expect(await client!.ok('NOOP')).toEqual([])
    await other!.append('Work', messageWith('next'))
    expect(await client!.ok('NOOP')).toEqual(['4 EXISTS'])
    expect(await client!.ok('FETCH 4 UID')).toEqual(['4 FETCH (UID 5)'])
  })

  test('IDLE sends what happens at once', async () => {
    const [client, other] = await openMailbox(server.current, { sessions: 2 })
    const tag = client!.begin('IDLE')
    expect(await client!.response()).toMatch(/^\+ /)
    await other!.append('Work', messageWith('four'))
    expect(await client!.response()).toBe('* 4 EXISTS')
    await other!.ok('STORE 2 +FLAGS (\\Flagged)')
    expect(await client!.response()).toBe('* 2 FETCH (FLAGS (\\Flagged))')
    await other!.ok('STORE 1 +FLAGS.SILENT (\\Deleted)')
    expect(await client!.response()).toBe('* 1 FETCH (FLAGS (\\Deleted))')
    await other!.ok('EXPUNGE')
    expect(await client!.response()).toBe('* 1 EXPUNGE')
    client!.send('DONE\r\n')
    expect(await client!.end(tag)).toMatchObject({ status: 'OK', untagged: [] })
    expect(await client!.ok('NOOP')).toEqual([])
  })

  test('IDLE begins with what had happened before', async () => {
    const [client, other] = await openMailbox(server.current, { sessions: 2 })
    await other!.append('Work', messageWith('four'))
    const tag = client!.begin('IDLE')
    expect(await client!.response()).toMatch(/^\+ /)
    expect(await client!.response()).toBe('* 4 EXISTS')
    client!.send('something\r\n')
    expect(await client!.end(tag)).toMatchObject({ status: 'BAD' })
  })

  test('IDLE without a mailbox waits for DONE', async () => {
    const [client] = await openMailbox(server.current)
    await client!.ok('UNSELECT')
    const tag = client!.begin('IDLE')
    expect(await client!.response()).toMatch(/^\+ /)
    client!.send('done\r\n')
    expect(await client!.end(tag)).toMatchObject({ status: 'OK' })
  })

  test('pipelined commands are answered in their order', async () => {
    const [client] = await openMailbox(server.current)
    client!.send('1 NOOP\r\n2 FETCH 1 UID\r\n3 STATUS Work (MESSAGES)\r\n4 UNSELECT\r\n5 FETCH 1 UID\r\n')
    const tagged: string[] = []
    while (tagged.length < 5) {
      const response = await client!.response()
      if (!response.startsWith('*')) tagged.push(response.slice(0, 5))
    }
    expect(tagged).toEqual(['1 OK ', '2 OK ', '3 OK ', '4 OK ', '5 BAD'])
  })
}
