/** How the HTTP server ends: nothing that runs is cut off, nothing new is begun, and sockets go last. */
import { request as httpRequest } from 'node:http'
import { expect, test, vi } from 'vitest'
import { KEY, startEdge } from './edge.ts'
import { FakeFeed } from './fake-feed.ts'
import { openSocket } from './raw-socket.ts'

/** A core call that lasts until the test lets it go. */
function held<Result>(result: Result) {
  let release = () => undefined as unknown
  let started = false
  const gate = new Promise<void>((resolve) => (release = () => resolve()))
  return {
    call: async () => {
      started = true
      await gate
      return result
    },
    hasStarted: () => started,
    release: () => release(),
  }
}

test('a stop waits for what runs, refuses what comes, and closes sockets last', async () => {
  const sending = held({ messageId: '<1@h>', threadId: 't' })
  const feed = new FakeFeed()
  const edge = await startEdge({ core: { sending: { send: sending.call }, feed } })
  const headers = { authorization: `Bearer ${KEY}` }
  const node = await openSocket(`${edge.url}/v0`, headers)
  const python = await openSocket(`${edge.url}/v0`, { ...headers, 'x-fern-language': 'Python' })

  const send = edge.request('POST', '/v0/inboxes/a@b.test/messages/send', { body: { to: 'c@d.test' } })
  await vi.waitUntil(sending.hasStarted)
  const stopped = edge.server.stop(10_000)

  expect(await edge.request('GET', '/readyz')).toMatchObject({ status: 503, body: { failing: ['stopping'] } })
  expect((await edge.request('GET', '/healthz')).status).toBe(200)
  const refused = await edge.request('GET', '/v0/inboxes')
  expect(refused).toMatchObject({ status: 503, body: { name: 'ServiceUnavailableError', code: 'service_unavailable' } })
  expect(refused.headers.get('retry-after')).toBe('1')
  await expect(openSocket(`${edge.url}/v0`, headers)).rejects.toThrow(/^503/)
  expect([node.socket.readyState, python.socket.readyState]).toEqual([1, 1])

  sending.release()
  const answer = await send
  expect(answer).toMatchObject({ status: 200, body: { message_id: '<1@h>' } })
  expect(answer.headers.get('connection')).toBe('close')
  expect(await node.closed).toEqual({ code: 1012, reason: 'stopping' })
  expect(await python.closed).toEqual({ code: 1001, reason: 'stopping' })
  await stopped
  await expect(fetch(`${edge.url}/healthz`)).rejects.toThrow()
})

test('what takes longer than the grace is cut off', async () => {
  const sending = held({ messageId: '<1@h>', threadId: 't' })
  const edge = await startEdge({ core: { sending: { send: sending.call } } })
  const send = edge.request('POST', '/v0/inboxes/a@b.test/messages/send', { body: { to: 'c@d.test' } })
  const cutOff = expect(send).rejects.toThrow()
  await vi.waitUntil(sending.hasStarted)
  await edge.server.stop(20)
  await cutOff
  sending.release()
})

test('an idle keep-alive connection and a peer that never answers a close do not hold the stop up', async () => {
  const edge = await startEdge()
  await edge.request('GET', '/healthz') // fetch keeps its connection
  const mute = await openSocket(`${edge.url}/v0`, { authorization: `Bearer ${KEY}` })
  mute.socket.pause()
  const started = performance.now()
  await edge.server.stop(30_000)
  expect(performance.now() - started).toBeLessThan(2_000)
})

test('a second stop joins the first', async () => {
  const edge = await startEdge()
  await Promise.all([edge.server.stop(1_000), edge.server.stop(1_000)])
})

test('a client that goes away before its answer does not count for ever', async () => {
  const sending = held({ messageId: '<1@h>', threadId: 't' })
  const edge = await startEdge({ core: { sending: { send: sending.call } } })
  const request = httpRequest(`${edge.url}/v0/inboxes/a@b.test/messages/send`, {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}` },
  })
  request.on('error', () => undefined)
  request.end('{}')
  await vi.waitUntil(sending.hasStarted)
  request.destroy()
  await vi.waitUntil(() => edge.log.some((line) => line.aborted === true))
  await edge.server.stop(30_000)
  sending.release()
})
