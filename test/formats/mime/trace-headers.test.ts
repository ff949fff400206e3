import { expect, test } from 'vitest'
import { parseMessage } from '../../../src/formats/mime/mime-parse.ts'
import { type TraceInput, traceHeaders } from '../../../src/formats/mime/trace-headers.ts'
import { seededRandom } from '../random.ts'
import { LIMITS } from '../sample-messages.ts'

const input: TraceInput = {
  returnPath: 'ann@example.com',
  from: { helo: 'mail.example.com', ip: '192.0.2.1', reverseName: 'mail.example.com' },
  by: 'mx.example.net',
  with: 'ESMTPS',
  id: '0190',
  for: 'bob@example.net',
  date: new Date('2024-01-01T10:00:00Z'),
  tls: 'TLSv1.3 TLS_AES_256_GCM_SHA384',
}

test('a received message gets its Return-Path and Received fields', () => {
  expect(traceHeaders(input).toString().split('\r\n')).toEqual([
    'Return-Path: <ann@example.com>',
    'Received: from mail.example.com (mail.example.com [192.0.2.1])',
    ' by mx.example.net with ESMTPS id 0190',
    ' (using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384)',
    ' for <bob@example.net>;',
    ' Mon, 01 Jan 2024 10:00:00 +0000',
    '',
  ])
})

test('a bounce, an IPv6 address, and a client without a usable name', () => {
  const { for: _, tls: __, ...rest } = input
  expect(traceHeaders({ ...rest, returnPath: '', from: { helo: ' ()', ip: '2001:db8::1' } }).toString()).toBe(
    'Return-Path: <>\r\nReceived: from unknown ([IPv6:2001:db8::1])\r\n by mx.example.net with ESMTPS id 0190;\r\n Mon, 01 Jan 2024 10:00:00 +0000\r\n',
  )
})

test('a message from our own queue has no client in its Received field', () => {
  const { for: _, tls: __, from: ___, ...rest } = input
  expect(traceHeaders({ ...rest, with: 'local' }).toString()).toBe(
    'Return-Path: <ann@example.com>\r\nReceived: by mx.example.net with local id 0190;\r\n Mon, 01 Jan 2024 10:00:00 +0000\r\n',
  )
})

test('a message from our own queue over LMTP names no client either', () => {
  const { from: _, for: __, tls: ___, ...rest } = input
  expect(traceHeaders({ ...rest, with: 'LMTP' }).toString()).toBe(
    'Return-Path: <ann@example.com>\r\nReceived: by mx.example.net with LMTP id 0190;\r\n Mon, 01 Jan 2024 10:00:00 +0000\r\n',
  )
})

// The bracket was removed, which changed the mailbox.
test('a sender with an angle bracket inside quotes is written unchanged', () => {
  const header = traceHeaders({ ...input, returnPath: '"a>b"@example.com' }).toString()
  expect(header).toMatch(/^Return-Path: <"a>b"@example\.com>\r\n/)
})

test('no value can add a field or end the header', () => {
  const random = seededRandom(6)
  const alphabet = [...'a<>();: \r\n\0\t"\\é[]@', '\r\nBcc: eve@example.org', '\r\n\r\n', 'x'.repeat(500)]
  const text = () => Array.from({ length: random.below(8) }, () => random.pick(alphabet)).join('')
  for (let i = 0; i < 1000; i++) {
    const header = traceHeaders({
      returnPath: text(),
      from: { helo: text(), ip: text(), reverseName: text() },
      by: text(),
      with: text(),
      id: text(),
      for: text(),
      date: input.date,
      tls: text(),
    })
    const { headers, text: body } = parseMessage(Buffer.concat([header, Buffer.from('\r\nbody')]), LIMITS)
    expect({ names: headers.map(([name]) => name), body }).toEqual({ names: ['Return-Path', 'Received'], body: 'body' })
    expect(
      header
        .toString('latin1')
        .split('\r\n')
        .filter((line) => line.length > 998),
    ).toEqual([])
  }
})
