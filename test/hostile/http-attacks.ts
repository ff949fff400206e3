/** HTTP requests that are malformed, too large, too slow or never end: bodies, framing, headers and query strings. */
import { gzipSync } from 'node:zlib'
import { type Random, seededRandom } from '../formats/random.ts'
import { type Attack, fill, KIB, scale, type Target } from './attack.ts'
import { exchange, type Piece, request } from './http-peer.ts'
import { jsonShapes, randomBody } from './json-bodies.ts'

export function httpAttacks(random: Random): Attack[] {
  return [...httpDatabaseAttacks(random), ...framingAttacks(), ...headerAttacks()]
}

/** Those whose requests reach the database. */
export function httpDatabaseAttacks(random: Random): Attack[] {
  return [...bodyAttacks(random), ...fuzzedBodies(random), ...queries(random)]
}

/** Routes that accept a body; the first accepts large ones. `:inbox` and `:message` are those of the target. */
const ROUTES: readonly (readonly [method: string, path: string])[] = [
  ['POST', ':inbox/messages/send'],
  ['POST', ':message/reply'],
  ['POST', ':message/reply-all'],
  ['POST', ':message/forward'],
  ['PATCH', ':message'],
  ['PATCH', ':inbox'],
  ['POST', '/v0/inboxes'],
  ['POST', '/v0/pods'],
  ['POST', '/v0/api-keys'],
  ['POST', '/v0/webhooks'],
]

function pathOf(template: string, { victim, messageId }: Target): string {
  const inbox = `/v0/inboxes/${encodeURIComponent(victim)}`
  return template.replace(':inbox', inbox).replace(':message', `${inbox}/messages/${encodeURIComponent(messageId)}`)
}

type KeyName = 'rootKey' | 'inboxKey' | 'powerlessKey'
const KEYS: readonly (KeyName | undefined)[] = ['rootKey', 'inboxKey', 'powerlessKey', undefined]

function bodyAttacks(random: Random): Attack[] {
  return Object.entries(jsonShapes).flatMap(([name, shape]) => {
    const large = random.below(4) === 0 ? [{ sizeBytes: scale.largeBytes, route: ROUTES[0]! }] : []
    const sizes = [
      { sizeBytes: scale.sizeBytes, route: ROUTES[0]! },
      { sizeBytes: scale.sizeBytes, route: random.pick(ROUTES) },
    ]
    return [...sizes, ...large].map(({ sizeBytes, route: [method, path] }) => {
      const keyName = random.pick(KEYS)
      return {
        name: `${method} ${path}, body of ${name}, ${sizeBytes} bytes, with ${keyName ?? 'no key'}`,
        run: (target: Target) =>
          exchange(target, [
            request(method, pathOf(path, target), { ...(keyName && { key: target[keyName] }), body: shape(sizeBytes) }),
          ]),
      }
    })
  })
}

function fuzzedBodies(random: Random): Attack[] {
  return Array.from({ length: scale.fuzzed }, (_, index) => {
    const [method, path] = random.pick(ROUTES)
    const body = randomBody(random)
    return {
      name: `${method} ${path}, random body ${index}: ${body.slice(0, 300)}`,
      run: (target: Target) => exchange(target, [request(method, pathOf(path, target), { key: target.rootKey, body })]),
    }
  })
}

