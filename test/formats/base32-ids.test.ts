/** Tests the rendering of UUIDs in 26 characters: reversible, in order, and exactly one form for each. */
import { expect, test } from 'vitest'
import { fromBase32, toBase32 } from '../../src/formats/base32-ids.ts'
import { uuidv7 } from '../../src/formats/ids.ts'
import { seeded } from '../events/feed-world.ts'

test('every UUID is read back from its form, in any case', () => {
  const random = seeded(1)
  const bytes = () => Buffer.from(Array.from({ length: 10 }, () => Math.floor(random() * 256)))
  const uuids = Array.from({ length: 200 }, (_, index) => uuidv7(index * 1_000_003, bytes()))
  uuids.push('00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff')
  for (const uuid of uuids) {
    const text = toBase32(uuid)
    expect(text).toMatch(/^[0-7][0-9A-HJKMNP-TV-Z]{25}$/)
    expect(fromBase32(text)).toBe(uuid)
    expect(fromBase32(text.toLowerCase())).toBe(uuid)
  }
  expect(uuids.toSorted().map(toBase32)).toEqual(uuids.map(toBase32).toSorted())
})

test.each(['', '0', '8'.padEnd(26, '0'), 'I'.padStart(26, '0'), 'U'.padStart(26, '0'), '0'.repeat(27), ' '.repeat(26)])(
  '%j is no form of a UUID',
  (text) => {
    expect(fromBase32(text)).toBeUndefined()
  },
)
