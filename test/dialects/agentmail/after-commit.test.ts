/**
 * Calls every route that changes something, and checks that no query of the request follows its last commit: a failure
 * there would be a 5xx for something that was accepted, and clients repeat those.
 *
 * SQLite only: its connections run in this process and in order. The core is the same on PostgreSQL.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { expect, onTestFinished, test, vi } from 'vitest'
import { SqliteConnection } from '../../../src/store/sqlite/sqlite-connection.ts'
import { startWorld } from '../../support/world.ts'
import { idsFor, makeObjects, queryOf, type Schema, sampleOf } from './access-objects.ts'
import { inlined } from './api-description.ts'

/** Work of several transactions, which continues where it was when it is called again. */
const REPEATABLE = /\/verify$|\/search\/rebuild$/

interface Operation {
  readonly parameters?: readonly { readonly in: string; readonly name: string }[]
  readonly requestBody?: { readonly content: Record<string, { readonly schema: Schema }> }
}

test('no request reads the database after its last commit', async () => {
  const requests = new AsyncLocalStorage<{ steps: string[] }>()
  let steps: string[] = []
  const enter = () => {
    steps = []
    requests.enterWith({ steps })
  }
  subscribe('http.server.request.start', enter)
  onTestFinished(() => {
    unsubscribe('http.server.request.start', enter)
    vi.restoreAllMocks()
    Error.stackTraceLimit = stackTraceLimit
  })
  const { run, executeQuery } = SqliteConnection.prototype
  const { stackTraceLimit } = Error
  Error.stackTraceLimit = 100
  vi.spyOn(SqliteConnection.prototype, 'run').mockImplementation(function (this: SqliteConnection, sql) {
    if (sql === 'commit') steps.push(sql)
    return run.call(this, sql)
  })
  vi.spyOn(SqliteConnection.prototype, 'executeQuery').mockImplementation(function (this: SqliteConnection, query) {
    // A commit also wakes loops, in the context of its request.
    const isOfLoop = /poll-loop|tailer/.test(new Error().stack!)
    if (!this.isInTransaction && !isOfLoop) requests.getStore()?.steps.push(query.sql)
    return executeQuery.call(this, query) as never
  })

  const lookup = async () => Promise.reject(new Error('no names here'))
  await using world = await startWorld({ lookup, startPaused: true })
  const body = inlined((await world.request('GET', '/v0/openapi.json')).body)
  const [shared, spare] = [await makeObjects(world, world.rootKey), await makeObjects(world, world.rootKey, false)]
  const operations = Object.entries<Record<string, Operation>>(body.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ method, path, ...operation })),
  )
  // Deletions last, and of what contains the others at the end. Some find nothing any more.
  const rankOf = ({ method, path }: { method: string; path: string }) =>
    method === 'delete' ? 1 + ['/{thread_id}', '/{inbox_id}', '/{pod_id}'].findIndex((end) => path.endsWith(end)) : -1
  operations.sort((one, other) => rankOf(one) - rankOf(other))

  const late: string[] = []
  let done = 0
  for (const { method, path, parameters = [], requestBody } of operations) {
    if (method === 'get' || REPEATABLE.test(path)) continue
    const { ids } = method === 'delete' ? spare : shared
    const filled = path.replace(/\{(\w+)\}/g, (_, name) => encodeURIComponent(idsFor(path, ids)[name] ?? 'none'))
    const query = queryOf(parameters.filter((each) => each.in === 'query').map(({ name }) => name))
    const sample = requestBody && { body: sampleOf(requestBody.content['application/json']!.schema) }
    const { status } = await world.request(method.toUpperCase(), `${filled}${query}`, sample)
    if (status >= 400 || !steps.includes('commit')) continue
    done += 1
    const [read] = steps.slice(steps.lastIndexOf('commit') + 1)
    if (read !== undefined) late.push(`${method.toUpperCase()} ${path}: ${read.slice(0, 200)}`)
  }
  expect(late).toEqual([])
  expect(done).toBeGreaterThan(50)
})
