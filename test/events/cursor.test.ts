import { expect, test } from 'vitest'
import { formatCursor, parseCursor } from '../../src/mail/events/cursor.ts'

const log = { epoch: 'epoch', floorSeq: 10, lastSeq: 20 }

test.each([10, 15, 20])('a cursor at %i leads back to its number', (seq) => {
  expect(parseCursor(formatCursor('epoch', seq), log)).toBe(seq)
})

test.each([
  ['of another log', formatCursor('another', 15)],
  ['before what is kept', formatCursor('epoch', 9)],
  ['beyond the end: the database was set back', formatCursor('epoch', 21)],
  ['of a later version', encode('2.epoch.15')],
])('one %s has expired', (_name, cursor) => {
  expect(() => parseCursor(cursor, log)).toThrow(expect.objectContaining({ code: 'cursor_expired' }))
})

test.each([
  ['empty', ''],
  ['plain text', '1.epoch.15'],
  ['without epoch', encode('1..15')],
  ['without number', encode('1.epoch.')],
  ['negative', encode('1.epoch.-1')],
  ['a fraction', encode('1.epoch.1.5')],
  ['a number too long', encode('1.epoch.99999999999999999')],
  ['not a safe number', encode('1.epoch.9999999999999999')],
  ['followed by a line', encode('1.epoch.15\n')],
  ['padded', `${encode('1.epoch.15')}=`],
  ['with foreign characters inside', encode('1.epoch.15').replace(/^(..)/, '$1 ')],
  ['very long', encode(`1.epoch.15${'0'.repeat(100_000)}`)],
])('one that is damaged (%s) is not ours', (_name, cursor) => {
  expect(() => parseCursor(cursor, log)).toThrow(expect.objectContaining({ code: 'validation_error' }))
})

function encode(text: string): string {
  return Buffer.from(text).toString('base64url')
}
