/**
 * Operations of AgentMail's clients that Martlet does not have yet: each says so. The list of the client's operations is
 * read from the source of the installed package.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'
import { unbuiltOperations } from '../../../src/edges/http/dialects/agentmail/routes/agentmail-unbuilt.ts'
import { startWorld } from '../../support/world.ts'

/** Returns "METHOD /v0/path/{}" for each operation of the npm package. */
function operationsOfClient(): Set<string> {
  const entry = createRequire(import.meta.url).resolve('agentmail')
  const resources = join(dirname(entry), 'api')
  const operations = new Set<string>()
  for (const file of readdirSync(resources, { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('client/Client.js')) continue
    const source = readFileSync(join(resources, file), 'utf8')
    for (const [, path, method] of source.matchAll(
      /url\.join\([\s\S]*?,\s*[`"](\/?v0[^`"]*)[`"]\)[\s\S]{0,200}?method: "(\w+)"/g,
    ))
      operations.add(`${method} /${normal(path!.replace(/^\//, '').replace(/\$\{[^}]*\}(?:\)\)\})?/g, '{}'))}`)
  }
  return operations
}

function normal(path: string): string {
  return path.replace(/\{[^}]*\}|:\w+/g, '{}')
}

test('every operation of the client is built, or listed as not built, and none is both', async () => {
  await using world = await startWorld()
  const { body } = await world.request('GET', '/v0/openapi.json')
  const built = new Set(
    Object.entries<object>(body.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${normal(path)}`),
    ),
  )
  const unbuilt = new Set(unbuiltOperations().map(({ method, path }) => `${method} /v0${normal(path)}`))
  const wanted = operationsOfClient()
  expect(wanted.size).toBe(140)
  expect([...wanted].filter((operation) => !built.has(operation) && !unbuilt.has(operation))).toEqual([])
  expect([...unbuilt].filter((operation) => built.has(operation))).toEqual([])
})

test('an operation that is not built answers 401, 404 outside the scope, and then says that it is not built', async () => {
  await using world = await startWorld()
  const { inboxId } = await world.agentmail.inboxes.create({ username: 'ada' })
  const pod = await world.agentmail.pods.create({ name: 'red' })
  const { body: key } = await world.request('POST', `/v0/inboxes/${inboxId}/api-keys`, { body: { permissions: {} } })
  const other = await world.agentmail.pods.inboxes.create(pod.podId, { username: 'bob' })
  const fill = (path: string, inbox: string) =>
    `/v0${path.replace(':inbox_id', encodeURIComponent(inbox)).replace(':pod_id', pod.podId).replace(/:\w+/g, 'x')}`

  for (const { method, path } of unbuiltOperations()) {
    const of = `${method} ${path}`
    const body = method === 'POST' ? { body: '{"not json' } : {}
    const answer = await world.request(method, fill(path, inboxId), body)
    if (/\/(accounts|providers|apps)\//.test(path)) {
      expect(answer, of).toMatchObject({ status: 404, body: { code: 'not_found' } })
      continue
    }
    const shown = `${method} /v0${path.replace(/:(\w+)/g, '{$1}')}`
    expect(answer, of).toMatchObject({
      status: 403,
      body: {
        code: 'not_implemented',
        message: expect.stringContaining(shown),
        fix: expect.stringContaining('No permission'),
      },
    })
    if (path === '/agent/sign-up') continue
    expect((await world.request(method, fill(path, inboxId), { ...body, key: '' })).status, of).toBe(401)
    if (!path.startsWith('/inboxes/:')) continue
    expect((await world.request(method, fill(path, 'nobody@mail.localhost'), body)).status, of).toBe(404)
    const foreign = await world.request(method, fill(path, other.inboxId), { ...body, key: key.api_key })
    expect(foreign, of).toMatchObject({ status: 404, body: { message: 'Inbox not found' } })
  }
})

test('the client gets an error with the code, at once', async () => {
  await using world = await startWorld()
  const refused = { statusCode: 403, body: { code: 'not_implemented' } }
  await expect(world.agentmail.agent.verify({ otpCode: '123456' })).rejects.toMatchObject(refused)
})
