/**
 * Compares docs/compatibility/agentmail.md with the routes of a running server and with every operation of the clients of
 * both generations (operations.json).
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { unbuiltOperations } from '../../../src/edges/http/dialects/agentmail/routes/agentmail-unbuilt.ts'
import { textOf } from '../../support/imports.ts'
import { startWorld } from '../../support/world.ts'
import operations from './operations.json' with { type: 'json' }

interface Documented {
  /** "METHOD /v0/path/{name}". */
  readonly name: string
  readonly clients: string
  readonly state: string
  readonly tests: readonly string[]
}

/** Reads the tables of the section "Operations": the head names the paths below which the operations of a table exist. */
function documentedOperations(): Documented[] {
  const section = /^## Operations\n([\s\S]*?)^## /m.exec(textOf('docs/compatibility/agentmail.md'))![1]!
  const documented: Documented[] = []
  let bases: string[] = []
  for (const line of section.split('\n')) {
    const cells = line.split(/(?<!\\)\|/).map((cell) => cell.trim())
    if (cells[1]?.startsWith('at `')) bases = quoted(cells[1])
    if (!/^(GET|POST|PUT|PATCH|DELETE)\b/.test(cells[1] ?? '')) continue
    const [, shown, clients, state, tests] = cells as [string, string, string, string, string]
    for (const each of shown.split(' · ')) {
      const [methods, path] = [each.split(' `')[0]!.split(', '), quoted(each)[0]]
      for (const base of bases)
        for (const method of methods)
          documented.push({ name: `${method} ${base}${path}`, clients, state, tests: tests.split(', ') })
    }
  }
  return documented
}

function quoted(text: string): string[] {
  return [...text.matchAll(/`([^`]+)`/g)].map(([, name]) => name!)
}

const documented = documentedOperations()
const names = new Set(documented.map(({ name }) => name))
const unbuilt = new Set(
  unbuiltOperations().map(({ method, path }) => `${method} /v0${path.replace(/:(\w+)/g, '{$1}')}`),
)
const built = new Set<string>()
/** By name, as GET /v0/capabilities says. */
const states = new Map<string, string>()

beforeAll(async () => {
  await using world = await startWorld()
  const { paths } = (await world.request('GET', '/v0/openapi.json')).body
  for (const [path, methods] of Object.entries<object>(paths))
    for (const method of Object.keys(methods)) built.add(`${method.toUpperCase()} ${path}`)
  for (const { method, path, state } of (await world.request('GET', '/v0/capabilities')).body.operations)
    states.set(`${method} ${path}`, state)
})

test('the page has every operation of the clients once, and says which generation has it', () => {
  expect(documented.map(({ name }) => name)).toHaveLength(names.size)
  const clientsOf = new Map(documented.map(({ name, clients }) => [name, clients]))
  const wrong = operations.flatMap(({ method, path, npm, python }) => {
    const expected = npm === undefined ? '2.x' : python === undefined ? '0.5' : 'all'
    const shown = clientsOf.get(`${method} ${path}`)
    return shown === expected ? [] : [`${method} ${path}: ${expected}, not ${shown}`]
  })
  expect(wrong).toEqual([])
  const known = new Set(operations.map(({ method, path }) => `${method} ${path}`))
  const others = documented.filter(({ name }) => !known.has(name))
  expect(others.filter(({ clients }) => clients !== 'ours' && clients !== 'older')).toEqual([])
})

test('the page has every route, and says of each what GET /v0/capabilities says', () => {
  expect([...built, ...unbuilt].filter((name) => !names.has(name))).toEqual([])
  const words = {
    implemented: /^(done|differs|Martlet's own)\b/,
    not_implemented: /^not implemented\b/,
    refused: /^refused\b/,
  }
  const wrong = documented.filter(({ name, state }) => {
    const said = states.get(name) as keyof typeof words | undefined
    return said === undefined || !words[said].test(state)
  })
  expect(wrong).toEqual([])
  expect([...unbuilt].filter((name) => built.has(name))).toEqual([])
})

test('nothing is unimplemented but calendars, files, polling webhooks and Agent Armor', () => {
  const missing = documented.filter(({ state }) => state.startsWith('not implemented')).map(({ name }) => name)
  expect(missing.filter((name) => !/\/(calendar|files|webhooks\/polling|agent-armor)\b/.test(name))).toEqual([])
  expect(missing.length).toBeGreaterThan(20)
})

test('the tests that the page names exist', () => {
  const files = new Set(documented.flatMap(({ tests }) => tests))
  expect([...files].filter((file) => !existsSync(join(import.meta.dirname, `${file}.test.ts`)))).toEqual([])
})