/** Bodies with a wrong length, compressed ones, and those that arrive very slowly or never end. */
function framingAttacks(): Attack[] {
  const head = (target: Target, ...fields: string[]) =>
    request('POST', pathOf(':inbox/messages/send', target), {
      key: target.rootKey,
      headers: ['Content-Type: application/json', ...fields],
    })
  const bodies: Record<
    string,
    { pieces: (target: Target) => Iterable<Piece>; answers?: number; silentMs?: number; bare?: number }
  > = {
    'chunks without an end': {
      answers: 0,
      pieces: (target) => [head(target, 'Transfer-Encoding: chunked'), fill('1\r\n[\r\n', scale.sizeBytes), 300],
    },
    'chunks of one byte': {
      pieces: (target) => [
        head(target, 'Transfer-Encoding: chunked'),
        fill('1\r\n \r\n', scale.sizeBytes),
        '0\r\n\r\n',
      ],
    },
    'a chunk of 2^64 bytes': {
      silentMs: 500,
      pieces: (target) => [head(target, 'Transfer-Encoding: chunked'), 'ffffffffffffffff\r\nx'],
    },
    'a chunk with a size that is no number': {
      pieces: (target) => [head(target, 'Transfer-Encoding: chunked'), '-1\r\nx\r\n0\r\n\r\n'],
    },
    'a chunk with a long extension': {
      pieces: (target) => [
        head(target, 'Transfer-Encoding: chunked'),
        `1;${fill('x', scale.sizeBytes)}\r\n1\r\n0\r\n\r\n`,
      ],
    },
    'many trailers': {
      pieces: (target) => [head(target, 'Transfer-Encoding: chunked'), `0\r\n${fill('X: y\r\n', scale.sizeBytes)}\r\n`],
    },
    'a body that is shorter than its length': {
      answers: 0,
      pieces: (target) => [head(target, `Content-Length: ${64 * KIB}`), '{}', 300],
    },
    'a body that dribbles': {
      answers: 0,
      pieces: (target) => [head(target, 'Content-Length: 1000000'), ...Array(60).fill(['{', 5]).flat()],
    },
    'a body that is longer than its length': {
      pieces: (target) => [head(target, 'Content-Length: 2'), `{}${fill('{"to":1}', 10_000)}`],
    },
    'a length of 2^64': { pieces: (target) => [head(target, 'Content-Length: 18446744073709551616'), '{}'] },
    'a length of 1 GB': { pieces: (target) => [head(target, 'Content-Length: 1000000000'), '{}'] },
    'a negative length': { pieces: (target) => [head(target, 'Content-Length: -1'), '{}'] },
    'two lengths': { pieces: (target) => [head(target, 'Content-Length: 2', 'Content-Length: 3'), '{}}'] },
    'length and chunks': {
      pieces: (target) => [head(target, 'Content-Length: 2', 'Transfer-Encoding: chunked'), '{}'],
    },
    'an unknown transfer encoding': {
      pieces: (target) => [head(target, 'Transfer-Encoding: gzip, chunked'), '0\r\n\r\n'],
    },
    'a packed body': {
      pieces(target) {
        const body = gzipSync(Buffer.alloc(scale.largeBytes))
        return [head(target, 'Content-Encoding: gzip', `Content-Length: ${body.length}`), body]
      },
    },
    'an expectation without a body': {
      answers: 0,
      pieces: (target) => [head(target, 'Expect: 100-continue', 'Content-Length: 1000'), 300],
    },
    'an expectation that is unknown': {
      bare: 417, // RFC 9110 §10.1.1
      pieces: (target) => [head(target, 'Expect: the unexpected', 'Content-Length: 2'), '{}'],
    },
    'another type of body': {
      pieces: (target) => [
        request('POST', '/v0/inboxes', { key: target.rootKey, headers: [`Content-Type: ${fill('a/b;', 8_000)}`] }),
      ],
    },
  }
  return Object.entries(bodies).map(([name, { pieces, ...waits }]) => ({
    name,
    run: (target) => exchange(target, pieces(target), waits),
  }))
}

