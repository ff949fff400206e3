import { expect, test } from 'vitest'
import { contentFingerprint } from '../../../src/formats/mime/content-fingerprint.ts'
import { parseMessage } from '../../../src/formats/mime/mime-parse.ts'
import { LIMITS, nested } from '../sample-messages.ts'

function fingerprint(raw: Buffer): string {
  const parsed = parseMessage(raw, LIMITS)
  return contentFingerprint(parsed, raw.subarray(parsed.bodyOffset))
}

const changed = (from: string | RegExp, to: string) =>
  Buffer.from(nested.toString('latin1').replace(from, to), 'latin1')
const original = fingerprint(nested)

test.each([
  [
    'trace fields',
    changed('Return-Path: <ann@example.com>', 'Received: from elsewhere\r\nDelivered-To: x@example.net'),
  ],
  ['folding', changed('References: <-2@example.net>', 'References:\r\n <-2@example.net>')],
  ['encoding of a name in the header', changed('=?utf-8?Q?Ann_M=C3=BCller?=', '=?utf-8?B?QW5uIE3DvGxsZXI=?=')],
  ['line endings in the body', Buffer.from(nested.toString('latin1').replaceAll('\r', ''), 'latin1')],
  ['empty lines at the end', Buffer.concat([nested, Buffer.from('\r\n\r\n')])],
])('the same message with changed %s has the same fingerprint', (_, raw) => {
  expect(raw.equals(nested)).toBe(false)
  expect(fingerprint(raw)).toBe(original)
})

test.each([
  ['From', changed('From: =?utf-8?Q?Ann_M=C3=BCller?=', 'From: Eve')],
  ['To', changed('john@example.net', 'jane@example.net')],
  ['Cc', changed('Cc: carol@', 'Cc: dave@')],
  ['Reply-To', changed('Subject: ', 'Reply-To: eve@example.com\r\nSubject: ')],
  ['Sender', changed('Subject: ', 'Sender: eve@example.com\r\nSubject: ')],
  ['encoding', changed('Subject: ', 'Content-Transfer-Encoding: 8bit\r\nSubject: ')],
  ['disposition', changed('Subject: ', 'Content-Disposition: attachment\r\nSubject: ')],
  ['Subject', changed('Subject: ', 'Subject: Re: ')],
  ['Date', changed('11:00:00', '11:00:01')],
  ['body', changed('Anhang', 'Abhang')],
  ['attachment', changed('JVBERi0xLjQK', 'JVBERi0xLjUK')],
])('a message with another %s has another fingerprint', (_, raw) => {
  expect(fingerprint(raw)).not.toBe(original)
})
