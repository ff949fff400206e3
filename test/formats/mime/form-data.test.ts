/** Tests forms with a file, as HTTP libraries write them, and malformed and hostile ones. */
import { expect, test } from 'vitest'
import { type FormData as ParsedForm, parseFormData } from '../../../src/formats/mime/form-data.ts'
import { expectLinear, fill } from '../linear.ts'

const TYPE = 'multipart/form-data; boundary=xYz'

test('a form that fetch writes is read, with its fields and the bytes of its file', async () => {
  const form = new FormData()
  const bytes = Buffer.from([0, 13, 10, 45, 45, 255, 13, 10])
  form.append('key', 'uploads/1')
  form.append('Content-Type', 'application/pdf')
  form.append('file', new Blob([bytes], { type: 'application/pdf' }), 'grüße "1".pdf')
  const request = new Request('http://x.test', { method: 'POST', body: form })
  const body = Buffer.from(await request.arrayBuffer())
  const { fields, file } = parseFormData(body, request.headers.get('content-type')!, 10) as ParsedForm
  expect([...fields]).toEqual([
    ['key', 'uploads/1'],
    ['Content-Type', 'application/pdf'],
  ])
  expect(file).toMatchObject({ name: 'file', contentType: 'application/pdf' })
  expect(file!.filename).toMatch(/^grüße .*1.*\.pdf$/)
  expect(file!.bytes.equals(bytes)).toBe(true)
})

test.each([
  ['preamble', 'junk\r\n--xYz\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--xYz--\r\n', { a: '1' }],
  ['white space after the boundary', '--xYz \r\ncontent-disposition: form-data; name=a\r\n\r\n\r\n--xYz--', { a: '' }],
  [
    'a repeated field: the first counts',
    '--xYz\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--xYz\r\nContent-Disposition: form-data; name="a"\r\n\r\n2\r\n--xYz--',
    { a: '1' },
  ],
  ['no field', '--xYz--\r\n', {}],
])('%s', (_name, body, fields) => {
  expect(Object.fromEntries((parseFormData(Buffer.from(body), TYPE, 10) as ParsedForm).fields)).toEqual(fields)
})

test.each([
  ['no boundary in the body', 'hello', TYPE, /no boundary at its beginning/],
  ['no boundary in the type', '--xYz--', 'multipart/form-data', /no valid boundary/],
  ['a boundary that is too long', '--xYz--', `multipart/form-data; boundary=${'x'.repeat(71)}`, /no valid boundary/],
  ['no end', '--xYz\r\nContent-Disposition: form-data; name="a"\r\n\r\n1', TYPE, /without an end/],
  ['no name', '--xYz\r\nContent-Disposition: form-data\r\n\r\n1\r\n--xYz--', TYPE, /or a name/],
  ['no header', '--xYz\r\n1\r\n--xYz--', TYPE, /or a name/],
  [
    'too many fields',
    '--xYz\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'.repeat(3),
    TYPE,
    /more than 2 fields/,
  ],
])('%s is refused with a sentence', (_name, body, type, sentence) => {
  expect(parseFormData(Buffer.from(body), type, 2)).toMatch(sentence)
})

test.each(['\r\n--xY', '\r\n--xYz\r\n', '--', '\r\n--xYz\r\nContent-Disposition: form-data; name="a"\r\n\r\n1'])(
  '%j, repeated, takes linear time',
  (piece) => {
    expectLinear(
      piece,
      (size) => Buffer.from(`--xYz\r\n${fill(piece, size)}`),
      (body) => parseFormData(body, TYPE, 1e9),
    )
  },
)
