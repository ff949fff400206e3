/**
 * Walks over every route of a running server, with keys of each scope, and own and foreign objects. What a key needs
 * comes from the declaration of the route, which the OpenAPI description shows: a new route needs no new test.
 *
 * One database is enough: what is compared here is decided before the database is asked, or by the same query on both.
 */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { Agent, request as httpRequest } from 'node:http'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { AccessCheck } from '../../../src/mail/access/access.ts'
import type { OperationAccess } from '../../../src/mail/access/operation-access.ts'
import { startWorld, type World } from '../../support/world.ts'
import {
  type Ids,
  idsFor,
  makeObjects,
  makeOrganization,
  type Owned,
  queryOf,
  type Schema,
  sampleOf,
} from './access-objects.ts'
import { inlined } from './api-description.ts'

interface Operation extends Required<Omit<OperationAccess, 'widestKey'>> {
  readonly method: string
  /** With `{name}` for parameters. */
  readonly path: string
  readonly query: string
  /** undefined: the operation has no body. */
  readonly body: unknown
}

interface Answer {
  readonly status: number
  readonly code: string | undefined
  readonly fix: string | undefined
}

const RANKS = ['inbox', 'pod', 'organization', 'root'] as const
type KeyKind = (typeof RANKS)[number]

async function operationsOf(): Promise<Operation[]> {
  const body = inlined((await world.request('GET', '/v0/openapi.json')).body)
  // biome-ignore lint/suspicious/noExplicitAny: an OpenAPI document
  const paths = Object.entries<Record<string, any>>(body.paths)
  return paths.flatMap(([path, methods]) =>
    Object.entries(methods).flatMap(([method, operation]) => {
      const access = operation['x-martlet-access']
      if (access === undefined) return [] // public
      const schema: Schema | undefined = operation.requestBody?.content['application/json'].schema
      const parameters: { name: string; in: string }[] = operation.parameters ?? []
      return {
        ...{ method: method.toUpperCase(), path },
        ...{
          narrowestKey: access.narrowest_key,
          permissions: access.permissions,
          conditional: access.conditional ?? [],
        },
        query: queryOf(parameters.filter((each) => each.in === 'query').map(({ name }) => name)),
        body: schema && sampleOf(schema),
      }
    }),
  )
}

const agent = new Agent({ keepAlive: true })
/** Two thousand requests, one after the other. */
const timeout = 90_000

/** One request on a kept connection. Streams are closed after their header. */
function ask({ method, path, query, body }: Operation, ids: Ids, key: string): Promise<Answer> {
  const filled = path.replace(/\{(\w+)\}/g, (_, name) => {
    if (ids[name] === undefined) throw new Error(`access-objects.ts has no object for the path parameter ${name}`)
    return encodeURIComponent(ids[name])
  })
  const headers = {
    ...(key !== '' && { authorization: `Bearer ${key}` }),
    ...(body !== undefined && { 'content-type': 'application/json' }),
  }
  return new Promise((resolve, reject) => {
    const request = httpRequest(`${world.url}${filled}${query}`, { method, headers, agent }, (response) => {
      const status = response.statusCode!
      if (response.headers['content-type']?.includes('event-stream')) {
        resolve({ status, code: undefined, fix: undefined })
        return response.destroy()
      }
      let text = ''
      response.setEncoding('utf8').on('data', (chunk) => (text += chunk))
      response.on('end', () => {
        const { code, fix } = status >= 400 ? JSON.parse(text) : {}
        resolve({ status, code, fix })
      })
    })
    request.on('error', reject)
    request.end(body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body))
  })
}

/** They refuse every key that may use them: what they are about does not exist. */
const ALWAYS_REFUSING = new Set(['POST /v0/inboxes/{inbox_id}/authorize', 'POST /v0/organizations/labs'])

/** Returns how the server refused the key, or undefined if it did the work, or refused it for another reason. */
function refusal({ status, code }: Answer): string | undefined {
  if (status >= 500) return `${status}`
  if (status === 401 || status === 404) return `${status} ${code}`
  return code === 'missing_permission' || code === 'forbidden' ? `403 ${code}` : undefined
}

let world: World
let operations: readonly Operation[]
const keys = new Map<string, Promise<string>>()

