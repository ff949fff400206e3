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
import { isInReadme, packageFolderOrSkip, readmeEnvironmentOrSkip } from '../../support/python-environment.ts'
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

/** What the server has for an operation: an object, an empty list, a 404, a 403 because there are no labs or because it is not built. */
function stateOf({ method, path }: { readonly method: string; readonly path: string }) {
  const isUnbuilt = unbuiltOperations().some(
    (each) => each.method === method && `/v0${each.path.replace(/:(\w+)/g, '{$1}')}` === path,
  )
  if (path.endsWith('/authorize')) return 'missing'
  if (`${method} ${path}` === 'POST /v0/organizations/labs') return 'labs'
  if (!/\/(accounts|apps|providers)\b/.test(path)) return isUnbuilt ? 'unbuilt' : 'built'
  return isUnbuilt ? 'missing' : 'empty'
}

/** Most of the time is the installation, which is kept for the next run. */
const timeout = 180_000

/** The older package has the operations that the npm package has too, with `providers` instead of `apps`. */
const versions = {
  '2.0.18': operations.flatMap(({ python, ...rest }) => (python === undefined ? [] : { python, ...rest })),
  '0.6.0': operations.flatMap(({ npm, ...rest }) => (npm === undefined ? [] : { ...rest, python: snakeCase(npm) })),
}

/** Without its dependencies: frameworks of several hundred MB, for adapters that are not used here. */
const TOOLKIT = 'agentmail-toolkit==0.3.2'

test.for(['2.0.18', '0.6.0'] as const)(
  'every operation of the Python package %s works, and each answer has what its models require',
  { timeout },
  async (version, { skip }) => {
    const packages = await packagesOrSkip(skip, `agentmail==${version}`)
    const {
      version: used,
      called,
      problems,
    } = await run(packages, 'python-clients.py', {
      publish: `http://127.0.0.1:${(publisher.address() as AddressInfo).port}/`,
      username: `python-${version.replaceAll('.', '-')}`,
      operations: versions[version].map((operation) => ({ ...operation, state: stateOf(operation) })),
    })
    expect(problems).toEqual([])
    expect(used).toBe(version)
    expect(called).toBe(2 * versions[version].length) // synchronous and asynchronous
  },
)

test('each tool of the toolkit for Python works', { timeout }, async ({ skip }) => {
  const { results, not_run } = await run(await packagesOrSkip(skip, TOOLKIT), 'python-toolkit.py', {})
  expect(not_run).toEqual([])
  const inbox_id = 'toolkit@mail.localhost'
  const sent = { message_id: expect.stringMatching(/^<.+>$/), thread_id: expect.any(String) }
  expect(results).toEqual({
    create_inbox: expect.objectContaining({ inbox_id, display_name: 'Tool Kit' }),
    get_inbox: expect.objectContaining({ inbox_id }),
    list_inboxes: expect.objectContaining({ count: 1, inboxes: [expect.objectContaining({ inbox_id })] }),
    send_message: sent,
    reply_to_message: sent,
    forward_message: sent,
    update_message: { message_id: results.send_message.message_id, labels: ['seen', 'sent'] },
    list_threads: expect.objectContaining({ count: 1 }),
    get_thread: expect.objectContaining({ thread_id: results.send_message.thread_id, subject: 'Hi' }),
    get_attachment: expect.objectContaining({ filename: 'a.txt', size: 1 }),
    delete_inbox: null,
    agent_attach_human: { human_email: 'toolkit-human@mail.localhost', instructions: expect.any(String) },
    agent_verify: { verified: true },
  })
})

interface Packages {
  readonly python: string
  /** A folder with a package that is not in the environment of the README. */
  readonly added?: string
}

/** Provides the environment of the README, whose package has the same dependencies, and the package if it is another one. */
async function packagesOrSkip(skip: (why: string) => never, requirement: string): Promise<Packages> {
  const environment = await readmeEnvironmentOrSkip(skip)
  const python = join(environment, 'bin/python')
  if (isInReadme(requirement)) return { python }
  return { python, added: await packageFolderOrSkip(skip, environment, requirement) }
}

/** Runs a program of this folder, which reads its input and writes its results as JSON. */
async function run({ python, added }: Packages, program: string, input: object) {
  const running = promisify(execFile)(python, [join(import.meta.dirname, program)], {
    env: { ...process.env, ...(added !== undefined && { PYTHONPATH: added }) },
    maxBuffer: 10_000_000,
  })
  const server = { http: world.url, websockets: world.url.replace('http', 'ws'), key: world.rootKey }
  running.child.stdin!.end(JSON.stringify({ ...server, ...input }))
  return JSON.parse((await running).stdout)
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}
