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

beforeAll(async () => {
  await using world = await startWorld()
  const { paths } = (await world.request('GET', '/v0/openapi.json')).body
  for (const [path, methods] of Object.entries<object>(paths))
    for (const method of Object.keys(methods)) built.add(`${method.toUpperCase()} ${path}`)
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

test('the page has every route; what it calls absent is not built, and all else is', () => {
  expect([...built, ...unbuilt].filter((name) => !names.has(name))).toEqual([])
  const isAnswered = (name: string) =>
    built.has(name) || (unbuilt.has(name) && /\/(accounts|apps|providers)\b/.test(name))
  const wrong = documented.filter(({ name, state }) => {
    if (state.startsWith('absent')) return built.has(name) || !unbuilt.has(name)
    return !/^(done|differs|Martlet's own)\b/.test(state) || !isAnswered(name)
  })
  expect(wrong).toEqual([])
  expect([...unbuilt].filter((name) => built.has(name))).toEqual([])
})

test('nothing is absent but calendars, files, polling webhooks and Agent Armor', () => {
  const absent = documented.filter(({ state }) => state.startsWith('absent')).map(({ name }) => name)
  expect(absent.filter((name) => !/\/(calendar|files|webhooks\/polling|agent-armor)\b/.test(name))).toEqual([])
  expect(absent.length).toBeGreaterThan(20)
})

test('the tests that the page names exist', () => {
  const files = new Set(documented.flatMap(({ tests }) => tests))
  expect([...files].filter((file) => !existsSync(join(import.meta.dirname, `${file}.test.ts`)))).toEqual([])
})
