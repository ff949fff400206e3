/**
 * Runs every operation of two generations of the Python package on one server, with its synchronous and asynchronous
 * clients and their WebSockets (python-clients.py). The program validates each answer with the package's own models.
 */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { unbuiltOperations } from '../../../src/edges/http/dialects/agentmail/routes/agentmail-unbuilt.ts'
import { type DnsServer, type Records, startDns, type Zones } from '../../support/dns-server.ts'
import { isOffline, pythonVersion, virtualEnvironment } from '../../support/python-environment.ts'
import { startWorld, type World } from '../../support/world.ts'
import operations from './operations.json' with { type: 'json' }

let world: World
const zones: Zones = {}
let dns: DnsServer
/** Puts the records of a request into DNS, as the owner of a domain does. */
let publisher: Server
beforeAll(async () => {
  dns = await startDns(zones)
  world = await startWorld({ startPaused: true, env: { MARTLET_DNS_SERVERS: dns.address } })
  publisher = createServer(async (request, response) => {
    const records = await new Response(request as never).json()
    for (const { name, type, value } of records as { name: string; type: 'MX' | 'TXT'; value: string }[]) {
      const known = (zones[name] ?? {}) as Records
      if (type === 'MX') zones[name] = { ...known, MX: [{ preference: 10, exchange: value }] }
      else zones[name] = { ...known, TXT: [...(known.TXT ?? []), value.match(/.{1,255}/g)!] }
    }
    response.end()
  })
  await once(publisher.listen(0, '127.0.0.1'), 'listening')
})
afterAll(async () => {
  publisher.close()
  await world[Symbol.asyncDispose]()
  await dns[Symbol.asyncDispose]()
})

/** What the server has for an operation: an object, an empty list, a 404, or a 403 because it is not built. */
function stateOf({ method, path }: { readonly method: string; readonly path: string }) {
  const isUnbuilt = unbuiltOperations().some(
    (each) => each.method === method && `/v0${each.path.replace(/:(\w+)/g, '{$1}')}` === path,
  )
  if (!/\/(accounts|apps|providers)\b/.test(path)) return isUnbuilt ? 'unbuilt' : 'built'
  return isUnbuilt ? 'missing' : 'empty'
}

/** The older package has the operations that the npm package has too, with `providers` instead of `apps`. */
const versions = {
  '2.0.18': operations.flatMap(({ python, ...rest }) => (python === undefined ? [] : { python, ...rest })),
  '0.6.0': operations.flatMap(({ npm, ...rest }) => (npm === undefined ? [] : { ...rest, python: snakeCase(npm) })),
}

test.for(['2.0.18', '0.6.0'] as const)(
  'every operation of the Python package %s works, and each answer has what its models require',
  { timeout: 180_000 },
  async (version, { skip }) => {
    if (pythonVersion() === undefined) skip('python3 with venv is not installed here')
    const install = `python3 -m venv .venv && .venv/bin/pip -q install agentmail==${version}`
    const environment = await virtualEnvironment(install).catch((error: unknown) => {
      if (isOffline(error)) skip('no package index of Python can be reached from here')
      throw error
    })
    const given = {
      http: world.url,
      websockets: world.url.replace('http', 'ws'),
      key: world.rootKey,
      publish: `http://127.0.0.1:${(publisher.address() as AddressInfo).port}/`,
      username: `python-${version.replaceAll('.', '-')}`,
      operations: versions[version].map((operation) => ({ ...operation, state: stateOf(operation) })),
    }
    const program = join(import.meta.dirname, 'python-clients.py')
    const running = promisify(execFile)(join(environment, 'bin/python'), [program])
    running.child.stdin!.end(JSON.stringify(given))
    const { stdout } = await running
    const { called, problems } = JSON.parse(stdout)
    expect(problems).toEqual([])
    expect(called).toBe(2 * versions[version].length) // synchronous and asynchronous
  },
)

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}
