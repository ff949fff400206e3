import { createHash } from 'node:crypto'
import { expect, test } from 'vitest'
import { readHeaderOnly } from '../../../src/formats/mime/header-only.ts'
import { mailShapes } from '../../hostile/hostile-messages.ts'

const read = (text: string, ownBytes = 0) => readHeaderOnly(Buffer.from(text), ownBytes)
const NO_BODY = createHash('sha256').digest()

test('fields are read as they are written, on one line', () => {
  const header = read(
    [
      'From: "Ann, Example" <ann@example.test>',
      'To: bob@example.test,\r\n Cleo <cleo@example.test>, not an address',
      'Sender: <dan@example.test>',
      'Subject: =?utf-8?q?caf=C3=A9?=\r\n\tand a\0 NUL',
      'Message-ID: <1@example.test>',
      'In-Reply-To: <a b@example.test> (comment) <2@example.test>',
      'Date: Sat, 21 Nov 2026 10:00:00 +0100',
      '',
      'From: a line of the body',
    ].join('\r\n'),
  )
  expect(header).toMatchObject({
    ...{ from: [{ address: 'ann@example.test' }], sender: { address: 'dan@example.test' } },
    to: [{ address: 'bob@example.test' }, { address: 'cleo@example.test' }],
    ...{ subject: '=?utf-8?q?caf=C3=A9?=\tand a NUL', date: new Date('2026-11-21T09:00:00Z') },
    ...{ messageId: '<1@example.test>', inReplyTo: ['<2@example.test>'], references: [] },
  })
  expect(header.headers).toHaveLength(7)
})

test('a message without readable fields has none', () => {
  expect(read('')).toMatchObject({ headers: [], from: [], to: [], inReplyTo: [], bodyOffset: 0 })
  expect(read('no field\r\nDate: x\r\n')).not.toHaveProperty('date')
  expect(read('Date: soon\r\nMessage-ID: none\r\n\r\n')).not.toHaveProperty('messageId')
})

test('trace fields and the fields of this server make no difference to the fingerprint, what a person sees does', () => {
  const own = 'Received: by us\r\n'
  const mail = 'Received: by a relay\r\nSubject: one\r\nFrom: ann@example.test\r\n\r\n'
  const fingerprint = read(`${own}${mail}`, own.length).fingerprint(NO_BODY)
  expect(read('Subject: one\r\nFrom: ann@example.test\r\n\r\n').fingerprint(NO_BODY)).toBe(fingerprint)
  expect(read('Subject: two\r\nFrom: ann@example.test\r\n\r\n').fingerprint(NO_BODY)).not.toBe(fingerprint)
  const other = createHash('sha256').update('body').digest()
  expect(read(mail).fingerprint(other)).not.toBe(fingerprint)
})

test('what is returned of a hostile message is limited', () => {
  for (const [shape, make] of Object.entries(mailShapes)) {
    const { fingerprint, ...fields } = readHeaderOnly(Buffer.from(make(1_000_000) as string), 0)
    expect(JSON.stringify(fields).length, shape).toBeLessThan(200_000)
    expect(fields.bodyOffset, shape).toBeLessThanOrEqual(64 * 1024)
    expect(fingerprint(NO_BODY)).toHaveLength(64)
  }
})
