/**
 * Is our parser, which also returns offsets, as fast as mailparser, which most Node mail software uses?
 *
 *   npm run bench -- mime-parse
 *
 * Both parse the same 5 KB message (text and HTML alternatives in quoted-printable, an inline image, a PDF in base64,
 * encoded words) in alternating rounds, so that both see the same machine. Prints messages per second and the ratio.
 */
import { simpleParser } from 'mailparser'
import { parseMessage } from '../src/formats/mime/mime-parse.ts'
import { LIMITS } from '../test/formats/sample-messages.ts'

const MEASURE_MS = 1000
const ROUNDS = 5

const mail = fiveKilobytes()
const candidates = {
  ours: async () => void parseMessage(mail, LIMITS),
  // Without the conversions that our parser does not do: HTML to text, links in text, images into HTML.
  mailparser: async () =>
    void (await simpleParser(mail, {
      skipHtmlToText: true,
      skipTextToHtml: true,
      skipTextLinks: true,
      skipImageLinks: true,
    })),
}

const rates = { ours: [] as number[], mailparser: [] as number[] }
for (let round = 0; round <= ROUNDS; round++) {
  for (const name of ['ours', 'mailparser'] as const) {
    const rate = await perSecond(candidates[name])
    if (round > 0) rates[name].push(rate) // the first round only warms up the compiler
  }
}

const ours = median(rates.ours)
const theirs = median(rates.mailparser)
console.log(`mail of ${mail.length} bytes, median of ${ROUNDS} rounds of ${MEASURE_MS} ms`)
console.log(`ours       ${Math.round(ours)} messages/s`)
console.log(`mailparser ${Math.round(theirs)} messages/s`)
console.log(`ratio      ${(ours / theirs).toFixed(1)}`)

async function perSecond(parse: () => Promise<void>): Promise<number> {
  const started = performance.now()
  let count = 0
  while (performance.now() - started < MEASURE_MS) {
    for (let i = 0; i < 20; i++) await parse()
    count += 20
  }
  return (count * 1000) / (performance.now() - started)
}

function median(values: number[]): number {
  return values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!
}

function fiveKilobytes(): Buffer {
  const base64 = (bytes: number) => Buffer.alloc(bytes, 'Martlet').toString('base64').replace(/.{76}/g, '$&\r\n')
  const paragraph = 'Sch=C3=B6ne Gr=C3=BC=C3=9Fe aus K=C3=B6ln, und bis bald im B=C3=BCro. Siehe =\r\nAnhang.\r\n'
  return Buffer.from(
    [
      ...['Return-Path: <ann@example.com>', 'Received: from mail.example.com (mail.example.com [192.0.2.1])'],
      ...[' by mx.example.net with ESMTPS id 0190 for <bob@example.net>;', ' Mon, 01 Jan 2024 10:00:00 +0000'],
      ...['From: =?utf-8?Q?Ann_M=C3=BCller?= <ann@example.com>', 'To: "Doe, John" <john@example.net>, bob@example.net'],
      ...[
        'Subject: =?utf-8?B?R3LDvMOfZSBhdXMgS8O2bG4=?=',
        'Date: Mon, 1 Jan 2024 11:00:00 +0100',
        'Message-ID: <1@example.com>',
      ],
      ...[
        'References: <a@example.net> <b@example.net>',
        'MIME-Version: 1.0',
        'Content-Type: multipart/mixed; boundary="m"',
        '',
      ],
      ...[
        '--m',
        'Content-Type: multipart/alternative; boundary="a"',
        '',
        '--a',
        'Content-Type: text/plain; charset=utf-8',
      ],
      ...[
        'Content-Transfer-Encoding: quoted-printable',
        '',
        paragraph.repeat(6),
        '--a',
        'Content-Type: text/html; charset=utf-8',
      ],
      ...['Content-Transfer-Encoding: quoted-printable', '', `<p>${paragraph.repeat(10)}</p>`, '--a--', '--m'],
      ...[
        'Content-Type: image/png; name="logo.png"',
        'Content-Transfer-Encoding: base64',
        'Content-ID: <logo@example>',
        '',
      ],
      ...[base64(800), '--m', 'Content-Type: application/pdf', 'Content-Transfer-Encoding: base64'],
      ...["Content-Disposition: attachment; filename*=utf-8''%C3%9Cbersicht.pdf", '', base64(1000), '--m--', ''],
    ].join('\r\n'),
  )
}