beforeAll(async () => {
  // Outgoing requests of webhooks and mail must not leave this machine.
  const lookup = async () => Promise.reject(new Error('no names here'))
  const env = { MARTLET_DNS_SERVERS: '127.0.0.1:1' } // nothing listens there
  const limits = { dns: { tryMs: 10, zoneTryMs: 10, triesMax: 1 } }
  world = await startWorld({ lookup, env, limits, startPaused: true })
  operations = await operationsOf()
})

afterAll(async () => {
  agent.destroy()
  await world[Symbol.asyncDispose]()
})

/** Returns a key of the organization with exactly these permissions; undefined: unlimited. */
function keyWith(permissions?: readonly string[]): Promise<string> {
  const name = JSON.stringify(permissions)
  const flags = permissions && Object.fromEntries(permissions.map((flag) => [flag, true]))
  const make = async () => (await world.request('POST', '/v0/api-keys', { body: { permissions: flags } })).body.api_key
  if (!keys.has(name)) keys.set(name, make())
  return keys.get(name)!
}

function titleOf({ method, path }: Operation): string {
  return `${method} ${path}`
}

test('every route asks for exactly the permissions and the scope that it declares, before it reads a body', {
  timeout,
}, async () => {
  const flags: string[] = [...new Set(operations.flatMap(({ permissions }) => permissions))]
  expect(flags.length).toBeGreaterThan(15)
  const shared = await makeObjects(world, world.rootKey)
  const spares = await makeSpares()
  const problems: string[] = []
  const report = (operation: Operation, problem: string) => problems.push(`${titleOf(operation)}: ${problem}`)

  for (const operation of operations) {
    const { permissions, conditional, narrowestKey } = operation
    const unread = operation.body === undefined ? operation : { ...operation, body: '{"not json' }
    const anonymous = await ask(unread, shared.ids, '')
    if (anonymous.status !== 401) report(operation, `answers ${anonymous.status} without a key`)

    for (const flag of permissions) {
      const key = await keyWith(flags.filter((each) => each !== flag))
      for (const ids of [shared.ids, nowhere(shared.ids)]) {
        const { status, code, fix = '' } = await ask(unread, ids, key)
        const isRefused = status === 403 && code === 'missing_permission' && fix.includes(`"${flag}"`)
        if (!isRefused) report(operation, `answers ${status} ${code} (${fix}) to a key without ${flag}`)
      }
    }

    for (const kind of RANKS.filter((kind) => isTried(operation, kind))) {
      const isTooNarrow = !isWideEnough(kind, operation)
      const owned = removes(operation, kind) ? spares.take(operation) : shared
      const keyOfKind: Record<KeyKind, string> = {
        inbox: owned.inboxKey,
        pod: owned.podKey,
        organization: await keyWith([...permissions, ...conditional]), // and no other
        root: world.rootKey,
      }
      const checks = checksOf()
      const answer = await ask(operation, idsFor(operation.path, owned.ids), keyOfKind[kind])
      const checked = checks.end()
      const expected = isTooNarrow ? '403 forbidden' : undefined
      const isRefusing = !isTooNarrow && ALWAYS_REFUSING.has(titleOf(operation))
      if (refusal(answer) !== expected && !isRefusing)
        report(operation, `answers ${answer.status} ${answer.code} to a key of ${kind}`)
      if (isTooNarrow) continue
      const unchecked = permissions.filter((flag) => !checked.some(({ permission }) => permission === flag))
      for (const flag of unchecked)
        report(operation, `the core does not check ${flag} (${answer.status} ${answer.code})`)
      if (narrowestKey !== 'inbox' && !checked.some((check) => check.narrowestKey === narrowestKey))
        report(operation, `the core does not check the scope ${narrowestKey}`)
    }
  }
  expect(problems).toEqual([])
})

test('what is outside the scope of a key is not found, whichever part of the path is foreign', {
  timeout,
}, async () => {
  const stranger = await makeOrganization(world)
  const own = await makeObjects(world, world.rootKey)
  const sibling = await makeObjects(world, world.rootKey)
  const foreign = await makeObjects(world, stranger)
  const organizationKey = await keyWith()
  const problems: string[] = []

  for (const operation of operations) {
    const names = [...operation.path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name!)
    const keys: [kind: KeyKind, key: string, own: Owned, foreign: Owned][] = [
      ['organization', organizationKey, own, foreign],
      ['organization', stranger, foreign, own],
      ['pod', own.podKey, own, sibling],
      ['pod', foreign.podKey, foreign, own],
      ['inbox', own.inboxKey, own, sibling],
      ['inbox', foreign.inboxKey, foreign, own],
    ]
    for (const [kind, key, mine, theirs] of keys) {
      if (!isWideEnough(kind, operation)) continue
      for (const name of names) {
        const [ids, foreignIds] = [idsFor(operation.path, mine.ids), idsFor(operation.path, theirs.ids)]
        if (ids[name] === foreignIds[name]) continue // it names no object
        const answer = await ask(operation, { ...ids, [name]: foreignIds[name]! }, key)
        if (answer.status !== 404)
          problems.push(
            `${titleOf(operation)}: answers ${answer.status} ${answer.code} to a key of ${kind}, foreign ${name}`,
          )
      }
    }
  }
  expect(problems).toEqual([])
})

