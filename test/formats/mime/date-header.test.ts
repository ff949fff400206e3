import { expect, test } from 'vitest'
import { parseDateHeader } from '../../../src/formats/mime/date-header.ts'

test.each([
  ['Mon, 1 Jan 2024 10:00:00 +0100', '2024-01-01T09:00:00.000Z'],
  ['Mon, 01 Jan 2024 10:00:00 -0330 (NST)', '2024-01-01T13:30:00.000Z'],
  ['1 Jan 2024 10:00 GMT', '2024-01-01T10:00:00.000Z'],
  ['1 January 2024 10:00:00 EST', '2024-01-01T15:00:00.000Z'],
  ['Fri, 13 Feb 09 23:31:30 UT', '2009-02-13T23:31:30.000Z'],
  ['Fri, 13-Feb-2009 23:31:30 +0000', '2009-02-13T23:31:30.000Z'],
  ['29 Feb 2024 00:00:00 Z', '2024-02-29T00:00:00.000Z'],
  ['31 Dec 2016 23:59:60 +0000', '2017-01-01T00:00:00.000Z'], // leap second
  ['  Tue,\t2 Jan 2024 10:00:00', '2024-01-02T10:00:00.000Z'], // no zone: UTC, in any time zone of the server
])('%s is parsed', (value, expected) => {
  expect(parseDateHeader(value)?.toISOString()).toBe(expected)
})

test.each([
  '',
  'yesterday',
  '2024-01-01',
  '31 Feb 2024 10:00:00 +0000',
  '1 Foo 2024 10:00:00',
  '1 Jan 2024',
  '1 Jan 2024 25:00:00',
  '1 Jan 0000 10:00:00',
  `${' '.repeat(1e6)}1 Jan 2024 10:00`,
])('%j is not a date', (value) => {
  expect(parseDateHeader(value)).toBeUndefined()
})
