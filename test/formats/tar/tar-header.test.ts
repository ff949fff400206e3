import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { readTarHeader, TAR_END, tarHeader, tarPaddingBytes } from '../../../src/formats/tar/tar-header.ts'

const AT = Date.parse('2026-11-29T10:00:00Z')

test.each([0, 1, 511, 512, 8 ** 11 - 1, 8 ** 11, 2 ** 45])(
  'a header of a file of %i bytes is read again',
  (sizeBytes) => {
    const entry = { path: `blobs/ab/${'ab'.repeat(16)}`, sizeBytes }
    expect(readTarHeader(tarHeader(entry, AT))).toEqual(entry)
    expect((sizeBytes + tarPaddingBytes(sizeBytes)) % 512).toBe(0)
  },
)

test('tar lists it', () => {
  const archive = Buffer.concat([
    tarHeader({ path: 'a.txt', sizeBytes: 3 }, AT),
    Buffer.from('abc'),
    Buffer.alloc(509),
    TAR_END,
  ])
  const listed = execFileSync('tar', ['tvf', '-'], {
    input: archive,
    encoding: 'utf8',
    env: { ...process.env, TZ: 'UTC' },
  })
  expect(listed).toMatch(/^-rw------- \S+ +3 2026-11-29 10:00 a\.txt$/m)
})

test('the end of the archive is recognised, and damaged headers and links are refused', () => {
  expect(readTarHeader(TAR_END.subarray(0, 512))).toBeUndefined()
  const header = tarHeader({ path: 'a', sizeBytes: 1 }, AT)
  for (const offset of [0, 130, 156, 300]) {
    const damaged = Buffer.from(header)
    damaged[offset]! ^= 1
    expect(() => readTarHeader(damaged)).toThrow('a tar header is damaged')
  }
  const link = Buffer.from(header)
  link.write('2', 156)
  link.write((Number.parseInt(header.toString('latin1', 148, 154), 8) + 2).toString(8).padStart(6, '0'), 148)
  expect(() => readTarHeader(link)).toThrow('something other than files')
  for (const path of ['', 'a b', 'ä', 'x'.repeat(101)]) expect(() => tarHeader({ path, sizeBytes: 1 }, AT)).toThrow()
})
