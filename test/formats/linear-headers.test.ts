/** Header values, addresses and commands that are made to be slow: every function that reads them takes linear time. */
import { test } from 'vitest'
import { parseAddressCommand } from '../../src/edges/smtp/protocol/address-command.ts'
import { parseCommandLine } from '../../src/edges/smtp/protocol/command-line.ts'
import { readMailCommand } from '../../src/edges/smtp/protocol/mail-command.ts'
import { formatAddress, normaliseAddress, normaliseDomain, parseRecipient } from '../../src/formats/address/address.ts'
import { parseAddressList } from '../../src/formats/address/address-list.ts'
import { networkOf } from '../../src/formats/address/peer-network.ts'
import { relaxedHeader } from '../../src/formats/dkim/dkim-canonical.ts'
import { composeNotice } from '../../src/formats/dsn/dsn.ts'
import { findRelayId, parseMessageIds, relayPart, trimMessageId } from '../../src/formats/ids.ts'
import { readEnvelope } from '../../src/formats/imap/read-structure.ts'
import { charsetOfLabel } from '../../src/formats/mime/charset-labels.ts'
import { readContentType, readDisposition, readTransferEncoding } from '../../src/formats/mime/content-fields.ts'
import { parseDateHeader } from '../../src/formats/mime/date-header.ts'
import { decodeEncodedWords } from '../../src/formats/mime/encoded-words.ts'
import { parseParameterised } from '../../src/formats/mime/header-parameters.ts'
import { isForbiddenHeader } from '../../src/formats/mime/protected-headers.ts'
import { preview } from '../../src/formats/mime/text-preview.ts'
import { traceHeaders } from '../../src/formats/mime/trace-headers.ts'
import { findAttributions } from '../../src/formats/reply/attributions.ts'
import { HeaderBlocks } from '../../src/formats/reply/header-blocks.ts'
import { findDate } from '../../src/formats/reply/quote-dates.ts'
import { normaliseLine } from '../../src/formats/reply/quote-line.ts'
import * as signals from '../../src/formats/reply/quote-signals.ts'
import { forwardSubject, replyReferences, replySubject } from '../../src/formats/reply/reply-compose.ts'
import { replyContext } from '../../src/formats/reply/reply-context.ts'
import { fold, oneLine, plainText } from '../../src/formats/verification/keyword-text.ts'
import { tokenScore } from '../../src/formats/verification/link-tokens.ts'
import { addressesIn, withoutAddresses } from '../../src/formats/verification/text-addresses.ts'
import { isSecret } from '../../src/formats/webhook-signature.ts'
import { parseReply } from '../../src/net/smtp/smtp-reply.ts'
import { expectLinear, fill, LONG_MS, type Shape } from './linear.ts'

/** Values consist of one of these pieces, repeated. */
const PIECES = [
  // Addresses
  ...[
    ',',
    ';',
    ':',
    '@',
    'a@',
    'a@b,',
    'a@b ',
    '<',
    '>',
    '<a@b>',
    '<a@b',
    '<"',
    '<@a,',
    '<@a:b@c',
    'a:b@c;',
    '. ',
    ' . ',
  ],
  // Quotes and comments
  ...['"', '"a', '"a" ', '\\', '"\\', '"\\"', '(', ')', '()', '((a)', '(a ', '(\\', '("'],
  // Parameters
  ...['; a', ';a=b', '; a="', ";x*0*=utf-8''%41", ';x*=%41', ";x*=''", ';x*1=', '%', '%4', "'", '*', '='],
  // Encoded words
  ...['=?', '?=', '=?=', '?', '=?a?q?', '=?a?q?x', '=?a?q?x?=', '=?utf-8?b?YQ==?= ', '=?utf-8?q?=C3?= '],
  ...['=?utf-7?q?+AAA-?= ', '=?utf-16?b?2AA?= ', '=?iso-2022-jp?q?=1B$B?= '],
  // Ids, dates, subjects, URLs
  ...['<>', '<@>', '<a@b> ', '1 ', '1 Jan 2024 10:00 ', 'Re: ', 'Re[1]: ', 'https://', 'http://a/?t=1 ', 'www.', '://'],
  // White space, control characters, and characters with a special meaning
  ...[' ', '\t', '\r', '\0', '\u2028', '\u00a0', 'a ', 'a\t', '-', '_', '--', '250-a\n', '250 ', '4', 'a', 'A1'],
  ...['é', 'ß', '\ud800', '\udc00', '\ud83d\ude00', '\u0301', '\u0301\u0316', '\uff9e\u0301', '４', '\u00ad'],
]

