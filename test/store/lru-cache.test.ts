/** Tests the cache of prepared statements. */
import { expect, test } from 'vitest'
import { LruCache } from '../../src/store/lru-cache.ts'

test('a full cache removes the entry that was not used for the longest time', () => {
  const removed: string[] = []
  const made: string[] = []
  const cache = new LruCache<string>(2, (value) => removed.push(value))
  const use = (key: string) => cache.getOrAdd(key, () => made[made.push(key.toUpperCase()) - 1]!)
  expect(['a', 'b', 'a', 'c', 'a', 'b'].map(use)).toEqual(['A', 'B', 'A', 'C', 'A', 'B'])
  expect(made).toEqual(['A', 'B', 'C', 'B'])
  expect(removed).toEqual(['B', 'C'])

  const failing = () => cache.getOrAdd('d', () => JSON.parse('{'))
  expect(failing).toThrow(SyntaxError)
  expect(removed).toEqual(['B', 'C'])
  cache.clear()
  expect(removed).toEqual(['B', 'C', 'A', 'B'])
})