function isWideEnough(kind: KeyKind, { narrowestKey }: Operation): boolean {
  return RANKS.indexOf(kind) >= RANKS.indexOf(narrowestKey)
}

/** A request that removes its object is tried with two keys only: the narrowest, and one with the declared flags. */
function isTried(operation: Operation, kind: KeyKind): boolean {
  return !removes(operation, kind) || [operation.narrowestKey, 'organization'].includes(kind)
}

/** Makes objects that the walk removes. One set serves as many requests as possible: making them takes most of its time. */
async function makeSpares(): Promise<{ take(operation: Operation): Owned }> {
  const removed = operations.flatMap((operation) =>
    RANKS.filter((kind) => isTried(operation, kind) && removes(operation, kind)).map(() => removedBy(operation)),
  )
  const counts = new Map<string, number>()
  for (const name of removed) counts.set(name, (counts.get(name) ?? 0) + 1)
  const owners = removed.filter(ownsOthers).length
  const others = Math.max(...[...counts].filter(([name]) => !ownsOthers(name)).map(([, count]) => count))
  const make = () => makeObjects(world, world.rootKey, false)
  const sets = await Promise.all(Array.from({ length: owners + others }, make))
  return {
    take(operation) {
      const name = removedBy(operation)
      if (ownsOthers(name)) return sets.pop()!
      const position = others - counts.get(name)!
      counts.set(name, counts.get(name)! - 1)
      return sets[position]!
    },
  }
}

/** Returns a name for the object that a request removes. */
function removedBy({ path }: Operation): string {
  const last = [...path.matchAll(/\{(\w+)\}/g)].at(-1)![1]!
  if (last === 'entry') return path // there is one at each level
  return last === 'thread_id' ? 'message_id' : last // they have one of each
}

function ownsOthers(name: string): boolean {
  return name === 'inbox_id' || name === 'pod_id'
}

/** Whether the request removes an object, so that others cannot use it. */
function removes(operation: Operation, kind: KeyKind): boolean {
  const isRemoval = operation.method === 'DELETE' || operation.path.endsWith('/drafts/{draft_id}/send')
  return isRemoval && isWideEnough(kind, operation)
}

test('a hidden message or thread is not found by a key that may not see its class', async () => {
  const { ids } = await makeObjects(world, world.rootKey, false)
  const path = `/v0/inboxes/${encodeURIComponent(ids.inbox_id!)}/messages/${encodeURIComponent(ids.message_id!)}`
  const flags = operations.flatMap(({ permissions, conditional }) => [...permissions, ...conditional])
  const key = await keyWith([...new Set(flags)])
  expect((await world.request('GET', path, { key })).status).toBe(200)
  await world.request('PATCH', path, { body: { add_labels: ['trash'] } })
  const problems: string[] = []

  const about = operations.filter((operation) => /\{(message|thread)_id\}/.test(operation.path))
  for (const operation of about) {
    const { status, code } = await ask(operation, ids, key)
    if (status !== 404) problems.push(`${titleOf(operation)}: answers ${status} ${code}`)
  }
  expect(about.length).toBeGreaterThan(20)
  expect(problems).toEqual([])
})

/** Ids of objects that do not exist. */
function nowhere(ids: Ids): Ids {
  return Object.fromEntries(Object.keys(ids).map((name) => [name, 'nowhere']))
}

/** Collects the checks that the core makes from now on. */
function checksOf(): { end(): readonly AccessCheck[] } {
  const checks: AccessCheck[] = []
  const collect = (check: unknown) => void checks.push(check as AccessCheck)
  subscribe('martlet.access', collect)
  return {
    end() {
      unsubscribe('martlet.access', collect)
      return checks
    },
  }
}