/** Values whose beginning or end differs from the repeated part. */
const MADE: Readonly<Record<string, Shape<string>>> = {
  'encoded words of an unknown encoding, one end': (size) => `${fill('=?a?z?x', size)}?=`,
  'encoded words of a charset with a space, one end': (size) => `${fill('=?a b?q?x', size)}?=`,
  'encoded words that never end, one end': (size) => `${fill('=?a?q?x', size)}?=`,
  'colons after an address': (size) => `a@b${fill(':', size)}`,
  'words with dots after an address': (size) => `a@b ${fill('a. ', size)}`,
  'an address after words': (size) => `${fill('a ', size)}a@b`,
  'a quote that never ends': (size) => `"${fill('a', size)}`,
  'a comment in comments': (size) => `${fill('(', size / 2)}${fill(')', size / 2)}`,
  'a parameter with a comment that never ends': (size) => `a/b; x=1 (${fill('a;', size)}`,
  'one id': (size) => `<a@${fill('b', size)}>`,
  'opening brackets, then closing ones': (size) => `${fill('<', size / 2)}${fill('>', size / 2)}`,
  'a section of many quotes': (size) => `a/b; x*=utf-8'${fill("'", size)}`,
  'an address of many labels': (size) => `a@${fill('b.', size)}c`,
  'an address literal': (size) => `a@[${fill('1.', size)}]`,
  'spaces, then a letter': (size) => `${fill(' ', size)}a`,
  'a letter, then spaces': (size) => `a${fill(' ', size)}`,
  'a date after spaces': (size) => `Mon,${fill(' ', size)}1 Jan 2024`,
}

const SHAPES: readonly (readonly [string, Shape<string>])[] = [
  ...PIECES.map((piece) => [JSON.stringify(piece), (size: number) => fill(piece, size)] as const),
  ...Object.entries(MADE),
]

const address = { name: 'Ann', address: 'ann@example.com' }
const date = new Date(0)

const READERS: Readonly<Record<string, (value: string) => unknown>> = {
  'address lists': (value) => parseAddressList(value, Number.POSITIVE_INFINITY),
  envelopes: (value) =>
    readEnvelope(Buffer.from(`To: ${value}`), { headerBytesMax: 2_000_000, headerFieldsMax: 1_000 }),
  parameters: parseParameterised,
  'content fields': (value) => [
    readContentType([value, value], Buffer.from(value), { isOpen: () => false, bytesLeft: 1_000_000 }),
    readTransferEncoding([value, value]),
    readDisposition(value),
    charsetOfLabel(value),
  ],
  'encoded words': decodeEncodedWords,
  'message ids': (value) => [parseMessageIds(value, 100), trimMessageId(value), findRelayId(value), relayPart(value)],
  'dates, previews, header names': (value) => [parseDateHeader(value), preview(value), isForbiddenHeader(value)],
  'addresses from clients': (value) => [parseRecipient(value), normaliseAddress(value), normaliseDomain(value)],
  'names of addresses': (value) => [
    formatAddress({ ...address, name: value }),
    formatAddress({ ...address, address: value }),
  ],
  'subjects of replies': (value) => [replySubject(value), forwardSubject(value), replyReferences({ messageId: value })],
  'plain text': (value) => fold(plainText(value)),
  'one line': (value) => oneLine(value, 160),
  'addresses in text': (value) => [[...addressesIn(value)], withoutAddresses(value), tokenScore(value)],
  'quote signals': (value) => [
    signals.isOriginalSeparator(value),
    signals.isForwardMarker(value),
    signals.isReportOpening(value),
    signals.isRule(value),
    signals.isDeviceSignature(value),
    signals.signatureLines([value]),
    signals.listFooterStart([value]),
    findDate(normaliseLine(value)),
    findAttributions([{ text: value }], [false], replyContext({ subject: value })),
    new HeaderBlocks((index) => (index === 0 ? value : undefined), replyContext({ subject: value })).isBlock(0, true),
  ],
  'SMTP commands': (value) => {
    parseCommandLine(Buffer.from(value))
    parseAddressCommand('TO', `TO:<${value}>`)
    return readMailCommand(`FROM:<a@b> ${value}`, { messageBytesMax: 1_000, allowsAuthParameter: true })
  },
  'replies of other servers': (value) => parseReply(value, 1_000),
  'trace fields': (value) =>
    traceHeaders({
      returnPath: value,
      from: { helo: value, ip: '::1' },
      by: 'mx',
      with: 'SMTP',
      id: 'x',
      date,
    }),
  'canonical fields, networks, secrets': (value) => [relaxedHeader('a', value), networkOf(value), isSecret(value)],
  notices: (value) =>
    composeNotice({
      ...{
        action: 'failed',
        messageId: '<1@mx>',
        date,
        boundary: 'b',
        reportingMta: 'mx',
        fromDomain: 'mx',
        to: 'a@mx',
      },
      recipients: [{ address: 'b@mx', status: '5.0.0', reply: value, remote: value, lastAttemptAt: date, attempts: 1 }],
      original: { arrivedAt: date, head: Buffer.from(`Subject: ${value}\r\n`) },
    }),
}

test.each(Object.entries(READERS))('%s take linear time', { timeout: LONG_MS }, (reader, read) => {
  for (const [shape, make] of SHAPES) expectLinear(`${reader}: ${shape}`, make, read)
})
