/** Tests that the log never contains a secret from a URL, whatever else is wrong with the request. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { maskedPath } from '../../../src/edges/http/server/requests/request-log.ts'
import { KEY, startEdge } from './edge.ts'

/** As mail/messages/content/downloads.ts makes them. */
const TOKEN = `${Buffer.from('01a1fdba-27ed-714a-87b4-5ac5b9528684  1767225600000').toString('base64url')}.${'Ab9_-'.repeat(8)}xyz`
const MADE_KEY = `am_us_${'0123456789abcdef'.repeat(4)}`
const link = `/v0/downloads/${TOKEN}`

const upgrade = 'Connection: Upgrade\r\nUpgrade: websocket\r\n'

const requests: readonly [what: string, method: string, path: string, headers?: string][] = [
  ['a link', 'GET', link],
  ['its head', 'HEAD', link],
  ['another method', 'POST', link],
  ['a method without routes', 'OPTIONS', link],
  ['a slash behind it', 'GET', `${link}/`],
  ['a slash behind it, and another method', 'DELETE', `${link}/`],
  ['a path below it', 'GET', `${link}/message.eml`],
  ['slashes before it', 'GET', `//${link}`],
  ['a prefix twice', 'GET', `/v0${link}`],
  ['other letters', 'GET', `/V0/Downloads/${TOKEN}`],
  ['escaped letters', 'GET', `/v0/%64ownloads/${TOKEN}`],
  ['an escaped slash', 'GET', `/v0/downloads%2F${TOKEN}`],
  ['an escape that is none', 'GET', `${link}%zz`],
  ['a query', 'GET', `${link}?again=${TOKEN}`],
  ['a token that is too long', 'GET', `${link}${TOKEN.repeat(20)}`],
  ['a whole URL', 'GET', `http://h${link}`],
  ['an upgrade', 'GET', link, upgrade],
  ['an upgrade to another protocol', 'GET', `${link}/`, 'Connection: Upgrade\r\nUpgrade: h2c\r\n'],
  ['a key in a query', 'GET', `/v0/inboxes?api_key=${MADE_KEY}&token=${TOKEN}`],
  ['a key for an id', 'DELETE', `/v0/api-keys/${MADE_KEY}`],
  ['a key in a query that is escaped', 'GET', `/v0/inboxes/a@b.test%3Fapi_key=${TOKEN}`],
  ['a key in a query inside of brackets', 'GET', `/v0/inboxes/%3Ca?api_key=${TOKEN}%3E`],
  ['a key in a socket', 'GET', `/v0?api_key=${MADE_KEY}`, upgrade],
  ['a key in a path of nothing', 'GET', `/api_key=${MADE_KEY}`],
]

test('no link and no key gets into the log, wherever it is in the URL', async () => {
  await using edge = await startEdge()
  for (const [what, method, path, headers = 'Connection: close\r\n'] of requests) {
    edge.log.length = 0
    const socket = connect(Number(new URL(edge.url).port), '127.0.0.1')
    socket.on('error', () => undefined).resume()
    // The key of an upgrade is the one in its query.
    const key = headers === upgrade ? '' : `Authorization: Bearer ${KEY}\r\n`
    socket.write(`${method} ${path} HTTP/1.1\r\nHost: h\r\n${key}${headers}\r\n`)
    await once(socket, 'close')
    await expect.poll(() => edge.log.filter((line) => line.msg === 'request').length, { message: what }).toBe(1)
    const log = JSON.stringify(edge.log)
    for (const secret of [...TOKEN.split('.'), MADE_KEY]) expect(log, what).not.toContain(secret)
    expect(log, what).toContain(`"method":"${method}"`)
  }
})

test.each([
  ['/v0/domains', '/v0/domains'],
  ['/v0/inboxes/a@b.test/drafts?x=y', '/v0/inboxes/*/drafts'],
  ['/v0/downloads/secret.token/', '/v0/downloads/*/'],
  ['/', '/'],
  ['/all-lower-case-root-key', '/*'],
  ['/a/b/c/d/e/f/g/h/i/j/k', '/a/b/c/d/e/f/g/h/i'],
  [undefined, ''],
])('%s without a route is logged with its secrets masked', (url, masked) => {
  expect(maskedPath(url)).toBe(masked)
})
