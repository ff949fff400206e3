/** CONDSTORE, QRESYNC (RFC 7162), and IMAP4rev2 and UTF8=ACCEPT when they are enabled, on any server. */
import { expect, test } from 'vitest'
import type { ImapClient } from '../imap-client.ts'
import { type ImapUnderTest, messageWith, openMailbox, openSession } from '../imap-under-test.ts'

const MODSEQ = /MODSEQ \((\d+)\)/

async function modseqOf(client: ImapClient, uid: number): Promise<number> {
  const [text] = await client.ok(`UID FETCH ${uid} MODSEQ`)
  return Number(MODSEQ.exec(text!)![1])
}

async function select(
  client: ImapClient,
  parameters = '',
): Promise<{ untagged: readonly string[]; uidValidity: number; modseq: number }> {
  const untagged = await client.ok(`SELECT Work${parameters}`)
  const code = (name: string) =>
    Number(untagged.map((text) => new RegExp(`\\[${name} (\\d+)\\]`).exec(text)?.[1]).find(Boolean))
  return { untagged, uidValidity: code('UIDVALIDITY'), modseq: code('HIGHESTMODSEQ') }
}

export function condstoreSuite(server: { readonly current: ImapUnderTest }): void {
  test('ENABLE names what it enabled, once', async () => {
    const { client } = await openSession(server.current)
    expect(await client.ok('ENABLE CONDSTORE X-NOTHING')).toEqual(['ENABLED CONDSTORE'])
    expect(await client.ok('ENABLE CONDSTORE QRESYNC UTF8=ACCEPT IMAP4rev2')).toEqual([
      'ENABLED QRESYNC UTF8=ACCEPT IMAP4rev2',
    ])
    expect(await client.ok('ENABLE QRESYNC')).toEqual(['ENABLED'])
  })

  test('a changed message has a larger MODSEQ, and so does the mailbox', async () => {
    const [client, other] = await openMailbox(server.current, { sessions: 2 })
    const { modseq } = await select(client!, ' (CONDSTORE)')
    const [stored] = await client!.ok('STORE 2 +FLAGS (\\Seen)')
    const changed = Number(MODSEQ.exec(stored!)![1])
    expect(changed).toBeGreaterThan(modseq)
    expect(await client!.ok('FETCH 1:* (FLAGS) (CHANGEDSINCE 999999999999)')).toEqual([])
    expect(await client!.ok(`FETCH 1:* (FLAGS) (CHANGEDSINCE ${modseq})`)).toEqual([
      `2 FETCH (FLAGS (\\Seen) MODSEQ (${changed}))`,
    ])
    expect(await client!.ok(`SEARCH MODSEQ ${changed}`)).toEqual([`SEARCH 2 (MODSEQ ${changed})`])
    expect(await client!.ok('STATUS Work (HIGHESTMODSEQ)')).toEqual([`STATUS Work (HIGHESTMODSEQ ${changed})`])
    await other!.ok('STORE 1 +FLAGS (\\Flagged)')
    expect(await client!.ok('NOOP')).toEqual([
      expect.stringMatching(/^1 FETCH \((UID 1 )?FLAGS \(\\Flagged\) MODSEQ \(\d+\)\)$/),
    ])
  })

  test('STORE .SILENT still sends MODSEQ once CONDSTORE is enabled', async () => {
    const [client] = await openMailbox(server.current)
    await client!.ok('ENABLE CONDSTORE')
    expect(await client!.ok('STORE 1 +FLAGS.SILENT (\\Seen)')).toEqual([
      expect.stringMatching(/^1 FETCH \(UID 1 MODSEQ \(\d+\)\)$/),
    ])
  })

  test('UNCHANGEDSINCE: a message that was changed is left alone and named', async () => {
    const [client, other] = await openMailbox(server.current, { sessions: 2 })
    const before = await modseqOf(client!, 3)
    await other!.ok('STORE 2 +FLAGS (\\Flagged)')
    const answer = await client!.command(`STORE 1:3 (UNCHANGEDSINCE ${before}) +FLAGS.SILENT (\\Deleted)`)
    expect(answer).toMatchObject({ status: 'OK', text: expect.stringMatching(/^\[MODIFIED 2\]/) })
    expect(answer.untagged).toContainEqual(
      expect.stringMatching(/^2 FETCH \((UID 2 )?FLAGS \(\\Flagged\) MODSEQ \(\d+\)\)$/),
    )
    expect(await client!.ok('SEARCH DELETED')).toEqual(['SEARCH 1 3'])
    const uid = await client!.command('UID STORE 1 (UNCHANGEDSINCE 1) FLAGS ()')
    expect(uid.text).toMatch(/^\[MODIFIED 1\]/)
  })

  test('QRESYNC: SELECT says what changed and what vanished', async () => {
    const [client, other] = await openMailbox(server.current, { sessions: 2, subjects: ['1', '2', '3', '4', '5'] })
    await client!.ok('ENABLE QRESYNC')
    const { modseq, uidValidity } = await select(client!)
    await client!.ok('UNSELECT')
    await other!.ok('STORE 4 +FLAGS (\\Seen)')
    await other!.ok('STORE 1:2 +FLAGS.SILENT (\\Deleted)')
    await other!.ok('EXPUNGE')
    const { untagged } = await select(client!, ` (QRESYNC (${uidValidity} ${modseq}))`)
    expect(untagged).toContain('VANISHED (EARLIER) 1:2')
    expect(untagged.filter((text) => / FETCH /.test(text))).toEqual([
      expect.stringMatching(/^2 FETCH \(UID 4 FLAGS \(\\Seen\) MODSEQ \(\d+\)\)$/),
    ])
    const known = await select(client!, ` (QRESYNC (${uidValidity} ${modseq} 2:3))`)
    expect(known.untagged).toContain('VANISHED (EARLIER) 2')
    expect(known.untagged.filter((text) => / FETCH /.test(text))).toEqual([])
    const wrong = await select(client!, ` (QRESYNC (${uidValidity + 1} ${modseq}))`)
    expect(wrong.untagged.filter((text) => /VANISHED| FETCH /.test(text))).toEqual([])
    const matched = await select(client!, ` (QRESYNC (${uidValidity} ${modseq} 1:5 (1:2 3:4)))`)
    expect(matched.untagged.filter((text) => /VANISHED/.test(text))).toEqual([])
  })

  test('QRESYNC: VANISHED instead of EXPUNGE, UID FETCH with VANISHED, HIGHESTMODSEQ after EXPUNGE', async () => {
    const [client, other] = await openMailbox(server.current, { sessions: 2, subjects: ['1', '2', '3', '4', '5'] })
    await client!.ok('ENABLE QRESYNC')
    const { modseq } = await select(client!)
    await other!.ok('STORE 1,3 +FLAGS.SILENT (\\Deleted)')
    await other!.ok('EXPUNGE')
    expect((await client!.ok('NOOP')).filter((text) => !/FETCH/.test(text))).toEqual(['VANISHED 1,3'])
    expect(await client!.ok(`UID FETCH 1:5 (FLAGS) (CHANGEDSINCE ${modseq} VANISHED)`)).toEqual([
      'VANISHED (EARLIER) 1,3',
    ])
    await client!.ok('UID STORE 4 +FLAGS.SILENT (\\Deleted)')
    const expunged = await client!.command('EXPUNGE')
    expect(expunged.untagged).toEqual(['VANISHED 4'])
    expect(expunged.text).toMatch(/^\[HIGHESTMODSEQ \d+\] /)
  })

  test('QRESYNC must be enabled before it is used', async () => {
    const [client] = await openMailbox(server.current)
    for (const command of ['SELECT Work (QRESYNC (1 1))', 'UID FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)']) {
      expect(await client!.command(command), command).toMatchObject({ status: 'BAD' })
    }
  })

  test('IMAP4rev2: ESEARCH, no RECENT, LIST in SELECT', async () => {
    const [client] = await openMailbox(server.current)
    await client!.ok('ENABLE IMAP4rev2')
    const untagged = await client!.ok('SELECT Work')
    expect(untagged).not.toContainEqual(expect.stringMatching(/RECENT|UNSEEN/))
    expect(untagged).toContain('LIST () "/" Work')
    const tag = client!.begin('SEARCH SUBJECT two')
    expect((await client!.end(tag)).untagged).toEqual([`ESEARCH (TAG "${tag}") ALL 2`])
  })

  test.each(['UTF8=ACCEPT', 'IMAP4rev2'])('%s: names of mailboxes are UTF-8', async (capability) => {
    const { client } = await openSession(server.current)
    await client.ok(`ENABLE ${capability}`)
    await client.ok('CREATE "Entw\xc3\xbcrfe"')
    expect(await client.ok('LIST "" Entw%')).toEqual(['LIST (\\HasNoChildren) "/" "Entw\xc3\xbcrfe"'])
    await client.ok('SELECT {9+}\r\nEntw\xc3\xbcrfe')
    expect(await client.command('CREATE "\xff"')).toMatchObject({ status: 'BAD' })
  })

  test('UTF8=ACCEPT: APPEND with a UTF8 literal', async () => {
    const { client } = await openSession(server.current)
    await client.ok('CREATE Work')
    const message = messageWith('caf\xc3\xa9')
    client.send(`x APPEND Work UTF8 (~{${message.length}+}\r\n${message})\r\n`)
    expect(await client.response()).toMatch(/^x BAD /)
    await client.ok('ENABLE UTF8=ACCEPT')
    client.send(`y APPEND Work (\\Seen) UTF8 (~{${message.length}+}\r\n${message})\r\n`)
    expect(await client.response()).toMatch(/^y OK \[APPENDUID/)
    expect(await client.ok('STATUS Work (MESSAGES)')).toEqual(['STATUS Work (MESSAGES 1)'])
  })
}
