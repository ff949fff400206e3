/** SEARCH (RFC 9051 §6.4.4), ESEARCH, SEARCHRES, on any server. */
import { expect, test } from 'vitest'
import type { ImapClient } from '../imap-client.ts'
import { type ImapUnderTest, messageWith, openMailbox } from '../imap-under-test.ts'

async function openSearched(server: ImapUnderTest): Promise<ImapClient> {
  const [client] = await openMailbox(server, { subjects: ['alpha', 'beta', 'gamma'] })
  const body = Buffer.from('Grüße aus Köln').toString('latin1')
  const delta = `Cc: cy@example.test\r\nBcc: bo@example.test\r\n${messageWith('delta', body)}`
  const { text } = await client!.append('Work', delta, '(\\Seen) " 1-Feb-2020 12:00:00 +0000" ')
  expect(text).toMatch(/^\[APPENDUID/)
  await client!.ok('STORE 2 +FLAGS.SILENT (\\Flagged keyword)')
  await client!.ok('STORE 3 +FLAGS.SILENT (\\Answered)')
  return client!
}

export function searchSuite(server: { readonly current: ImapUnderTest }): void {
  test.each([
    ['ALL', '1 2 3 4'],
    ['1:2', '1 2'],
    ['NOT 1:2', '3 4'],
    ['*', '4'],
    ['UID 2:3', '2 3'],
    ['FLAGGED', '2'],
    ['UNFLAGGED UNSEEN', '1 3'],
    ['SEEN', '4'],
    ['ANSWERED', '3'],
    ['UNANSWERED 2:4', '2 4'],
    ['DELETED', ''],
    ['UNDELETED', '1 2 3 4'],
    ['DRAFT', ''],
    ['UNDRAFT', '1 2 3 4'],
    ['KEYWORD keyword', '2'],
    ['UNKEYWORD keyword 1:3', '1 3'],
    ['NEW', ''],
    ['RECENT', ''],
    ['OLD', '1 2 3 4'],
    ['OR FLAGGED SEEN', '2 4'],
    ['OR (1 UNSEEN) (4 SEEN)', '1 4'],
    ['NOT (OR FLAGGED SEEN)', '1 3'],
    ['SUBJECT Alpha', '1'],
    ['SUBJECT "ALPHA"', '1'],
    ['SUBJECT {5+}\r\nalpha', '1'],
    ['BODY "text of beta"', '2'],
    ['TEXT example.test 1:3', '1 2 3'],
    ['FROM ann TO ben 1', '1'],
    ['CC cy@', '4'],
    ['BCC BO', '4'],
    ['BCC cy', ''],
    ['HEADER Message-ID gamma', '3'],
    ['HEADER X-None ""', ''],
    ['BEFORE 2-Feb-2020', '4'],
    ['ON 1-Feb-2020', '4'],
    ['SINCE 2-Feb-2020', '1 2 3'],
    ['SENTON 7-Feb-1994 1', '1'],
    ['SENTBEFORE "7-Feb-1994"', ''],
    ['SENTSINCE 7-Feb-1994', '1 2 3 4'],
    ['SENTSINCE 8-Feb-1994', ''],
    ['LARGER 100000', ''],
    ['SMALLER 100000', '1 2 3 4'],
    ['YOUNGER 86400', '1 2 3'],
    ['OLDER 86400', '4'],
    ['MODSEQ 1 SEEN', /^4 \(MODSEQ \d+\)$/],
    ['MODSEQ "/flags/\\\\seen" all 1 SEEN', /^4 \(MODSEQ \d+\)$/],
    ['SAVEDATESUPPORTED', '1 2 3 4'],
    ['SAVEDSINCE 1-Jan-2026', '1 2 3 4'],
    ['SAVEDBEFORE 1-Jan-2026', ''],
    ['SAVEDBEFORE 1-Jan-2100', '1 2 3 4'],
    ['SAVEDON 1-Jan-2026', ''],
    ['EMAILID nothing', ''],
    ['THREADID nothing', ''],
    ['CHARSET UTF-8 SUBJECT alpha', '1'],
    ['CHARSET iso-8859-1 BODY {4+}\r\nK\xf6ln', '4'],
    ['CHARSET utf-8 BODY {5+}\r\nk\xc3\xb6ln', '4'],
  ])('%s', async (keys, numbers) => {
    const client = await openSearched(server.current)
    const expected = typeof numbers === 'string' ? `SEARCH${numbers && ` ${numbers}`}` : undefined
    const found = (await client.ok(`SEARCH ${keys}`)).filter((text) => text.startsWith('SEARCH'))
    if (expected !== undefined) expect(found).toEqual([expected])
    else expect(found[0]!.slice('SEARCH '.length)).toMatch(numbers)
  })

  test('EMAILID and THREADID find messages, and a message that moves keeps its EMAILID (RFC 8474)', async () => {
    const client = await openSearched(server.current)
    const [first, second] = await client.ok('FETCH 1:2 (EMAILID THREADID)')
    const [, emailId, threadId] = /EMAILID \(([\w-]+)\) THREADID (NIL|\([\w-]+\))/.exec(second!)!
    expect(first).not.toContain(emailId)
    expect(await client.ok(`SEARCH EMAILID ${emailId}`)).toEqual(['SEARCH 2'])
    if (threadId !== 'NIL') expect(await client.ok(`SEARCH THREADID ${threadId!.slice(1, -1)}`)).toEqual(['SEARCH 2'])
    await client.ok('MOVE 2 Archive')
    await client.ok('SELECT Archive')
    expect(await client.ok('FETCH 1 EMAILID')).toEqual([`1 FETCH (EMAILID (${emailId}))`])
  })

  test('DELETED finds the messages that EXPUNGE would remove', async () => {
    const client = await openSearched(server.current)
    await client.ok('STORE 2,4 +FLAGS.SILENT (\\Deleted)')
    expect(await client.ok('SEARCH DELETED')).toEqual(['SEARCH 2 4'])
    expect(await client.ok('SEARCH UNDELETED')).toEqual(['SEARCH 1 3'])
  })

  test.each([
    'SEARCH',
    'SEARCH NONSENSE',
    'SEARCH NOT',
    'SEARCH OR ALL',
    'SEARCH (ALL',
    'SEARCH ()',
    'SEARCH SUBJECT',
    'SEARCH BEFORE yesterday',
    'SEARCH BEFORE 31-Feb-2020',
    'SEARCH LARGER x',
    'SEARCH YOUNGER 0',
    `SEARCH ${'('.repeat(1_000)}ALL${')'.repeat(1_000)}`,
    `SEARCH ${'NOT '.repeat(1_000)}ALL`,
    'SEARCH RETURN (NONSENSE) ALL',
  ])('%.60s is BAD', async (command) => {
    const [client] = await openMailbox(server.current, { subjects: [] })
    expect(await client!.command(command)).toMatchObject({ status: 'BAD', untagged: [] })
  })

  test.each(['Größe', 'öl', 'x ö'])(
    'text outside ASCII that is neither quoted nor a literal is BAD: %s',
    async (text) => {
      const client = await openSearched(server.current)
      const command = Buffer.from(`SEARCH CHARSET UTF-8 SUBJECT ${text}`).toString('latin1')
      expect(await client.command(command)).toMatchObject({
        ...{ status: 'BAD', text: expect.stringMatching(/outside ASCII must be a quoted string or a literal/) },
      })
    },
  )

  test('an unknown charset is NO [BADCHARSET]', async () => {
    const [client] = await openMailbox(server.current, { subjects: [] })
    const answer = await client!.command('SEARCH CHARSET x-nothing SUBJECT a')
    expect(answer).toMatchObject({ status: 'NO', text: expect.stringMatching(/^\[BADCHARSET/) })
  })

  test.each([
    ['RETURN () ALL', 'ALL 1:4'],
    ['RETURN (MIN MAX COUNT) ALL', 'MIN 1 MAX 4 COUNT 4'],
    ['RETURN (ALL) NOT 2', 'ALL 1,3:4'],
    ['RETURN (COUNT) SUBJECT nothing', 'COUNT 0'],
    ['RETURN (MIN) SUBJECT nothing', ''],
  ])('ESEARCH: %s', async (keys, result) => {
    const client = await openSearched(server.current)
    const tag = client.begin(`SEARCH ${keys}`)
    const { untagged } = await client.end(tag)
    expect(untagged.at(-1)).toBe(`ESEARCH (TAG "${tag}")${result && ` ${result}`}`)
    const uidTag = client.begin(`UID SEARCH ${keys}`)
    expect((await client.end(uidTag)).untagged).toEqual([`ESEARCH (TAG "${uidTag}") UID${result && ` ${result}`}`])
  })

  test('SEARCHRES: "$" is the saved result, without what has been expunged', async () => {
    const client = await openSearched(server.current)
    const saved = (await client.ok('SEARCH RETURN (SAVE) UNSEEN')).filter((text) => /SEARCH/.test(text))
    expect(saved).toEqual([])
    expect(await client.ok('FETCH $ UID')).toEqual(['1 FETCH (UID 1)', '2 FETCH (UID 2)', '3 FETCH (UID 3)'])
    expect(await client.ok('UID SEARCH $ FLAGGED')).toEqual(['SEARCH 2'])
    await client.ok('SEARCH RETURN (COUNT) SUBJECT beta') // without SAVE: the result stays
    expect(await client.ok('UID SEARCH $')).toEqual(['SEARCH 1 2 3'])
    await client.ok('STORE 1 +FLAGS.SILENT (\\Deleted)')
    await client.ok('EXPUNGE')
    expect(await client.ok('UID FETCH $ UID')).toEqual(['1 FETCH (UID 2)', '2 FETCH (UID 3)'])
    const tag = client.begin('SEARCH RETURN (SAVE MIN) ALL')
    expect((await client.end(tag)).untagged).toEqual([`ESEARCH (TAG "${tag}") MIN 1`])
    expect(await client.ok('FETCH $ UID')).toEqual(['1 FETCH (UID 2)'])
    await client.ok('SEARCH RETURN (SAVE) SUBJECT nothing')
    expect(await client.ok('FETCH $ UID')).toEqual([])
    expect(await client.command('STORE $ +FLAGS (\\Seen)')).toMatchObject({ status: 'OK', untagged: [] })
  })
}
