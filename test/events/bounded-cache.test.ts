import { expect, test } from 'vitest'
import { BoundedCache } from '../../src/mail/events/feed/bounded-cache.ts'

function cacheOf(limits: { countMax?: number; bytesMax?: number }, sizes: Record<string, number> = {}) {
  const cache = new BoundedCache<string, string>({ countMax: 10, bytesMax: 100, ...limits })
  for (const [key, bytes] of Object.entries(sizes)) cache.set(key, key, bytes)
  return cache
}

test('the oldest entries are removed when there are too many', () => {
  const cache = cacheOf({ countMax: 2 }, { a: 1, b: 1, c: 1 })
  expect(['a', 'b', 'c'].map((key) => cache.get(key))).toEqual([undefined, 'b', 'c'])
})

test('the oldest entries are removed when all are too large together, and an entry that is too large alone at once', () => {
  const cache = cacheOf({}, { a: 40, b: 40, c: 40 })
  expect(['a', 'b', 'c'].map((key) => cache.get(key))).toEqual([undefined, 'b', 'c'])
  cache.set('d', 'd', 101)
  expect(['b', 'c', 'd'].map((key) => cache.get(key))).toEqual([undefined, undefined, undefined])
  cache.set('e', 'e', 100)
  expect(cache.get('e')).toBe('e')
})

test('an entry replaces an older one with the same key, whose size no longer counts', () => {
  const cache = cacheOf({}, { a: 60 })
  cache.set('b', 'b', 30)
  cache.set('a', 'new', 70)
  expect(['a', 'b'].map((key) => cache.get(key))).toEqual(['new', 'b'])
})

test('a size that is set later counts from then on, if the entry is still the same', () => {
  const cache = cacheOf({}, { a: 0, b: 60 })
  cache.resize('a', 'an older one', 90)
  expect(cache.get('a')).toBe('a')
  cache.resize('a', 'a', 41)
  expect(['a', 'b'].map((key) => cache.get(key))).toEqual([undefined, 'b'])
  cache.drop('b')
  cache.set('c', 'c', 100)
  expect(cache.get('c')).toBe('c')
})
