/**
 * Calls every route of the API description with many kinds of nonsense in its path, query and body. No response may be
 * a 5xx, every error is JSON of this dialect, and the server keeps running.
 *
 * A body that does not match its schema is refused before the database is asked: only the run with SQLite sends those, which are
 * most of them.
 */
import { expect, test } from 'vitest'
import { HttpConnection } from '../../support/http-connection.ts'
import { databaseName } from '../../support/test-database.ts'
import { startWorld } from '../../support/world.ts'
import { ApiDescription, inlined } from './api-description.ts'

const CONNECTIONS = 8

const HOSTILE_IDS = [
  '%00',
  '%20',
  '%2e%2e%2f',
  "'%20or%201=1--",
  '%3Cscript%3E@x%3E',
  '%F0%9F%A6%89',
  '%ED%A0%80',
  '%zz',
  'null',
  'x'.repeat(2_500),
  '__proto__',
  'constructor',
  '01a1fdba-27ed-714a-87b4-5ac5b9528684',
  'ada%40mail.localhost%00',
]

const HOSTILE_VALUES: readonly unknown[] = [
  null,
  true,
  -1,
  1e308,
  '',
  '\u0000',
  '\ud800',
  '\u202e\u2028',
  'a\r\nb',
  'x'.repeat(5_000),
  [],
  [null],
  [['a']],
  ['\u0000', 'x'.repeat(10_000)],
  {},
  { a: { b: {} } },
  { '\u0000': 'x' },
  { constructor: 'x', toString: 'y' },
]

const HOSTILE_QUERIES = [
  'limit=-1',
  'limit=99999999999999999999',
  'limit[]=1',
  'page_token=%00',
  'page_token=eyJhIjoxfQ',
  `page_token=${'x'.repeat(5_000)}`,
  'labels=%00&from=%00&to=%00&subject=%00&senders=%00&recipients=%00',
  'labels=%5B%22%5Cud800%22%5D&subject=%25_%25&from=%5C',
  `labels=${'a,'.repeat(3_000)}`,
  ['labels', 'from', 'to', 'subject', 'senders', 'recipients'].map((list) => `${list}=${'a,'.repeat(99)}a`).join('&'),
  'before=9999999-01-01&after=%00',
  'before=0000-00-00T00:00:00Z',
  'before=0001-01-01&after=9999-12-31',
  'include_spam=%00',
  'ascending=2',
  '%zz=%zz&__proto__=1&constructor=2',
]

test('no request makes the server fail', { timeout: 600_000 }, async () => {
  await using world = await startWorld()
  const { inboxId } = await world.agentmail.inboxes.create({ username: 'ada' })
  await world.smtp.send({ to: inboxId, text: 'x', messageId: '<1@x.test>' })
  const { threadId } = (await world.agentmail.threads.list()).threads[0]!
  const { podId } = await world.agentmail.pods.create({ name: 'red' })
  const real: Record<string, string> = {
    inbox_id: encodeURIComponent(inboxId),
    message_id: '%3C1%40x.test%3E',
    thread_id: threadId,
    pod_id: podId,
  }
  const description = new ApiDescription(inlined((await world.request('GET', '/v0/openapi.json')).body))
  const reachesDatabase = (schema: object | undefined, body: unknown) =>
    schema === undefined || description.matches(schema, JSON.parse(JSON.stringify(body)))
  const isSent = databaseName() === 'sqlite' ? () => true : reachesDatabase

  const requests = hostileRequests(description.document.paths, real, isSent)
  const problems: string[] = []
  let asked = 0
  /** Several connections, so that writes share their commits. */
  const callers = Array.from({ length: CONNECTIONS }, async () => {
    using connection = new HttpConnection(Number(new URL(world.url).port))
    for (const { method, path, body } of requests) {
      const authorization = `Bearer ${world.rootKey}`
      const headers = { authorization, ...(body !== undefined && { 'content-type': 'application/json' }) }
      const mayStream = path.includes('/events/stream')
      const response = await connection.request({ method, path, headers, body, mayStream })
      asked += 1
      if (response.status < 400 || (response.status < 500 && isError(response.body))) continue
      const what = `${method} ${path.slice(0, 200)} ${String(body).slice(0, 300)}`
      problems.push(`${what} → ${response.status} ${response.body.slice(0, 300)}`)
    }
  })
  await Promise.all(callers)
  expect(problems).toEqual([])
  expect(asked).toBeGreaterThan(1_500)
  expect(await world.request('GET', '/readyz')).toMatchObject({ status: 200 })
})

interface HostileRequest {
  readonly method: string
  readonly path: string
  readonly body?: string
}

/**
 * @param real values of path parameters that exist
 * @param isSent whether a request has this body
 */
function* hostileRequests(
  paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>,
  real: Readonly<Record<string, string>>,
  isSent: (schema: object | undefined, body: unknown) => boolean,
): Generator<HostileRequest> {
  for (const [template, methods] of Object.entries(paths)) {
    for (const [name, operation] of Object.entries(methods)) {
      const method = name.toUpperCase()
      // A DELETE gets an id that does not exist: a real one would delete what the other requests need.
      const fill = (id: string) => template.replace(/\{(\w+)\}/g, () => id)
      const aim = () =>
        template.replace(/\{(\w+)\}/g, (_match, each: string) => (method === 'DELETE' ? 'x' : (real[each] ?? 'x')))
      const request = (path: string, body: unknown): HostileRequest => ({
        ...{ method, path },
        ...(hasBody(method) && { body: JSON.stringify(body) }),
      })

      const wait = template.endsWith('/wait') ? 'wait_seconds=0&' : ''
      const ids = template.includes('{') ? HOSTILE_IDS : [''] // no id: it would be the same request each time
      for (const id of ids) yield request(`${fill(id)}?${wait}`, {})
      const schema = operation.requestBody?.content['application/json']?.schema
      if (isSent(schema, {})) for (const query of HOSTILE_QUERIES) yield request(`${aim()}?${wait}${query}`, {})
      const bodies: unknown[] = hasBody(method) ? [...HOSTILE_VALUES] : []
      for (const member of Object.keys(schema?.properties ?? {})) {
        const valid = method === 'POST' && /messages/.test(template) ? { to: 'a@b.test', text: 'x' } : {}
        for (const value of HOSTILE_VALUES) bodies.push({ ...valid, [member]: value })
      }
      for (const body of bodies) if (isSent(schema, body)) yield request(aim(), body)
    }
  }
}

interface Operation {
  readonly requestBody?: { content: Record<string, { schema?: { properties?: Record<string, unknown> } }> }
}

function hasBody(method: string): boolean {
  return method !== 'GET' && method !== 'DELETE'
}

/** Whether it is an error of this dialect. */
function isError(body: string): boolean {
  const { name, code } = JSON.parse(body) as { name?: unknown; code?: unknown }
  return typeof name === 'string' && typeof code === 'string'
}
