/**
 * Messages that are large, and made to be slow: no command of a mail program may stop the event loop for as long as they are read, what is said about
 * them is short, and one that ends the thread that reads it gets an answer, once and for all.
 */
import { readdir, rm, stat, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { fill } from '../../formats/linear.ts'
import { mailShapes } from '../../hostile/hostile-messages.ts'
import { amount } from '../../support/amount.ts'
import { countLoopWork } from '../../support/loop-work.ts'
import { ImapClient } from '../imap-client.ts'
import { useServer } from '../imap-under-test.ts'
import { startMartletImap } from '../martlet-under-test.ts'

const server = useServer(() => startMartletImap())

const MIB = 1024 * 1024
const SIZE = 1_000_000
const MULTIPART = 'Content-Type: multipart/mixed; boundary=b\r\n\r\n'
const LINE = fill('QUJDREVGR0hJ', 76).concat('\r\n')

const MESSAGES: Readonly<Record<string, () => string>> = {
  'lines that are nearly delimiters': () => MULTIPART + fill('--ba\r\n', SIZE),
  'empty lines in messages in messages': () => fill('Content-Type: message/rfc822\r\n\r\n', 150) + fill('\r\n', SIZE),
  'a header without an end': () => fill('a:\r\n', SIZE),
  'a part whose header has no end': () => `${MULTIPART}--b\r\n${fill('a:\r\n', SIZE)}`,
  'parts with long descriptions': () =>
    MULTIPART + fill(`--b\r\nContent-Description: ${fill('d', 100_000)}\r\n\r\nx\r\n`, SIZE),
  'HTML in base64': () => `Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n${fill(LINE, SIZE)}`,
  'a text in a charset of two bytes': () =>
    `Content-Type: text/plain; charset=gb18030\r\n\r\n${fill(`${fill('\x81\x81', 70)}\r\n`, SIZE)}`,
  'a line without an end': () => `Content-Type: text/plain; charset=utf-8\r\n\r\n${fill('a', SIZE)}`,
  'an attachment': () =>
    `${MULTIPART}--b\r\n\r\nhello\r\n--b\r\nContent-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n${fill(LINE, SIZE)}--b--\r\n`,
}

/** Those of the hostile corpus, which SMTP gets in test/hostile. */
const CORPUS = amount({ short: {}, long: mailShapes })
const CORPUS_BYTES = 20_000_000

const COMMANDS = [
  'FETCH 1 (BODYSTRUCTURE ENVELOPE)',
  'FETCH 1 (BODY BODYSTRUCTURE)',
  'FETCH 1 (BODY.PEEK[HEADER.FIELDS (Subject)] BODY.PEEK[1.MIME]<0.100>)',
  'FETCH 1 (BODY.PEEK[HEADER.FIELDS.NOT (a)] BINARY.PEEK[1]<0.10>)',
  'SEARCH TEXT "words that no message has"',
  'SEARCH BODY "words that no message has"',
]
/** A message is read from disk in chunks of 64 KiB, and compared in pieces of 128 Ki characters. */
const UNITS_MAX = 1_500
/** Two for each line of a header of 256 KiB. The header of one of these messages has four times as many. */
const HEADER_UNITS_MAX = 140_000
/** SEARCH compares fields one after the other, 20,000 at most, until its slice of time is over. */
const FIELDS_UNITS_MAX = 25_000
/** BODY and BODYSTRUCTURE of 512 KiB each come from the database, are written, and received by this client. */
const ANSWER_UNITS_MAX = 4_000
/** A message of up to 256 KiB is read on the event loop: a few calls for each of its parts, of which 1,000 are read. */
const SMALL_BYTES_MAX = 256 * 1024
const SMALL_UNITS_MAX = 5_000

test.each(Object.entries(MESSAGES))('%s: no turn of the event loop is as long as the message', async (name, make) => {
  await expectShortTurns(make(), { hasFields: name.includes('header'), isDescribed: name.includes('descriptions') })
})

test.each(Object.entries(CORPUS))('the corpus, %s: no turn is long', { timeout: 300_000 }, async (_, make) => {
  await expectShortTurns(make(CORPUS_BYTES).toString('latin1'), { hasFields: true, isDescribed: true })
})

// Each FETCH took 25 to 140 ms of the event loop.
test('a small message with a thousand parts: no turn of FETCH is as long as all of its parts', async () => {
  const client = await ImapClient.logIn(server.current.port, await server.current.createAccount())
  const part =
    '--b\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Disposition: attachment; filename=a.txt\r\n\r\nx\r\n'
  await client.append('INBOX', `${MULTIPART}${part.repeat(999)}--b\r\n\r\nthe last\r\n--b--\r\n`)
  await client.ok('SELECT INBOX')
  const work = countLoopWork()
  onTestFinished(work.stop)
  for (const command of COMMANDS.filter((each) => each.startsWith('FETCH'))) {
    work.longest()
    await client.command(command)
    expect(work.longest(), command).toBeLessThan(UNITS_MAX)
  }
  expect(await client.ok('FETCH 1 BODY.PEEK[999]')).toEqual(['1 FETCH (BODY[999] {1}\r\nx)'])
})

/** @param kind hasFields: thousands, which SEARCH compares one after the other; isDescribed: its structure is long */
async function expectShortTurns(
  message: string,
  { hasFields, isDescribed }: { readonly hasFields: boolean; readonly isDescribed: boolean },
): Promise<void> {
  const unitsMax = (command: string) => {
    if (command.includes('HEADER')) return HEADER_UNITS_MAX
    if (command.startsWith('SEARCH') && hasFields) return FIELDS_UNITS_MAX
    if (!command.includes('BODYSTRUCTURE') || !isDescribed) return UNITS_MAX
    return message.length <= SMALL_BYTES_MAX ? SMALL_UNITS_MAX : ANSWER_UNITS_MAX
  }
  const client = await ImapClient.logIn(server.current.port, await server.current.createAccount())
  expect(await client.append('INBOX', message)).toMatchObject({ status: 'OK' })
  await client.ok('SELECT INBOX')
  const work = countLoopWork()
  onTestFinished(work.stop)
  for (const command of COMMANDS) {
    work.longest()
    const { status, text } = await client.command(command)
    expect(`${status} ${text}`, command).toMatch(/^(?:OK |NO \[UNKNOWN-CTE\])/)
    expect(work.longest(), command).toBeLessThan(unitsMax(command))
  }
}

test('what FETCH says about a message is short, whatever its header has, and clients can read it', async () => {
  const client = await ImapClient.logIn(server.current.port, await server.current.createAccount())
  const parameters = Array.from({ length: 100 }, (_, index) => `; p${index}=${fill('\xe9', 800)}`).join('')
  const part = `--b\r\nContent-Type: text/x-${fill('y', 100)}${parameters}\r\nContent-ID: <a@b>\r\n\r\nx\r\n`
  const people = fill('undisclosed:;,', 200_000)
  await client.append(
    'INBOX',
    `From: ${people}\r\nSubject: many\r\nMessage-ID: <many@x.test>\r\n${MULTIPART}${fill(part, SIZE)}`,
  )
  await client.ok('SELECT INBOX')
  const [first] = await client.ok('FETCH 1 (ENVELOPE BODYSTRUCTURE)')
  expect(first!.length).toBeLessThan(1_200_000)
  expect(first).toMatch(/^1 FETCH \(ENVELOPE \(NIL "many" \(\(NIL NIL "undisclosed" NIL\)\(NIL NIL NIL NIL\)/)
  expect(first).toContain('NIL "<many@x.test>") BODYSTRUCTURE (("text" "x-y')
  const begun = first!.match(/\(NIL NIL "undisclosed" NIL\)/g)!.length
  expect(first!.match(/\(NIL NIL NIL NIL\)/g)).toHaveLength(begun)
  expect([first!.match(/\(/g)!.length, first!.split('("text" "x-').length]).toEqual([
    first!.match(/\)/g)!.length,
    1 + Math.ceil(SIZE / part.length),
  ])
  expect(await client.ok('FETCH 1 (ENVELOPE BODYSTRUCTURE)')).toEqual([first])
})

// The connection ended in the middle of a literal, or the command was NO [NONEXISTENT]; programs asked again at once.
test.each([
  ['lost', false],
  ['too short', false],
  ['too short', true],
])('FETCH goes on without a message whose file is %s, after its structure was read: %s', async (how, isRead) => {
  const { port, world, createAccount } = server.current
  const client = await ImapClient.logIn(port, await createAccount())
  const large = (name: string) => `Subject: ${name}\r\n${MULTIPART}--b\r\n\r\n${fill(LINE, SIZE)}--b--\r\n`
  await client.append('INBOX', large('whole'))
  const before = new Set(await filesIn(world.shared.blobsDir))
  await client.append('INBOX', large(how))
  await client.append('INBOX', large('also whole'))
  await client.ok('SELECT INBOX')
  if (isRead) await client.ok('FETCH 1:3 BODY')
  const [file] = (await Promise.all((await filesIn(world.shared.blobsDir)).map(sizedFile)))
    .filter(({ path, size }) => !before.has(path) && size === large(how).length)
    .map(({ path }) => path)
  await (how === 'lost' ? rm(file!) : truncate(file!, SIZE / 2))
  const unreadable = { status: 'NO', text: '[CORRUPTION] messages that cannot be read: UID 2' }
  const first = 'BODY.PEEK[HEADER] BODY.PEEK[1]<0.50000>'
  for (const items of [
    ...['BODY.PEEK[]', 'BODY.PEEK[TEXT]', 'BINARY.PEEK[1]', 'BODY.PEEK[1]<900000.10>'],
    ...[`${first} BODY.PEEK[TEXT]`, `${first} BINARY.SIZE[1]`, `${first} BODY.PEEK[1]<900000.10>`],
  ]) {
    const answer = await client.command(`UID FETCH 1:3 (FLAGS ENVELOPE ${items})`)
    expect(answer, items).toMatchObject(unreadable)
    const numbers = answer.untagged.map((line) => line.slice(0, line.indexOf(' ')))
    expect(numbers, items).toEqual(['1', '2', '3'])
    expect(answer.untagged[1], items).toMatch(/^2 FETCH \(UID 2 FLAGS \(\) ENVELOPE \(NIL "(?:lost|too short)" .*\)\)$/)
  }
  // These contents exist.
  expect(await client.command(`UID FETCH 1:3 (${first})`)).toMatchObject(isRead ? { status: 'OK' } : unreadable)
  // What was not sent stays unread.
  expect(await client.command('UID FETCH 1:2 (FLAGS BODY[1]<900000.10>)')).toMatchObject(unreadable)
  expect(await client.ok('FETCH 1:3 (FLAGS)')).toEqual([
    '1 FETCH (FLAGS (\\Seen))',
    '2 FETCH (FLAGS ())',
    '3 FETCH (FLAGS ())',
  ])
  // Nothing of it is needed for these.
  await client.ok('FETCH 1:3 (RFC822.SIZE ENVELOPE FLAGS)')
  await client.ok('COPY 2 Archive')
})

async function filesIn(folder: string): Promise<string[]> {
  const found = await readdir(folder, { recursive: true, withFileTypes: true })
  return found.filter((each) => each.isFile()).map((each) => join(each.parentPath, each.name))
}

async function sizedFile(path: string): Promise<{ readonly path: string; readonly size: number }> {
  return { path, size: (await stat(path)).size }
}

describe('a message that takes more memory than a thread may have', () => {
  const limited = useServer(() =>
    startMartletImap({
      parsing: { heapBytesMax: 32 * MIB, mimeHeaderFieldsMax: 64 * MIB, keyPauseMs: 0 },
      mailboxes: { sliceMs: 0 },
    }),
  )
  const HEADER = `Subject: poison\r\nContent-Transfer-Encoding: quoted-printable\r\nX: ${fill('x', 100_000)}\r\n${MULTIPART}`
  /** 20 of them have a million fields. */
  const part = `--b\r\n${fill('a:\r\n', 250_000)}\r\n`

  async function countThreads<T>(act: () => Promise<T>): Promise<[threads: number, result: T]> {
    let threads = 0
    const add = () => {
      threads += 1
    }
    process.on('worker', add)
    try {
      const result = await act()
      return [threads, result]
    } finally {
      process.off('worker', add)
    }
  }

  test('is shown as one file, which is stored, so that it is not read again', async () => {
    const client = await ImapClient.logIn(limited.current.port, await limited.current.createAccount())
    const message = `${HEADER}${part.repeat(20)}--b\r\n\r\nthe n=65edle\r\n`
    expect(await client.append('INBOX', message)).toMatchObject({ status: 'OK' })
    await client.ok('SELECT INBOX')
    const [threads, structure] = await countThreads(() => client.ok('FETCH 1 (ENVELOPE BODYSTRUCTURE)'))
    expect(threads).toBeGreaterThan(0)
    const bodyBytes = message.length - HEADER.length
    expect(structure).toEqual([
      expect.stringMatching(
        `^1 FETCH \\(ENVELOPE \\(NIL "poison" .*BODYSTRUCTURE \\("application" "octet-stream" NIL NIL NIL "quoted-printable" ${bodyBytes} NIL NIL NIL NIL\\)\\)$`,
      ),
    ])
    const [more, again] = await countThreads(() => client.ok('FETCH 1 (ENVELOPE BODYSTRUCTURE)'))
    expect([more, again]).toEqual([0, structure])
    expect(await client.ok('FETCH 1 BODY.PEEK[1]<0.3>')).toEqual(['1 FETCH (BODY[1]<0> {3}\r\n--b)'])
    expect(await client.ok('FETCH 1 (BODY.PEEK[2] BODY.PEEK[1.1] BODY.PEEK[1.TEXT] BINARY.PEEK[2])')).toEqual([
      '1 FETCH (BODY[2] NIL BODY[1.1] NIL BODY[1.TEXT] NIL BINARY[2] NIL)',
    ])
    const decodedBytes = bodyBytes - 'n=65'.length + 'ne'.length
    expect(
      await client.ok(`FETCH 1 (BINARY.SIZE[1] BINARY.PEEK[1]<${decodedBytes - 8}.8> BODY.PEEK[TEXT]<0.3>)`),
    ).toEqual([
      `1 FETCH (BINARY.SIZE[1] ${decodedBytes} BINARY[1]<${decodedBytes - 8}> ~{8}\r\nneedle\r\n BODY[TEXT]<0> {3}\r\n--b)`,
    ])
    // Alone, it is read without the structure.
    expect(await client.ok('FETCH 1 BODY.PEEK[HEADER]')).toEqual([
      `1 FETCH (BODY[HEADER] {${HEADER.length}}\r\n${HEADER})`,
    ])
    expect(await client.ok('FETCH 1 (BODY.PEEK[HEADER] BODY.PEEK[TEXT]<0.3>)')).toEqual([
      `1 FETCH (BODY[HEADER] {${HEADER.length}}\r\n${HEADER} BODY[TEXT]<0> {3}\r\n--b)`,
    ])
  })

  // A batch of 16 took 35 to 110 ms of the event loop.
  test('messages with nearly as many parts as that: a turn of FETCH is as long as one of them', async () => {
    const client = await ImapClient.logIn(limited.current.port, await limited.current.createAccount())
    const message = `${MULTIPART}${'--b\r\n\r\nx\r\n'.repeat(99)}--b--\r\n`
    for (let count = 0; count < 16; count += 1) await client.append('INBOX', message)
    await client.ok('SELECT INBOX')
    const work = countLoopWork()
    onTestFinished(work.stop)
    const longestOf = async (set: string) => {
      work.longest()
      await client.ok(`FETCH ${set} BODY.PEEK[1]`)
      return work.longest()
    }
    const one = await longestOf('1')
    expect(await longestOf('1:16')).toBeLessThan(2 * one)
  })
})
