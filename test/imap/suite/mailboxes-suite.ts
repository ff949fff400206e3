/** Mailboxes: LIST, CREATE, RENAME, DELETE, STATUS, SELECT, quota (RFC 9051 §6.3), on any server. */
import { expect, test } from 'vitest'
import { type ImapUnderTest, messageWith, openMailbox, openSession } from '../imap-under-test.ts'

export function mailboxesSuite(server: { readonly current: ImapUnderTest }): void {
  test('LIST shows INBOX and the mailboxes with a special use', async () => {
    const { client } = await openSession(server.current)
    const listed = await client.ok('LIST "" *')
    expect(listed).toContain('LIST (\\HasNoChildren) "/" INBOX')
    expect(listed).toContain('LIST (\\HasNoChildren \\Sent) "/" Sent')
    expect(listed).toContain('LIST (\\HasNoChildren \\Trash) "/" Trash')
    expect(listed).toContain('LIST (\\HasNoChildren \\Junk) "/" Spam')
    expect(await client.ok('LIST "" ""')).toEqual(['LIST (\\Noselect) "/" ""'])
    expect(await client.ok('LIST "" (Inbox nothing Sent)')).toHaveLength(2)
    expect(await client.ok('LIST (SPECIAL-USE) "" *')).not.toContain('LIST (\\HasNoChildren) "/" INBOX')
    expect(await client.ok('LIST "" INBOX RETURN (SUBSCRIBED CHILDREN SPECIAL-USE)')).toEqual([
      'LIST (\\HasNoChildren \\Subscribed) "/" INBOX',
    ])
    expect(await client.ok('NAMESPACE')).toEqual(['NAMESPACE (("" "/")) NIL NIL'])
  })

  test('CREATE, and what LIST, its patterns and other sessions show', async () => {
    const { client, again } = await openSession(server.current)
    expect((await client.command('CREATE Work/2026/')).text).toMatch(/^\[MAILBOXID \([A-Za-z0-9_-]+\)\] /)
    const other = await again()
    expect(await other.ok('LIST "" Work*')).toEqual([
      expect.stringMatching(/^LIST \((\\Noselect )?\\HasChildren\) "\/" Work$/),
      'LIST (\\HasNoChildren) "/" Work/2026',
    ])
    expect(await other.ok('LIST "" W%')).toEqual([expect.stringContaining('\\HasChildren')])
    expect(await other.ok('LIST Work/ %')).toEqual(['LIST (\\HasNoChildren) "/" Work/2026'])
    expect(await other.ok('LIST "" Work/%')).toEqual(['LIST (\\HasNoChildren) "/" Work/2026'])
    expect(await other.ok('LIST "" work/%')).toEqual([])
    expect(await other.command('CREATE Work/2026')).toMatchObject({
      status: 'NO',
      text: expect.stringMatching(/^\[ALREADYEXISTS\]/),
    })
    expect(await other.command('CREATE INBOX')).toMatchObject({
      status: 'NO',
      text: expect.stringMatching(/^\[ALREADYEXISTS\]/),
    })
  })

  test('names in modified UTF-7; others are refused', async () => {
    const { client } = await openSession(server.current)
    await client.ok('CREATE "Entw&APw-rfe &- mehr"')
    expect(await client.ok('LIST "" Entw%')).toEqual(['LIST (\\HasNoChildren) "/" "Entw&APw-rfe &- mehr"'])
    await client.ok('SELECT "Entw&APw-rfe &- mehr"')
    for (const name of ['"a&b"', '"&AGE-"', '"x\x01y"', `{2+}\r\n\xc3\xbc`]) {
      expect(await client.command(`CREATE ${name}`), name).toMatchObject({ status: 'BAD' })
    }
  })

  test('RENAME moves a mailbox with its messages and those below it', async () => {
    const { client } = await openSession(server.current)
    await client.ok('CREATE Old')
    await client.ok('CREATE Old/Sub')
    await client.append('Old', messageWith('one'))
    await client.ok('RENAME Old New')
    expect(await client.ok('LIST "" Old*')).toEqual([])
    expect(await client.ok('LIST "" New*')).toHaveLength(2)
    expect(await client.ok('STATUS New (MESSAGES)')).toEqual(['STATUS New (MESSAGES 1)'])
    expect((await client.command('RENAME Nothing New2')).text).toMatch(/^\[NONEXISTENT\]/)
    expect((await client.command('RENAME New Sent')).text).toMatch(/^\[ALREADYEXISTS\]/)
  })

  test('RENAME of a mailbox that another session has selected: the session goes on with it', async () => {
    const [client, other] = await openMailbox(server.current, { sessions: 2 })
    await client!.ok('RENAME Work Projects')
    expect(await other!.ok('NOOP')).toEqual([])
    expect(await other!.ok('FETCH 1:* UID')).toHaveLength(3)
    await other!.ok('STORE 2 +FLAGS.SILENT (\\Flagged)')
    await other!.append('Projects', messageWith('four'))
    expect(await other!.ok('NOOP')).toEqual([])
    await client!.ok('SELECT Projects')
    expect(await client!.ok('SEARCH FLAGGED')).toEqual(['SEARCH 2'])
    expect(await other!.command('SELECT Work')).toMatchObject({
      status: 'NO',
      text: expect.stringMatching(/^\[NONEXISTENT\]/),
    })
  })

  test('DELETE of a mailbox that another session has selected: its messages vanish, and a new one with the name is another', async () => {
    const [client, other] = await openMailbox(server.current, { sessions: 2 })
    const validity = async () => {
      const [text] = await client!.ok('STATUS Work (UIDVALIDITY)')
      return Number(/UIDVALIDITY (\d+)/.exec(text!)![1])
    }
    const before = await validity()
    await client!.ok('SELECT INBOX')
    await client!.ok('DELETE Work')
    expect(await other!.ok('NOOP')).toEqual(['3 EXPUNGE', '2 EXPUNGE', '1 EXPUNGE'])
    await client!.ok('CREATE Work')
    expect(await validity()).toBeGreaterThan(before)
    await client!.append('Work', messageWith('four'))
    expect(await other!.ok('NOOP')).toEqual([])
    expect(await other!.ok('UID FETCH 1:* FLAGS')).toEqual([])
    expect(await other!.ok('UID STORE 1:* +FLAGS (\\Seen)')).toEqual([])
    expect(await other!.ok('SEARCH ALL')).toEqual(['SEARCH'])
    await other!.ok('SELECT Work')
    expect(await other!.ok('FETCH 1:* FLAGS')).toEqual(['1 FETCH (FLAGS ())'])
  })

  test('DELETE, and what cannot be deleted', async () => {
    const { client } = await openSession(server.current)
    await client.ok('CREATE Gone')
    await client.ok('DELETE Gone')
    expect(await client.ok('LIST "" Gone')).toEqual([])
    expect((await client.command('DELETE Gone')).text).toMatch(/^\[NONEXISTENT\]/)
    expect((await client.command('SELECT Gone')).text).toMatch(/^\[NONEXISTENT\]/)
    expect((await client.command('DELETE INBOX')).text).toMatch(/^\[CANNOT\]/)
  })

  test('subscriptions: SUBSCRIBE, UNSUBSCRIBE, LSUB, LIST (SUBSCRIBED)', async () => {
    const { client } = await openSession(server.current)
    await client.ok('CREATE Team/News')
    const unsubscribed = await client.ok('LIST (SUBSCRIBED) "" Team*')
    if (unsubscribed.length === 0) await client.ok('SUBSCRIBE Team/News') // stores may subscribe new mailboxes
    expect(await client.ok('LIST (SUBSCRIBED) "" Team/News')).toEqual([
      'LIST (\\HasNoChildren \\Subscribed) "/" Team/News',
    ])
    expect(await client.ok('LSUB "" Team/*')).toEqual(['LSUB () "/" Team/News'])
    expect(await client.ok('LSUB "" ""')).toEqual(['LSUB (\\Noselect) "/" ""'])
    await client.ok('UNSUBSCRIBE Team')
    expect(await client.ok('LSUB "" %')).toContain('LSUB (\\Noselect) "/" Team')
    expect(await client.ok('LIST (SUBSCRIBED RECURSIVEMATCH) "" Team')).toEqual([
      expect.stringMatching(/^LIST \(.*\) "\/" Team \("CHILDINFO" \("SUBSCRIBED"\)\)$/),
    ])
    await client.ok('UNSUBSCRIBE Team/News')
    expect(await client.ok('LSUB "" Team/*')).toEqual([])
    await client.ok('UNSUBSCRIBE Team/News')
    expect(await client.command('SUBSCRIBE Nothing')).toMatchObject({ status: 'NO' })
    expect(await client.command('LIST (RECURSIVEMATCH) "" *')).toMatchObject({ status: 'BAD' })
    expect(await client.command('LIST (NONSENSE) "" *')).toMatchObject({ status: 'BAD' })
  })

  test('STATUS, and LIST with it', async () => {
    const [client] = await openMailbox(server.current)
    await client!.ok('STORE 1 +FLAGS.SILENT (\\Seen)')
    await client!.ok('STORE 2 +FLAGS.SILENT (\\Deleted)')
    const [text] = await client!.ok('STATUS Work (MESSAGES RECENT UNSEEN UIDNEXT DELETED SIZE)')
    const size = [messageWith('one'), messageWith('two'), messageWith('three')].join('').length
    expect(text).toMatch(/^STATUS Work \(MESSAGES 3 RECENT 0 UNSEEN 2 UIDNEXT \d+ DELETED 1 SIZE \d+\)$/)
    expect(Number(/SIZE (\d+)/.exec(text!)![1])).toBeGreaterThanOrEqual(size)
    expect(await client!.ok('STATUS Work (UIDVALIDITY HIGHESTMODSEQ MAILBOXID DELETED-STORAGE)')).toEqual([
      expect.stringMatching(
        /^STATUS Work \(UIDVALIDITY \d+ HIGHESTMODSEQ \d+ MAILBOXID \(\S+\) DELETED-STORAGE [1-9]\d*\)$/,
      ),
    ])
    expect(await client!.ok('LIST "" Work RETURN (STATUS (MESSAGES))')).toEqual([
      'LIST (\\HasNoChildren) "/" Work',
      'STATUS Work (MESSAGES 3)',
    ])
    expect((await client!.command('STATUS Nothing (MESSAGES)')).text).toMatch(/^\[NONEXISTENT\]/)
    expect(await client!.command('STATUS Work (NONSENSE)')).toMatchObject({ status: 'BAD' })
  })

  test('SELECT describes the mailbox', async () => {
    const [client] = await openMailbox(server.current)
    const { untagged, text } = await client!.command('SELECT Work')
    expect(text).toMatch(/^\[READ-WRITE\] /)
    expect(untagged[0]).toMatch(/^OK \[CLOSED\]/)
    expect(untagged).toContain('3 EXISTS')
    expect(untagged).toContain('0 RECENT')
    for (const code of [
      /^FLAGS \(.*\\Seen.*\)$/,
      /^OK \[UNSEEN 1\]/,
      /^OK \[PERMANENTFLAGS \(.*\\Seen.*\\\*\)\]/,
      /^OK \[UIDVALIDITY [1-9]\d*\]/,
      /^OK \[UIDNEXT \d+\]/,
      /^OK \[HIGHESTMODSEQ \d+\]/,
      /^OK \[MAILBOXID \(\S+\)\]/,
    ]) {
      expect(untagged).toContainEqual(expect.stringMatching(code))
    }
  })

  test('EXAMINE is read-only', async () => {
    const [client] = await openMailbox(server.current)
    const { untagged, text } = await client!.command('EXAMINE Work')
    expect(text).toMatch(/^\[READ-ONLY\] /)
    expect(untagged).toContainEqual(expect.stringMatching(/^OK \[PERMANENTFLAGS \(\)\]/))
    for (const command of ['STORE 1 +FLAGS (\\Seen)', 'EXPUNGE', 'UID EXPUNGE 1', 'MOVE 1 Trash']) {
      expect(await client!.command(command), command).toMatchObject({ status: 'NO' })
    }
    await client!.ok('FETCH 1 BODY[]')
    expect(await client!.ok('FETCH 1 FLAGS')).toEqual(['1 FETCH (FLAGS ())'])
    await client!.ok('CLOSE')
    expect(await client!.command('FETCH 1 FLAGS')).toMatchObject({ status: 'BAD' })
  })

  test('a SELECT that fails leaves nothing selected', async () => {
    const [client] = await openMailbox(server.current)
    const { status, untagged } = await client!.command('SELECT Nothing')
    expect([status, untagged[0]]).toEqual(['NO', expect.stringMatching(/^OK \[CLOSED\]/)])
    expect(await client!.command('FETCH 1 FLAGS')).toMatchObject({ status: 'BAD' })
  })

  test('CLOSE removes deleted messages without responses; UNSELECT does not', async () => {
    const [client, other] = await openMailbox(server.current, { sessions: 2 })
    await client!.ok('STORE 1 +FLAGS.SILENT (\\Deleted)')
    expect(await client!.ok('UNSELECT')).toEqual([])
    expect(await client!.ok('STATUS Work (MESSAGES)')).toEqual(['STATUS Work (MESSAGES 3)'])
    await client!.ok('SELECT Work')
    expect(await client!.ok('CLOSE')).toEqual([])
    expect(await client!.ok('STATUS Work (MESSAGES)')).toEqual(['STATUS Work (MESSAGES 2)'])
    expect(await other!.ok('NOOP')).toEqual(['1 EXPUNGE'])
  })

  test('quota: one root', async () => {
    const { client } = await openSession(server.current)
    const [root, quota] = await client.ok('GETQUOTAROOT INBOX')
    expect(root).toBe('QUOTAROOT INBOX ""')
    expect(quota).toMatch(/^QUOTA "" \((STORAGE \d+ \d+)?( ?MESSAGE \d+ \d+)?\)$/)
    expect(await client.ok('GETQUOTA ""')).toEqual([quota])
    expect(await client.command('GETQUOTA other')).toMatchObject({ status: 'NO' })
    expect(await client.command('GETQUOTAROOT Nothing')).toMatchObject({ status: 'NO' })
  })
}
