/**
 * The same commands, sent to Dovecot and to Martlet, over the same messages: ENVELOPE, BODYSTRUCTURE, sizes, sections and SEARCH must
 * mean the same. What differs on purpose is named below, with the reason; what is not named fails the test. Where Dovecot is
 * not installed, the test is skipped.
 */
import { beforeAll, expect, test } from 'vitest'
import { decodeHeaderText } from '../../src/formats/mime/charset.ts'
import { decodeEncodedWords } from '../../src/formats/mime/encoded-words.ts'
import { parseParameterised } from '../../src/formats/mime/header-parameters.ts'
import { hasDovecot, startDovecot } from '../support/dovecot.ts'
import { startWorld } from '../support/world.ts'
import { type ComparedMessage, comparedMessages } from './compared-messages.ts'
import { ImapClient } from './imap-client.ts'
import { type ImapValue, readValue } from './imap-values.ts'

const isInstalled = hasDovecot()
const ITEMS = 'RFC822.SIZE ENVELOPE BODYSTRUCTURE BODY.PEEK[HEADER] BODY.PEEK[TEXT] BODY.PEEK[1] BODY.PEEK[1.MIME]'

let messages: ComparedMessage[]
/** By server: the items of each message, in the order of `messages`. */
let fetched: { readonly dovecot: Items[]; readonly martlet: Items[] }
let clients: { readonly dovecot: ImapClient; readonly martlet: ImapClient }

type Items = ReadonlyMap<string, ImapValue>

beforeAll(async () => {
  if (!isInstalled) return
  messages = await comparedMessages()
  const dovecot = await startDovecot(messages.map(({ raw }) => raw))
  const world = await startWorld({ env: { MARTLET_IMAP_PORT: '0', MARTLET_IMAP_PLAIN_LOOPBACK: 'on' } })
  const { email } = await world.agentmail.inboxes.create({ username: 'ann' })
  const login = { user: email, password: world.rootKey }
  clients = {
    dovecot: await ImapClient.logIn(dovecot.port, dovecot, { isInTest: false }),
    martlet: await ImapClient.logIn(world.imapPort, login, { isInTest: false }),
  }
  for (const { raw } of messages) {
    const { status, text } = await clients.martlet.append('INBOX', raw.toString('latin1'))
    expect({ status, text }).toMatchObject({ status: 'OK' })
  }
  fetched = { dovecot: await fetchAll(clients.dovecot), martlet: await fetchAll(clients.martlet) }
  return async () => {
    for (const client of Object.values(clients)) client.destroy()
    await world[Symbol.asyncDispose]()
    await dovecot[Symbol.asyncDispose]()
  }
}, 60_000)

async function fetchAll(client: ImapClient): Promise<Items[]> {
  await client.ok('EXAMINE INBOX')
  const responses = await client.ok(`FETCH 1:* (${ITEMS})`)
  return responses
    .filter((response) => /^\d+ FETCH /.test(response))
    .map((response) => {
      const list = readValue(response.slice(response.indexOf('('))) as ImapValue[]
      return new Map(Array.from({ length: list.length / 2 }, (_, i) => [String(list[2 * i]), list[2 * i + 1]!]))
    })
}

/**
 * Compares what both say of one item, but of messages that a reason names: those may differ.
 *
 * @param reasons their names, or what is true of them
 */
function compare(item: string, reasons: readonly Reason[], meaning: (value: ImapValue) => unknown = (value) => value) {
  expect(fetched.martlet).toHaveLength(messages.length)
  const unexplained: Record<string, unknown> = {}
  for (const [index, message] of messages.entries()) {
    const [ours, theirs] = [fetched.martlet, fetched.dovecot].map((items) => meaning(items[index]!.get(item)!))
    if (JSON.stringify(ours) === JSON.stringify(theirs) || reasons.some(({ applies }) => applies(message))) continue
    unexplained[message.name] = { ours, theirs }
  }
  expect(unexplained).toEqual({})
}

/** Why a message may differ. */
interface Reason {
  readonly why: string
  applies(message: ComparedMessage): boolean
}

