/**
 * What does the search for codes and links cost, compared with the parsing of the message? Every incoming message is
 * searched.
 *
 *   npm run bench -- verification
 *
 * Measures four messages, alternating parse and search so that both see the same machine: a personal message, a shop's
 * with many links and numbers, one with a code in text and HTML, and a newsletter of 100 KB. Prints messages per second
 * for the parse, for all reading (mail/messages/content/parsed-message.ts, which includes both) and for the search, and the share of
 * the search in the reading.
 */

import { withLimits } from '../src/config/limits.ts'
import { parseMessage } from '../src/formats/mime/mime-parse.ts'
import { extractVerification } from '../src/formats/verification/verification.ts'
import { parseMail } from '../src/mail/messages/content/parsed-message.ts'

const MEASURE_MS = 400
const ROUNDS = 5
const SENTENCE = 'We have looked at it again on 12 May, and 3 of the 14 points are still open. '

const defaults = withLimits()
const parseLimits = {
  depthMax: defaults.parsing.mimeDepthMax,
  partsMax: defaults.parsing.mimePartsMax,
  headerBytesMax: defaults.parsing.mimeHeaderBytesMax,
  headerFieldsMax: defaults.parsing.mimeHeaderFieldsMax,
  bodyBytesMax: defaults.parsing.bodyBytesMax,
  bodyJsonBytesMax: defaults.parsing.bodyJsonBytesMax,
}
const bounds = {
  charsMax: defaults.parsing.verificationCharsMax,
  findingsMax: defaults.parsing.verificationFindingsMax,
  contextCharsMax: defaults.parsing.verificationContextCharsMax,
}

const messages = {
  person: mail('The plan for June', SENTENCE.repeat(20), `<p>${SENTENCE.repeat(20)}</p>`),
  shop: mail(
    'Your order 4471902 has been shipped',
    rows(12, (row) => `Article ${row}: 12.90 EUR\nhttps://shop.example/a/${row}?ref=9f0c1ab${row}`),
    table(rows(12, (row) => `<a href="https://shop.example/a/${row}?ref=9f0c1ab${row}">Article ${row}</a> 12.90 EUR`)),
  ),
  code: mail(
    'Your login code',
    'Hello Ann,\n\nYour login code is 482913. It expires in 10 minutes.\n\nIf it was not you, ignore this mail.',
    table(
      `Hello Ann,</td></tr><tr><td>Enter this login code:</td></tr><tr><td><b>482 913</b></td></tr>
       <tr><td>It expires in 10 minutes. If it was not you, ignore this mail.`,
    ),
  ),
  newsletter: mail(
    'The week in numbers',
    SENTENCE.repeat(300),
    table(rows(300, (row) => `<p>${SENTENCE}<a href="https://n.example/c/9f0c${row}ab?u=77">Read more</a></p>`)),
  ),
}

console.log(`median of ${ROUNDS} rounds of ${MEASURE_MS} ms; messages/s`)
console.log('mail        bytes    parse  reading   search   search : parse   search in reading')
for (const [name, raw] of Object.entries(messages)) {
  const { subject, text, html } = parseMessage(raw, parseLimits)
  const rates = { parse: [] as number[], reading: [] as number[], search: [] as number[] }
  for (let round = 0; round <= ROUNDS; round++) {
    const measured = {
      parse: perSecond(() => parseMessage(raw, parseLimits)),
      reading: perSecond(() => parseMail(raw, defaults)),
      search: perSecond(() => extractVerification({ subject, text, html }, bounds)),
    }
    // The first round only warms up the compiler.
    if (round > 0) for (const each of ['parse', 'reading', 'search'] as const) rates[each].push(measured[each])
  }
  const [parse, reading, search] = [median(rates.parse), median(rates.reading), median(rates.search)]
  const columns = [raw.length, parse, reading, search].map((value) => String(Math.round(value)).padStart(8))
  const share = `${Math.round((100 * reading) / search)} %`
  console.log(
    `${name.padEnd(10)}${columns.join(' ')}   ${(parse / search).toFixed(1).padStart(14)}   ${share.padStart(17)}`,
  )
}

function perSecond(run: () => unknown): number {
  const started = performance.now()
  let count = 0
  while (performance.now() - started < MEASURE_MS) {
    run()
    count += 1
  }
  return (count * 1000) / (performance.now() - started)
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!
}

function rows(count: number, row: (number: number) => string): string {
  return Array.from({ length: count }, (_, index) => row(1000 + index)).join('\n')
}

function table(content: string): string {
  const style = 'style="font:16px Arial,sans-serif;color:#333333;padding:0 24px"'
  return `<html><head><style>td{margin:0}</style></head><body><table ${style}><tr><td ${style}>${content}</td></tr></table></body></html>`
}

function mail(subject: string, text: string, html: string): Buffer {
  const part = (type: string, body: string) =>
    `--b\r\nContent-Type: ${type}; charset=utf-8\r\n\r\n${body.replace(/\r?\n/g, '\r\n')}\r\n`
  return Buffer.from(
    [
      ...['Received: from mail.example.com by mx.example.net with ESMTPS; Mon, 01 Jan 2024 10:00:00 +0000'],
      ...['From: Ann <ann@example.com>', 'To: bob@example.net', `Subject: ${subject}`, 'Message-ID: <1@example.com>'],
      ...['Date: Mon, 1 Jan 2024 11:00:00 +0100', 'MIME-Version: 1.0'],
      ...['Content-Type: multipart/alternative; boundary=b', ''],
      `${part('text/plain', text)}${part('text/html', html)}--b--\r\n`,
    ].join('\r\n'),
  )
}
