/**
 * Sends malformed requests to every route of the API description: nested too deeply, too large, not UTF-8, with NUL, with
 * labels of 10 kB, 10,000 recipients, dates in the year 99999. Each is refused with a sentence, and the path of the problem.
 */
import { Agent, request } from 'node:http'
import { text } from 'node:stream/consumers'
import { expect, test } from 'vitest'
import { startWorld, type World } from '../../support/world.ts'
import { inlined } from './api-description.ts'

/** A malformed request. */
interface Malformed {
  readonly what: string
  readonly method: string
  readonly path: string
  readonly body: Buffer
  /** The Content-Length that is sent, of a body that does not follow. */
  readonly declaredBytes?: number
  /** The member or parameter that the error must name. */
  readonly name?: string
}

interface Operation {
  readonly parameters?: readonly { readonly in: string; readonly name: string; readonly required?: boolean }[]
  readonly requestBody?: {
    content: Record<
      string,
      { schema?: { properties?: Record<string, { readonly type?: string }>; required?: readonly string[] } }
    >
  }
}

const LONG_LABEL = 'x'.repeat(10_000)
const ADDRESSES = Array.from({ length: 10_000 }, (_, index) => `r${index}@x.test`)
const DEEP = Buffer.from(`{"a":${'['.repeat(10_000)}${']'.repeat(10_000)}}`)
const NOT_UTF8 = Buffer.from('{"a":"\xff\xfe"}', 'latin1')
const YEAR = '99999-01-01T00:00:00Z'
const isTime = (name: string) => /_at$|^(before|after|start|end)$/.test(name)

function* malformedQueries(path: string, { parameters = [] }: Operation): Generator<Malformed> {
  const inQuery = parameters.filter((each) => each.in === 'query')
  for (const { name } of inQuery) {
    const others = inQuery.filter((other) => other.required && other.name !== name)
    const whole = (value: string) => `${path}?${others.map((other) => `${other.name}=x&`).join('')}${name}=${value}`
    const common = { method: 'GET', body: Buffer.alloc(0), name }
    yield { ...common, what: 'NUL', path: whole('%00') }
    if (isTime(name)) yield { ...common, what: 'year', path: whole(YEAR) }
    if (name === 'labels') yield { ...common, what: '10 kB', path: whole(LONG_LABEL) }
  }
}

function* malformedBodies(method: string, path: string, { requestBody }: Operation): Generator<Malformed> {
  const common = { method, path }
  yield { ...common, what: 'nesting', body: DEEP }
  yield { ...common, what: 'UTF-8', body: NOT_UTF8 }
  yield { ...common, what: '100 MB', body: Buffer.alloc(0), declaredBytes: 100 * 1024 * 1024 }
  const { properties = {}, required = [] } = requestBody?.content['application/json']?.schema ?? {}
  const others = {
    ...Object.fromEntries(
      required.map((name) => [name, properties[name]?.type === 'array' ? ['x'] : '2026-01-01T00:00:00Z']),
    ),
    ...('to' in properties && !path.endsWith('/reply-all') && { to: 'a@b.test' }),
  }
  for (const name of Object.keys(properties)) {
    const withValue = (what: string, value: unknown) => {
      const body = Buffer.from(JSON.stringify({ ...others, [name]: value }))
      return { ...common, what, name, body }
    }
    yield withValue('NUL', 'a\0b')
    yield withValue('NUL in a list', ['a', { b: 'a\0b' }])
    if (isTime(name)) yield withValue('year', YEAR)
    if (/labels$/.test(name)) yield withValue('10 kB', [LONG_LABEL])
    if (/^(to|cc|bcc|reply_to)$/.test(name)) yield withValue('10,000 recipients', ADDRESSES)
  }
}

async function send(world: World, { method, path, body, declaredBytes }: Malformed, agent: Agent) {
  const length = declaredBytes ?? body.length
  const headers = {
    authorization: `Bearer ${world.rootKey}`,
    ...(length > 0 && { 'content-type': 'application/json', 'content-length': length }),
  }
  return new Promise<{ status: number; answer: string }>((resolve, reject) => {
    const sent = request(`${world.url}${path}`, { method, headers, agent }, async (response) => {
      const status = response.statusCode!
      resolve({ status, answer: status < 400 ? '' : await text(response) })
      if (declaredBytes !== undefined || status < 400) sent.destroy()
    })
    sent.on('error', reject)
    if (declaredBytes === undefined) sent.end(body)
    else sent.flushHeaders()
  })
}

test('what is malformed is refused on every route, with a sentence and the path of the problem', async () => {
  await using world = await startWorld()
  const { inboxId, podId } = await world.agentmail.inboxes.create({ username: 'ada' })
  await world.smtp.send({ to: inboxId, text: 'x', messageId: '<1@x.test>' })
  const { threadId } = (await world.agentmail.threads.list()).threads[0]!
  const inPath = {
    inbox_id: encodeURIComponent(inboxId),
    message_id: '%3C1%40x.test%3E',
    thread_id: threadId,
    pod_id: podId,
  }
  const real: Readonly<Record<string, string>> = inPath
  const description = inlined((await world.request('GET', '/v0/openapi.json')).body)

  const cases: Malformed[] = []
  for (const [template, methods] of Object.entries<Record<string, Operation>>(description.paths))
    for (const [method, operation] of Object.entries(methods)) {
      const path = template.replace(/\{(\w+)\}/g, (_, name: string) => real[name] ?? 'none')
      if (method === 'get') cases.push(...malformedQueries(path, operation))
      else if (method !== 'delete') cases.push(...malformedBodies(method.toUpperCase(), path, operation))
    }
  expect(cases.length).toBeGreaterThan(500)

  const agent = new Agent({ keepAlive: true })
  const check = async (each: Malformed) => {
    const { status, answer } = await send(world, each, agent)
    const shown = `${each.what}: ${each.method} ${each.path.slice(0, 100)} ${each.name ?? ''} → ${status} ${answer.slice(0, 200)}`
    // Of an object that does not exist, labels and recipients are not read.
    if (status === 404 && each.path.includes('/none')) return
    expect(status, shown).toBe(each.declaredBytes === undefined ? 400 : 413)
    const { message, errors = [] } = JSON.parse(answer)
    expect(message, shown).toMatch(/^\S+ \S+ \S+/)
    if (each.name !== undefined) expect([each.name, 'labels'], shown).toContain(errors[0]?.path[0])
  }
  // Eight at a time.
  await Promise.all(
    Array.from({ length: 8 }, async () => {
      for (let each = cases.pop(); each; each = cases.pop()) await check(each)
    }),
  )
  agent.destroy()
})