const strayLine: Reason = {
  why: 'The header has a line that is no field. For Martlet, as for Postfix, the body begins there; Dovecot skips the line.',
  applies: ({ raw }) => {
    const header = raw.toString('latin1').split('\r\n\r\n', 1)[0]!
    return header.split('\r\n').some((line, i) => !/^[!-9;-~]+[ \t]*:/.test(line) && (i === 0 || !/^[ \t]/.test(line)))
  },
}

const named = (why: string, ...names: string[]): Reason => ({ why, applies: ({ name }) => names.includes(name) })

const ENVELOPE_REASONS = [
  strayLine,
  named(
    'Of a field that may occur once, Martlet takes the first, as filters and its API do; Dovecot the last, or all.',
    ...['two Subjects', 'msg_20.txt', 'plain, changed (17)'],
  ),
  named('Martlet shows each of nested groups, which RFC 5322 does not have.', 'groups in groups'),
  named(
    'An open quote or comment is text for Martlet, so that it finds the address.',
    ...['unclosed quotes', 'unclosed comment'],
  ),
]

const STRUCTURE_REASONS = [
  strayLine,
  named(
    'The same in the header of a part.',
    ...['msg_47.txt', 'invitation, changed (3)', 'signed, changed (41)'],
    ...['nested, changed (22)', 'nested, changed (27)', 'nested, changed (33)'],
  ),
  named(
    'The line break before a delimiter belongs to it (RFC 2046 §5.1.1), also after a multipart; Dovecot counts it to the part.',
    ...['report', 'boundaries that begin alike', 'msg_38.txt', 'messages in messages'],
  ),
  named('The declared boundary does not occur: Martlet takes the one that does.', 'msg_31.txt', 'msg_33.txt'),
  named(
    'A type that cannot be read is text/plain (RFC 2045 §5.2); Dovecot shows it as empty.',
    ...['a type without subtype', 'msg_14.txt', 'htmlOnly, changed (1)', 'report, changed (4)'],
  ),
  named(
    'Broken parameters: Martlet keeps what can be read of them.',
    ...['nested, changed (0)', 'invitation, changed (28)', 'signed, changed (18)'],
  ),
  named(
    'A word that is not ASCII: Martlet writes an encoded word, since a client may read ASCII only.',
    ...['invitation, changed (46)', 'nested, changed (36)'],
  ),
  named('RFC 2046 §5.2.1 forbids base64 here: Martlet shows a file.', 'a message in base64'),
  named('Dovecot replaces an encoding that it does not know by 7bit.', 'an unknown encoding'),
  named('Dovecot shows no extension data without Content-Type.', 'languages and a location'),
]

test.runIf(isInstalled)('there are at least 300 messages', () => {
  expect(messages.length).toBeGreaterThanOrEqual(300)
})

test.runIf(isInstalled).each(['RFC822.SIZE', 'BODY[HEADER]', 'BODY[TEXT]'])('%s is the same', (item) => {
  compare(item, [strayLine])
})

test.runIf(isInstalled)('ENVELOPE means the same', () => {
  compare('ENVELOPE', ENVELOPE_REASONS, meaningOfEnvelope)
})

test.runIf(isInstalled)('BODYSTRUCTURE means the same', () => {
  compare('BODYSTRUCTURE', STRUCTURE_REASONS, meaningOfStructure)
})

test.runIf(isInstalled).each(['BODY[1]', 'BODY[1.MIME]'])('%s is the same', (item) => {
  compare(item, STRUCTURE_REASONS)
})

const SEARCHES = [
  'ALL',
  'SUBJECT code',
  'FROM example',
  'TO b.test',
  'CC "müller"',
  'TEXT kod',
  'BODY passwort',
  'TEXT quoted-printable',
  'BODY quoted-printable',
  'TEXT multipart',
  'TEXT font-family',
  'HEADER From "@"',
  'HEADER To b.test',
  'HEADER Content-Type multipart',
  'HEADER X-None ""',
  'HEADER Message-ID "<7@a.test>"',
  'HEADER In-Reply-To ""',
  'LARGER 1000 SMALLER 3000',
  'SENTSINCE 14-Nov-2023 SENTBEFORE 20-Nov-2023',
  'SENTON 15-Nov-2023',
  'NOT SUBJECT code 1:100',
  'OR FROM bank SUBJECT bank',
  'UNSEEN UNDELETED',
  'UID 5:9,20',
]

