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
import { environmentOrSkip } from '../../support/python-environment.ts'
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

/** Most of the time is the installation, which is kept for the next run. */
const timeout = 180_000

/** The older package has the operations that the npm package has too, with `providers` instead of `apps`. */
const versions = {
  '2.0.18': operations.flatMap(({ python, ...rest }) => (python === undefined ? [] : { python, ...rest })),
  '0.6.0': operations.flatMap(({ npm, ...rest }) => (npm === undefined ? [] : { ...rest, python: snakeCase(npm) })),
}

const pip = '.venv/bin/pip -q install'
/** The toolkit without its dependencies: frameworks of several hundred MB, for adapters that are not used here. */
const installations = {
  '2.0.18': `${pip} agentmail==2.0.18 && PIP_NO_DEPS=1 ${pip} agentmail-toolkit==0.3.2`,
  '0.6.0': `${pip} agentmail==0.6.0`,
}

test.for(['2.0.18', '0.6.0'] as const)(
  'every operation of the Python package %s works, and each answer has what its models require',
  { timeout },
  async (version, { skip }) => {
    const python = join(
      await environmentOrSkip(skip, `python3 -m venv .venv && ${installations[version]}`),
      'bin/python',
    )
    const { called, problems } = await run(python, 'python-clients.py', {
      publish: `http://127.0.0.1:${(publisher.address() as AddressInfo).port}/`,
      username: `python-${version.replaceAll('.', '-')}`,
      operations: versions[version].map((operation) => ({ ...operation, state: stateOf(operation) })),
    })
    expect(problems).toEqual([])
    expect(called).toBe(2 * versions[version].length) // synchronous and asynchronous
  },
)

test('each tool of the toolkit for Python works', { timeout }, async ({ skip }) => {
  const python = join(
    await environmentOrSkip(skip, `python3 -m venv .venv && ${installations['2.0.18']}`),
    'bin/python',
  )
  const { results, not_run } = await run(python, 'python-toolkit.py', {})
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

/** Runs a program of this folder, which reads its input and writes its results as JSON. */
async function run(python: string, program: string, input: object) {
  const running = promisify(execFile)(python, [join(import.meta.dirname, program)], { maxBuffer: 10_000_000 })
  const server = { http: world.url, websockets: world.url.replace('http', 'ws'), key: world.rootKey }
  running.child.stdin!.end(JSON.stringify({ ...server, ...input }))
  return JSON.parse((await running).stdout)
}

function snakeCase(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}
