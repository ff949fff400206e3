import { expect, test } from 'vitest'
import { Recent } from '../../src/mail/events/feed/recent.ts'

function recentOf(limits: { countMax?: number; bytesMax?: number }, sizes: Record<string, number> = {}) {
  const recent = new Recent<string, string>({ countMax: 10, bytesMax: 100, ...limits })
  for (const [key, bytes] of Object.entries(sizes)) recent.set(key, key, bytes)
  return recent
}

test('the oldest entries are removed when there are too many', () => {
  const recent = recentOf({ countMax: 2 }, { a: 1, b: 1, c: 1 })
  expect(['a', 'b', 'c'].map((key) => recent.get(key))).toEqual([undefined, 'b', 'c'])
})

test('the oldest entries are removed when all are too large together, and an entry that is too large alone at once', () => {
  const recent = recentOf({}, { a: 40, b: 40, c: 40 })
  expect(['a', 'b', 'c'].map((key) => recent.get(key))).toEqual([undefined, 'b', 'c'])
  recent.set('d', 'd', 101)
  expect(['b', 'c', 'd'].map((key) => recent.get(key))).toEqual([undefined, undefined, undefined])
  recent.set('e', 'e', 100)
  expect(recent.get('e')).toBe('e')
})

test('an entry replaces an older one with the same key, whose size no longer counts', () => {
  const recent = recentOf({}, { a: 60 })
  recent.set('b', 'b', 30)
  recent.set('a', 'new', 70)
  expect(['a', 'b'].map((key) => recent.get(key))).toEqual(['new', 'b'])
})

test('a size that is set later counts from then on, if the entry is still the same', () => {
  const recent = recentOf({}, { a: 0, b: 60 })
  recent.resize('a', 'an older one', 90)
  expect(recent.get('a')).toBe('a')
  recent.resize('a', 'a', 41)
  expect(['a', 'b'].map((key) => recent.get(key))).toEqual([undefined, 'b'])
  recent.drop('b')
  recent.set('c', 'c', 100)
  expect(recent.get('c')).toBe('c')
})
