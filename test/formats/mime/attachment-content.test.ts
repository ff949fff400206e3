/** Tests the content of attachments in requests: base64 in its variants, and data: URLs. */
import { expect, test } from 'vitest'
import { parseBase64, parseDataUrl } from '../../../src/formats/mime/attachment-content.ts'

test.each([
  ['aGVsbG8=', 'hello'],
  ['aGVsbG8', 'hello'],
  ['aGVs\r\nbG8=', 'hello'],
  ['aGVs\nbG8=\n', 'hello'],
  ['\na\nG\r\nV\ns\r\n\r\nbG8', 'hello'],
  ['aGVs\nbG8\u013d', undefined], // its last eight bits are those of "="
  ['aGVs\nbG\u0138', undefined],
  ['', ''],
  ['_-8=', '\u00ff\u00ef'],
  ['_-8', '\u00ff\u00ef'],
  ['/+8', '\u00ff\u00ef'],
  ['aGVsbG8==', undefined],
  ['aGVsb', undefined],
  ['aGVs bG8=', undefined],
  ['aGVsbG8@', undefined],
  ['aG=sbG8=', undefined],
  ['====', undefined],
  ['data:;base64,aGVsbG8=', undefined],
])('base64 %j is %j', (text, expected) => {
  expect(parseBase64(text)?.toString('latin1')).toBe(expected)
})

test.each([
  ['data:text/plain;base64,aGVsbG8=', 'text/plain', 'hello'],
  ['DATA:image/PNG;name=x;BASE64,aGVsbG8', 'image/png', 'hello'],
  ['data:;base64,aGVs%62G8%3D', undefined, 'hello'],
  ['data:,a%20b%2', undefined, 'a b%2'],
  ['data:text/csv;charset=utf-8,ü,%C3%BC', 'text/csv', 'ü,ü'],
  ['data:text/plain;base64,hello world', undefined, undefined],
  ['data:text/plain;base64', undefined, undefined],
  [`data:${'x'.repeat(2_000)},a`, undefined, undefined],
  ['hello', undefined, undefined],
])('the URL %j is %j with %j', (text, contentType, expected) => {
  const data = parseDataUrl(text)
  expect([data?.contentType, data?.bytes.toString()]).toEqual([contentType, expected])
})
