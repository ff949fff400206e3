/** Limits of requests per key, as clients see them: in each dialect, on streams and sockets, and by the SDKs, which wait. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { AgentMailClient } from 'agentmail'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { readmeEnvironmentOrSkip } from '../support/python-environment.ts'
import { startWorld, type World } from '../support/world.ts'

/** One token per second. */
const LIMIT = 60

let world: World
beforeAll(async () => {
  world = await startWorld({ env: { MARTLET_KEY_REQUESTS: String(LIMIT) } })
})
afterAll(() => world[Symbol.asyncDispose]())

test('each response of a limited key says what is left, in every dialect, errors and event streams included', async () => {
  const inbox = await world.agentmail.inboxes.create({})
  const key = await keyOf(`/v0/inboxes/${inbox.inboxId}/api-keys`)
  let left = LIMIT
  for (const [method, path, status] of [
    ['GET', '/v0/auth/me', 200],
    ['HEAD', '/v0/auth/me', 200],
    ['GET', '/v0/inboxes/nobody@mail.localhost', 404],
    ['GET', '/v0/pods', 403],
    ['GET', '/api/v1/inboxes', 200],
    ['GET', '/api/v0/inboxes', 200],
    ['GET', '/inbox', 200],
    ['GET', '/peers/x', 403],
  ] as const) {
    const { headers, ...answer } = await world.request(method, path, { key })
    expect(answer.status, path).toBe(status)
    expect(rateOf(headers), path).toMatchObject({ limit: LIMIT })
    left -= 1
    expect(rateOf(headers).remaining, path).toBeGreaterThanOrEqual(left)
    expect(rateOf(headers).remaining, path).toBeLessThan(LIMIT)
    expect(Math.abs(rateOf(headers).reset - Date.now() / 1_000), path).toBeLessThan(15)
  }
  const stream = await fetch(`${world.url}/v0/events/stream?api_key=${key}`)
  expect([stream.status, rateOf(stream.headers).limit]).toEqual([200, LIMIT])
  await stream.body!.cancel()
  // Nobody's limit, or none.
  for (const other of [world.rootKey, 'am_wrong', ''])
    expect((await world.request('GET', '/v0/auth/me', { key: other })).headers.get('x-ratelimit-limit')).toBeNull()
})

test('a key over its limit gets 429 with Retry-After before anything is done, and other keys do not', async () => {
  const inbox = await world.agentmail.inboxes.create({})
  const path = `/v0/inboxes/${inbox.inboxId}/api-keys`
  const key = await keyOf(path)
  const other = await keyOf(path)
  await useUp(key)
  const headers = { origin: 'https://app.example.com' }
  const refused = await world.request('POST', '/v0/inboxes', { key, headers, body: { username: 'never' } })
  expect(refused).toMatchObject({
    status: 429,
    body: {
      name: 'RateLimitError',
      code: 'rate_limit_exceeded',
      message: expect.stringContaining('at most 60 per minute'),
    },
  })
  expect(Object.fromEntries(refused.headers)).toMatchObject({
    'retry-after': '1',
    'x-ratelimit-limit': '60',
    'x-ratelimit-remaining': '0',
    'access-control-allow-origin': '*',
  })
  const bodies = await Promise.all(
    ['/api/v1/inboxes', '/inbox'].map(
      async (other) => (await whileUsedUp(key, () => world.request('GET', other, { key }))).body,
    ),
  )
  expect(bodies).toMatchObject([{ error: { code: 'rate_limit_exceeded' } }, { error: 'rate_limit_exceeded' }])
  const socket = await whileUsedUp(key, () => statusOfSocket(key))
  expect(socket).toEqual({ status: 429, retryAfter: '1' })
  // EventSource gives up for ever after a 429.
  const stream = await fetch(`${world.url}/v0/events/stream?api_key=${key}`, {
    headers: { accept: 'text/event-stream' },
  })
  expect([stream.status, await stream.text()]).toEqual([200, expect.stringMatching(/^retry: \d+\n\n$/)])
  expect((await world.request('GET', '/v0/auth/me', { key: other })).status).toBe(200)
  expect((await world.agentmail.inboxes.list()).inboxes.map(({ email }) => email)).not.toContain('never@mail.localhost')
})

test('the SDK waits as long as Retry-After says, and then succeeds', async () => {
  const key = await keyOf('/v0/api-keys')
  let answers: { readonly status: number; readonly at: number }[] = []
  const client = new AgentMailClient({
    ...{ apiKey: key, baseUrl: world.url, maxRetries: 2 },
    fetch: async (...args: Parameters<typeof fetch>) => {
      const response = await fetch(...args)
      answers.push({ status: response.status, at: performance.now() })
      return response
    },
  })
  // On a busy machine, the bucket has a token again before the SDK asks.
  while (!answers.some(({ status }) => status === 429)) {
    await useUp(key)
    answers = []
    expect((await client.inboxes.list()).count).toBeGreaterThan(0)
  }
  expect(answers.map(({ status }) => status)).toEqual([429, 200])
  expect(answers[1]!.at - answers[0]!.at).toBeGreaterThan(900)
})

test('the Python SDK waits in the same way', { timeout: 180_000 }, async ({ skip }) => {
  const python = join(await readmeEnvironmentOrSkip(skip), 'bin/python')
  const key = await keyOf('/v0/api-keys')
  await useUp(key)
  const program = `import os, time
from agentmail import AgentMail
from agentmail.environment import AgentMailEnvironment
url = os.environ["URL"]
client = AgentMail(api_key=os.environ["KEY"], environment=AgentMailEnvironment(http=url, websockets=url))
statuses = []
client._client_wrapper.httpx_client.httpx_client.event_hooks = {"response": [lambda response: statuses.append(response.status_code)]}
for _ in range(70):
    if 429 not in statuses:
        client.inboxes.list()
print(statuses[-2:])
`
  const env = { ...process.env, URL: world.url, KEY: key }
  const { stdout } = await promisify(execFile)(python, ['-c', program], { env })
  expect(stdout.trim()).toBe('[429, 200]')
})

async function keyOf(path: string): Promise<string> {
  return (await world.request('POST', path, { body: {} })).body.api_key
}

/** Requests until one is refused: the bucket gains a token each second. */
async function useUp(key: string): Promise<void> {
  let isRefused = false
  while (!isRefused) {
    const answers = await Promise.all(Array.from({ length: 100 }, () => world.request('GET', '/v0/auth/me', { key })))
    isRefused = answers.some(({ status }) => status === 429)
  }
}

async function whileUsedUp<Result extends { status: number }>(
  key: string,
  run: () => Promise<Result>,
): Promise<Result> {
  for (;;) {
    const result = await run()
    if (result.status === 429) return result
    await useUp(key)
  }
}

function statusOfSocket(key: string): Promise<{ status: number; retryAfter?: string | undefined }> {
  return new Promise((resolve) => {
    const socket = new WebSocket(`${world.url.replace('http', 'ws')}/v0?api_key=${key}`)
    socket.on('error', () => undefined)
    socket.on('open', () => socket.terminate()).on('open', () => resolve({ status: 101 }))
    socket.on('unexpected-response', (_request, response) =>
      resolve({ status: response.resume().statusCode!, retryAfter: response.headers['retry-after'] }),
    )
  })
}

function rateOf(headers: Headers) {
  const numberOf = (name: string) => Number(headers.get(`x-ratelimit-${name}`) ?? Number.NaN)
  return { limit: numberOf('limit'), remaining: numberOf('remaining'), reset: numberOf('reset') }
}
