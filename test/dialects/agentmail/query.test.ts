/** Tests query strings: lists in every encoding that AgentMail clients are known to use, times, booleans. */
import { describe, expect, test } from 'vitest'
import { normaliseQuery, readTime } from '../../../src/edges/http/dialects/agentmail/query-parameters.ts'

describe('a list', () => {
  test.each<[string, Record<string, string | string[]>, string[]]>([
    ['JSON, Node', { labels: '["unread","x,y"]' }, ['unread', 'x,y']],
    ['JSON, Python', { labels: '["unread", "x,y"]' }, ['unread', 'x,y']],
    ['JSON, empty', { labels: '[]' }, []],
    ['repeated', { labels: ['unread', 'x,y'] }, ['unread', 'x,y']],
    ['comma-joined, Go CLI', { labels: 'unread,x' }, ['unread', 'x']],
    ['one string', { labels: 'unread' }, ['unread']],
    ['empty', { labels: '' }, []],
    ['brackets', { 'labels[]': ['unread', 'x,y'] }, ['unread', 'x,y']],
    ['indexes', { 'labels[0]': 'unread', 'labels[1]': 'x' }, ['unread', 'x']],
    ['a bracket, but not JSON', { labels: '[ext] hello' }, ['[ext] hello']],
    ['JSON, but not of strings', { labels: '[1]' }, ['[1]']],
  ])('in the form %s is parsed', (_name, raw, expected) => {
    expect(normaliseQuery(raw)).toMatchObject({ labels: expected })
  })

  test('is parsed only for parameters that are lists', () => {
    expect(normaliseQuery({ page_token: '["a"]', q: 'a,b' })).toMatchObject({ page_token: '["a"]', q: 'a,b' })
  })

  test('cannot change a prototype', () => {
    const query = normaliseQuery(JSON.parse('{"__proto__":["x"],"__proto__[0]":"y"}'))
    expect(Object.getPrototypeOf(query)).toBeNull()
  })
})

test('last_key of the oldest clients is the page token, and an empty token is ignored', () => {
  expect(normaliseQuery({ last_key: 'k' })).toMatchObject({ page_token: 'k' })
  expect(normaliseQuery({ last_key: 'k', page_token: 't' })).toMatchObject({ page_token: 't' })
  expect(normaliseQuery({ page_token: '' })).not.toHaveProperty('page_token')
})

test.each([
  ['1970-01-01T00:00:00.000Z', 0],
  ['2026-01-01', Date.UTC(2026, 0, 1)],
  ['2026-01-01T12:00:00.123456+05:00', Date.UTC(2026, 0, 1, 7, 0, 0, 123)],
  ['2026-01-01T12:00:00 05:00', Date.UTC(2026, 0, 1, 7)], // "+" unescaped in a query string
  ['2026-01-01T12:00:00-0530', Date.UTC(2026, 0, 1, 17, 30)],
  ['2026-01-01T12:00', Date.UTC(2026, 0, 1, 12)], // without a zone: UTC, in any time zone of the server
  ['2026-01-01 12:00:00', Date.UTC(2026, 0, 1, 12)],
])('the time %s is parsed', (text, expected) => {
  expect(readTime('after', text)).toBe(expected)
})

test.each(['', 'yesterday', '1767225600', '2026-13-01', '2026-01-01T25:00:00Z', '2026-01-01T00:00:00Zoo', '\u0000'])(
  'the invalid time %j is refused',
  (text) => {
    expect(() => readTime('after', text)).toThrow(/after must be an ISO 8601 time/)
  },
)