test.runIf(isInstalled).each(SEARCHES)('SEARCH %s finds the same', async (query) => {
  // Where the header of a part ends, decides whether it is searched.
  const reasons = query.endsWith('quoted-printable') ? STRUCTURE_REASONS : [strayLine]
  const found = async (client: ImapClient) => {
    const [line = ''] = await client.ok(Buffer.from(`SEARCH CHARSET UTF-8 ${query}`).toString('latin1'))
    return line
      .split(' ')
      .slice(1)
      .map((number) => messages[Number(number) - 1]!)
      .filter((message) => !reasons.some(({ applies }) => applies(message)))
      .map(({ name }) => name)
  }
  expect(await found(clients.martlet)).toEqual(await found(clients.dovecot))
})

/** Texts as a person reads them, addresses without a route (obsolete), and one sign for a missing half of an address. */
function meaningOfEnvelope(value: ImapValue): unknown {
  const [date, subject, ...rest] = value as ImapValue[]
  const addresses = rest.slice(0, 6).map((list) => (list as ImapValue[] | null)?.map(meaningOfAddress) ?? [])
  return { date: textOf(date!), subject: textOf(subject!), addresses, ids: rest.slice(6) }
}

function meaningOfAddress(address: ImapValue): unknown {
  const [name, , mailbox, host] = address as ImapValue[]
  const isMissing = (text: ImapValue) => text === 'MISSING_MAILBOX' || text === 'MISSING_DOMAIN'
  return [name, mailbox, host].map((text) => (isMissing(text!) ? '' : textOf(text!)))
}

/** Decoded, with single spaces. */
function textOf(value: ImapValue): string | null {
  if (value === null) return null
  const raw = Buffer.from(value as string, 'latin1')
  return decodeEncodedWords(decodeHeaderText(raw, '')).replace(/\s+/g, ' ').trim()
}

/** Parameters decoded, in the order of their names; words in lower case. */
function meaningOfStructure(value: ImapValue): unknown {
  const items = value as ImapValue[]
  if (Array.isArray(items[0])) {
    const parts = items.filter((item, i) => Array.isArray(item) && items.slice(0, i).every(Array.isArray))
    const [subtype, parameters, ...more] = items.slice(parts.length)
    return [parts.map(meaningOfStructure), lower(subtype!), parametersOf(parameters!), ...extensionOf(more)]
  }
  const [type, subtype, parameters, id, description, encoding, octets, ...rest] = items
  const isMessage = lower(type!) === 'message' && Array.isArray(rest[0])
  const inner = isMessage ? [meaningOfEnvelope(rest.shift()!), meaningOfStructure(rest.shift()!)] : []
  const lines = isMessage || lower(type!) === 'text' ? [rest.shift()!] : []
  const [md5, ...more] = rest
  // RFC 2045 §5.2: the charset of text that names none.
  const shown = { ...(lower(type!) === 'text' && { charset: 'us-ascii' }), ...parametersOf(parameters!) }
  return [
    ...[lower(type!), lower(subtype!), sorted(shown), id, textOf(description!), lower(encoding!), octets],
    ...[...inner, ...lines, md5, ...extensionOf(more)],
  ]
}

function extensionOf([disposition, language, location]: ImapValue[]): unknown[] {
  const [name, parameters] = (disposition as ImapValue[] | null) ?? []
  return [name === undefined ? null : [lower(name), parametersOf(parameters!)], language, location]
}

function parametersOf(value: ImapValue): Record<string, string> {
  const list = (value ?? []) as string[]
  const text = Array.from(
    { length: list.length / 2 },
    (_, i) => `${list[2 * i]}="${list[2 * i + 1]!.replace(/["\\]/g, '\\$&')}"`,
  )
  const { parameters } = parseParameterised(`x; ${text.join('; ')}`)
  return sorted(Object.fromEntries(parameters))
}

function sorted(values: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1)))
}

function lower(value: ImapValue): string {
  return String(value).toLowerCase()
}
