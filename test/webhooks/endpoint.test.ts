/** Tests URLs and custom header fields: what is accepted, and what would be dangerous. */
import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { applyHeaders, parseWebhookUrl } from '../../src/mail/webhooks/config/endpoint.ts'

const limits = withLimits({ webhooks: { urlCharsMax: 60, headersMax: 3, headerCharsMax: 40 } })
const strict = { allowPrivateNetworks: false, limits }

test.each([
  'https://example.com/hook',
  'http://example.com:8080/?a=b',
  'https://8.8.8.8/',
  'http://[2606:4700::1111]/',
])('the URL %s is accepted and stored as written', (url) => {
  expect(parseWebhookUrl(url, strict)).toBe(url)
})

test.each([
  '',
  'example.com/hook',
  'ftp://example.com/',
  'javascript:alert(1)',
  'https://user:secret@example.com/',
  'https://user@example.com/',
  `https://example.com/${'x'.repeat(60)}`,
])('the URL %s is always refused', (url) => {
  expect(() => parseWebhookUrl(url, { ...strict, allowPrivateNetworks: true })).toThrow(
    expect.objectContaining({ code: 'validation_error', params: expect.objectContaining({ path: ['url'] }) }),
  )
})

test.each([
  'http://127.0.0.1/',
  'http://127.1/',
  'http://2130706433/',
  'http://0/',
  'https://10.0.0.1/',
  'http://169.254.169.254/latest/meta-data/',
  'http://[::1]/',
  'http://[::ffff:127.0.0.1]/',
  'http://localhost/',
  'http://LOCALHOST./',
  'http://a.b.localhost/',
])('the URL %s is refused unless private networks are allowed', (url) => {
  expect(() => parseWebhookUrl(url, strict)).toThrow(/private network/)
  expect(parseWebhookUrl(url, { ...strict, allowPrivateNetworks: true })).toBe(url)
})

test.each(['notlocalhost', 'localhost.example.com'])('the host %s is not taken for localhost', (host) => {
  expect(parseWebhookUrl(`http://${host}/`, strict)).toBe(`http://${host}/`)
})

test('header fields are set, replaced and removed case-insensitively', () => {
  const first = applyHeaders({}, { set: { Authorization: 'Bearer x', 'X-A': '1' } }, limits)
  expect(first).toEqual({ Authorization: 'Bearer x', 'X-A': '1' })
  expect(applyHeaders(first, { set: { 'x-a': '2' } }, limits)).toEqual({ Authorization: 'Bearer x', 'x-a': '2' })
  expect(applyHeaders(first, { remove: ['AUTHORIZATION', 'unknown'] }, limits)).toEqual({ 'X-A': '1' })
})

test.each([
  ['svix-id', 'x'],
  ['Svix-Anything', 'x'],
  ['webhook-signature', 'x'],
  ['Content-Type', 'x'],
  ['content-length', '0'],
  ['Host', 'inside'],
  ['User-Agent', 'x'],
  ['Connection', 'close'],
  ['Transfer-Encoding', 'chunked'],
  ['keep-alive', 'x'],
  ['TE', 'x'],
  ['Trailer', 'x'],
  ['Upgrade', 'h2c'],
  ['Proxy-Authorization', 'x'],
  ['Expect', '100-continue'],
  ['a b', 'x'],
  ['a:b', 'x'],
  ['', 'x'],
  ['ä', 'x'],
  ['a\r\nb', 'x'],
  ['x-a', 'two\r\nlines'],
  ['x-a', 'nul\0'],
  ['x-a', ''],
  ['x-a', ' padded'],
  ['x-a', 'padded '],
  ['x-a', 'ü'],
])('the field %j with %j is refused', (name, value) => {
  const set = () => applyHeaders({}, { set: { [name]: value } }, limits)
  expect(set).toThrow(expect.objectContaining({ code: 'validation_error' }))
  // The value of a field is a secret, so no error may contain it.
  if (value.length > 2) expect(set).toThrow(expect.objectContaining({ message: expect.not.stringContaining(value) }))
})

test.each([
  [{ set: { 'X-A': '1', 'x-a': '2' } }],
  [{ set: { 'X-A': '1' }, remove: ['x-a'] }],
  [{ set: { a: '1', b: '2', c: '3', d: '4' } }],
  [{ set: { a: 'x'.repeat(40) } }],
])('the change %j is refused as a whole', (change) => {
  expect(() => applyHeaders({}, change, limits)).toThrow(expect.objectContaining({ code: 'validation_error' }))
})

test('a field may have the name of a property that every object has', () => {
  expect(Object.entries(applyHeaders({}, { set: JSON.parse('{"__proto__x":"1","constructor":"2"}') }, limits))).toEqual(
    [
      ['__proto__x', '1'],
      ['constructor', '2'],
    ],
  )
})