function headerAttacks(): Attack[] {
  const lines = (count: number, field: string) => Array.from({ length: count }, (_, i) => field.replace('%', `${i}`))
  const floods: Record<string, (target: Target) => Iterable<Piece>> = {
    '100 headers': ({ rootKey: key }) => [request('GET', '/v0/pods', { key, headers: lines(100, 'X-%: y') })],
    '5,000 headers': ({ rootKey: key }) => [request('GET', '/v0/pods', { key, headers: lines(5_000, 'X-%: y') })],
    '1,900 headers of few bytes': () => [request('GET', '/v0/pods', { headers: lines(1_900, 'a: b') })],
    'a header of a megabyte': () => [request('GET', '/v0/pods', { headers: [`X: ${fill('x', 1_000_000)}`] })],
    'a long name of a header': () => [request('GET', '/v0/pods', { headers: [`${fill('x', 15_000)}: y`] })],
    'a long key': () => [request('GET', '/v0/pods', { key: fill('k', 15_000) })],
    'many keys': ({ rootKey: key }) => [
      request('GET', '/v0/pods', { key, headers: lines(100, 'Authorization: Bearer x%') }),
    ],
    'a line that is folded': () => [request('GET', '/v0/pods', { headers: ['X: a', ' b'] })],
    'a NUL in a header': () => [request('GET', '/v0/pods', { headers: ['X: a\0b'] })],
    'a header without a colon': () => [request('GET', '/v0/pods', { headers: ['nothing'] })],
    'no Host': () => ['GET /v0/pods HTTP/1.1\r\n\r\n'],
    'two Hosts': () => [request('GET', '/v0/pods', { headers: ['Host: y'] })],
    'bare line feeds': () => ['GET /v0/pods HTTP/1.1\nHost: x\n\n'],
    'a bare carriage return': () => ['GET /v0/pods HTTP/1.1\rHost: x\r\r'],
    'HTTP/0.9': () => ['GET /\r\n'],
    'HTTP/2': () => ['PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    'HTTP/9.9': () => ['GET / HTTP/9.9\r\nHost: x\r\n\r\n'],
    TLS: () => [Buffer.from('16030100a5010000a10303', 'hex')],
    'a path of 100 KB': () => [request('GET', `/${fill('x', 100_000)}`)],
    'a path of 15 KB': ({ rootKey: key }) => [request('GET', `/v0/inboxes/${fill('%2e%2e%2f', 15_000)}`, { key })],
    'many slashes': () => [request('GET', fill('/', 15_000))],
    'an absolute path': () => [request('GET', 'http://elsewhere.test/v0/pods')],
    'an asterisk': () => [request('OPTIONS', '*')],
    'an unknown method': () => [request('BREW', '/v0/pods')],
    'a method in small letters': () => [request('get', '/v0/pods')],
    TRACE: () => [request('TRACE', '/v0/pods')],
    CONNECT: () => ['CONNECT 127.0.0.1:25 HTTP/1.1\r\nHost: x\r\n\r\n'],
    'an upgrade to h2c': () => [request('GET', '/v0', { headers: ['Upgrade: h2c', 'Connection: Upgrade'] })],
    'half a line': () => ['GET /v0/po', 300],
    'line ends only': () => [fill('\r\n', 100_000), 300],
    'many forwarded addresses': () => [
      request('GET', '/metrics', { headers: [`X-Forwarded-For: ${fill('1,', 8_000)}`] }),
    ],
    'many ranges': ({ rootKey: key }) => [
      request('GET', '/v0/openapi.json', { key, headers: [`Range: bytes=${fill('0-0,', 8_000)}0-0`] }),
    ],
    'a long Last-Event-ID': ({ rootKey: key }) => [
      request('GET', '/v0/events/stream', { key, headers: [`Last-Event-ID: ${fill('x', 8_000)}`] }),
    ],
  }
  const endless = ['half a line', 'line ends only', 'a long Last-Event-ID', 'a bare carriage return', 'TLS', 'HTTP/0.9']
  const requests = Object.entries(floods).map(([name, pieces]) => ({
    name,
    run: (target: Target) =>
      exchange(
        target,
        pieces(target),
        endless.includes(name) ? { silentMs: 500 } : { bare: name === 'no Host' ? 400 : 0 },
      ),
  }))
  return [
    ...requests,
    {
      name: 'requests without waiting for their answers',
      run: (target) =>
        exchange(target, [fill(request('GET', '/healthz').toString(), 40 * scale.flood)], { answers: 50 }),
    },
    {
      name: 'requests with bodies, without waiting for their answers',
      run: (target) =>
        exchange(
          target,
          [fill(request('POST', '/v0/pods', { key: target.powerlessKey, body: '{}' }).toString(), 40 * scale.flood)],
          { answers: 50 },
        ),
    },
  ]
}

const LISTS = ['labels', 'from', 'to', 'subject', 'senders', 'recipients', 'event_types', 'inbox_ids', 'pod_ids']
const SINGLES = ['limit', 'page_token', 'before', 'after', 'ascending', 'include_spam', 'include_trash', 'wait_seconds']
const QUERY_VALUES = [
  ...['', '0', '-1', '1e9', '99999999999999999999', 'NaN', 'true', 'null', '%00', '%zz', '%', '%ED%A0%80', '%25', '+'],
  ...[
    '[',
    '"',
    '[]',
    '[1]',
    '["a"]',
    '[[["a"]]]',
    '["\\ud800"]',
    '{"a":1}',
    `${'['.repeat(3_000)}`,
    'a,'.repeat(1_500),
  ],
  ...['0000-00-00', '2026-02-30', '9999-12-31T23:59:59.999999999Z', '2026-01-01T00:00:00+99:99', 'latest', 'earliest'],
  ...['x'.repeat(3_000), '%25_'.repeat(700), '%5C%27%22', "'%20or%201=1--", 'eyJhIjoxfQ', 'AAAA', '..%2f', '__proto__'],
]

function queries(random: Random): Attack[] {
  const fuzzed = Array.from({ length: scale.fuzzed }, (_, index) => {
    const path = random.pick(PATHS)
    const query = randomQuery(random)
    const tokenSeed = random.below(3) === 0 ? index : undefined
    return {
      name: `query ${index}: ${path}?${query.slice(0, 300)}`,
      run: async (target: Target) =>
        ask(
          target,
          path,
          `wait_seconds=0&${query}${tokenSeed === undefined ? '' : await changedToken(target, tokenSeed)}`,
        ),
    }
  })
  const shapes: Record<string, string> = {
    'a thousand parameters': Array.from({ length: 1_000 }, (_, i) => `p${i}=1`).join('&'),
    'one parameter a thousand times': fill('labels=a&', 9_000),
    'a list of a thousand members': Array.from({ length: 1_000 }, (_, i) => `labels[${i}]=a`).join('&'),
    'a value of 14 KB': `q=${fill('x', 14_000)}`,
    ampersands: fill('&', 14_000),
    'equals signs': fill('=', 14_000),
    'percent signs': fill('%', 14_000),
    'encoded NULs': fill('%00', 14_000),
    brackets: fill('labels[]', 14_000),
    prototypes: fill('__proto__[a]=1&constructor=2&', 14_000),
  }
  const shaped = Object.entries(shapes).flatMap(([name, query]) =>
    ['/v0/threads', ':inbox/messages', '/v0/events', '/v0/openapi.json'].map((path) => ({
      name: `query of ${name} to ${path}`,
      run: (target: Target) => ask(target, path, query),
    })),
  )
  return [...fuzzed, ...shaped]
}

const PATHS: readonly string[] = [
  ...['/v0/inboxes', '/v0/pods', '/v0/api-keys', '/v0/webhooks', '/v0/threads', '/v0/events', '/v0/queue'],
  ...[':inbox/messages', ':inbox/messages/wait', ':inbox/threads', ':inbox/events', ':message'],
]

function randomQuery(random: Random): string {
  const names = [...LISTS, ...SINGLES, ...LISTS.map((name) => `${name}[]`), 'q', '%00', '__proto__']
  return Array.from({ length: 1 + random.below(6) }, () => `${random.pick(names)}=${random.pick(QUERY_VALUES)}`)
    .join('&')
    .slice(0, 14_000)
}

/** A real page token with one character changed, and in most lists also a token of another list. */
async function changedToken({ url, rootKey }: Target, seed: number): Promise<string> {
  const answer = await fetch(`${url}/v0/inboxes?limit=1`, { headers: { authorization: `Bearer ${rootKey}` } })
  const { next_page_token: token } = (await answer.json()) as { next_page_token?: string }
  if (token === undefined) return ''
  const at = seededRandom(seed).below(token.length)
  return `&page_token=${token.slice(0, at)}A${token.slice(at + 1)}`
}

function ask(target: Target, path: string, query: string): Promise<string> {
  const url = `${pathOf(path, target)}?${query.replace(/[^\x21-\x7e]/g, (char) => encodeURIComponent(char))}`
  return exchange(target, [request('GET', url, { key: target.rootKey })])
}
