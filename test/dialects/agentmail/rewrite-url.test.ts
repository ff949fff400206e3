/**
 * Tests request lines as Python clients were observed to send them (docs/compatibility/agentmail.md), and those of Node
 * clients.
 */
import { expect, test } from 'vitest'
import { rewriteUrl } from '../../../src/edges/http/server/requests/rewrite-url.ts'
import { expectLinear, fill } from '../../formats/linear.ts'

const messages = '/v0/inboxes/a@b.test/messages'

test.each([
  ['no id', '/v0/inboxes?limit=5', '/v0/inboxes?limit=5'],
  ['Node, all escaped', `${messages}/%3Ca%2Fb%2Bc%40d%3E`, `${messages}/%3Ca%2Fb%2Bc%40d%3E`],
  ['Python, a slash', `${messages}/%3Ca/b+c=@d%3E`, `${messages}/%3Ca%2Fb+c=@d%3E`],
  [
    'a slash, and a path after the id',
    `${messages}/%3Ca/b@d%3E/attachments/1?x=y`,
    `${messages}/%3Ca%2Fb@d%3E/attachments/1?x=y`,
  ],
  ['lower-case escapes', `${messages}/%3ca/b@d%3e/raw`, `${messages}/%3Ca%2Fb@d%3E/raw`],
  ['raw brackets', `${messages}/<a/b@d>/reply`, `${messages}/%3Ca%2Fb@d%3E/reply`],
  ['a question mark inside', `${messages}/%3Ca?b@d%3E?x=1`, `${messages}/%3Ca%3Fb@d%3E?x=1`],
  ['a hash inside', `${messages}/<a#b@d>`, `${messages}/%3Ca%23b@d%3E`],
  ['a closing bracket inside', `${messages}/%3Ca%3Eb/c@d%3E`, `${messages}/%3Ca%3Eb%2Fc@d%3E`],
  ['brackets in a filter', `${messages}?from=/%3Ca/b@d%3E`, `${messages}?from=/%3Ca/b@d%3E`],
  ['never closed', `${messages}/%3Ca/b@d`, `${messages}/%3Ca/b@d`],
])('a Message-ID in a path becomes one path segment: %s', (_name, url, expected) => {
  expect(rewriteUrl(url)).toBe(expected)
})

test('a request line full of brackets is rewritten in linear time', () => {
  expectLinear('opening brackets', (size) => fill('/%3C', size), rewriteUrl)
  expectLinear('closing brackets', (size) => `/%3C${fill('%3Ex', size)}`, rewriteUrl)
})
