/** Compares the relaxed body of chunks with that of the whole body: random text of few characters, split anywhere. */
import { expect, test } from 'vitest'
import { createRelaxedBodyStream, relaxedBody } from '../../src/formats/dkim/dkim-canonical.ts'
import { seededRandom } from '../support/seeded-random.ts'

function streamed(body: Buffer, sizes: () => number): Buffer {
  const stream = createRelaxedBodyStream()
  const out: Buffer[] = []
  for (let start = 0; start < body.length; ) {
    const end = start + sizes()
    out.push(Buffer.from(stream.write(body.subarray(start, end))))
    start = end
  }
  return Buffer.concat([...out, stream.end()])
}

test('chunks have the same canonical form as the whole body', () => {
  const next = seededRandom(7)
  const random = (max: number) => Math.floor(next() * max)
  for (let round = 0; round < 2_000; round++) {
    const letters = ['a', ' ', '\t', '\r\n', '\r\n', '\r', '\n', 'bc']
    const text = Array.from({ length: random(30) }, () => letters[random(letters.length)]).join('')
    const body = Buffer.from(text)
    expect(streamed(body, () => 1 + random(4)).toString(), JSON.stringify(text)).toBe(relaxedBody(body).toString())
  }
})
