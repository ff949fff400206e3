/** Tests how the HTTP server stops: running requests finish, new ones are refused, and sockets are closed last. */
import { request as httpRequest } from 'node:http'
import { expect, test } from 'vitest'
import { KEY, startEdge } from './edge.ts'
import { FakeFeed } from './fake-feed.ts'
import { openSocket } from './raw-socket.ts'

/** Returns a core function that does not finish until the test releases it. */
function pausedCall<Result>(result: Result) {
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

test('a stop waits for running requests, refuses new ones, and closes sockets last', async () => {
  const sending = pausedCall({ id: 'id', messageId: '<1@h>', threadId: 't', inboxId: 'inbox' })
  const feed = new FakeFeed()
  const edge = await startEdge({ core: { sending: { send: sending.call }, feed } })
  const headers = { authorization: `Bearer ${KEY}` }
  const nodeSocket = await openSocket(`${edge.url}/v0`, headers)
  const pythonSocket = await openSocket(`${edge.url}/v0`, { ...headers, 'x-fern-language': 'Python' })

  const send = edge.request('POST', '/v0/inboxes/a@b.test/messages/send', { body: { to: 'c@d.test' } })
  await expect.poll(sending.hasStarted).toBe(true)
  expect(edge.server.runningCount()).toBe(1) // without the sockets
  const stopped = edge.server.stop(10_000)

  expect(await edge.request('GET', '/readyz')).toMatchObject({ status: 503, body: { failing: ['stopping'] } })
  expect((await edge.request('GET', '/healthz')).status).toBe(200)
  const refused = await edge.request('GET', '/v0/inboxes')
  expect(refused).toMatchObject({ status: 503, body: { name: 'ServiceUnavailableError', code: 'service_unavailable' } })
  expect(refused.headers.get('retry-after')).toBe('1')
  await expect(openSocket(`${edge.url}/v0`, headers)).rejects.toThrow(/^503/)
  expect([nodeSocket.socket.readyState, pythonSocket.socket.readyState]).toEqual([1, 1])

  sending.release()
  const answer = await send
  expect(answer).toMatchObject({ status: 200, body: { message_id: '<1@h>' } })
  expect(answer.headers.get('connection')).toBe('close')
  expect(await nodeSocket.closed).toEqual({ code: 1012, reason: 'stopping' })
  expect(await pythonSocket.closed).toEqual({ code: 1001, reason: 'stopping' })
  await stopped
  expect(edge.server.runningCount()).toBe(0)
  await expect(fetch(`${edge.url}/healthz`)).rejects.toThrow()
})

test('a handshake whose key is still being looked up when a stop begins is refused', async () => {
  const lookup = pausedCall(undefined)
  const edge = await startEdge({ core: { feed: new FakeFeed() }, beforeKey: lookup.call })
  const refused = expect(openSocket(`${edge.url}/v0`, { authorization: `Bearer ${KEY}` })).rejects.toThrow(/^503/)
  await expect.poll(lookup.hasStarted).toBe(true)
  const stopped = edge.server.stop(10_000)
  lookup.release()
  await refused
  await stopped
})

test('a request that takes longer than the grace period is aborted', async () => {
  const sending = pausedCall({ id: 'id', messageId: '<1@h>', threadId: 't', inboxId: 'inbox' })
  const edge = await startEdge({ core: { sending: { send: sending.call } } })
  const send = edge.request('POST', '/v0/inboxes/a@b.test/messages/send', { body: { to: 'c@d.test' } })
  const cutOff = expect(send).rejects.toThrow()
  await expect.poll(sending.hasStarted).toBe(true)
  await edge.server.stop(20)
  await cutOff
  sending.release()
})

test('a stop does not wait for an idle keep-alive connection or a client that does not respond to the close frame', async () => {
  const edge = await startEdge()
  await edge.request('GET', '/healthz') // fetch keeps its connection open
  const mute = await openSocket(`${edge.url}/v0`, { authorization: `Bearer ${KEY}` })
  mute.socket.pause()
  const started = performance.now()
  await edge.server.stop(30_000)
  expect(performance.now() - started).toBeLessThan(2_000)
})

test('a second stop waits for the first', async () => {
  const edge = await startEdge()
  await Promise.all([edge.server.stop(1_000), edge.server.stop(1_000)])
})

test('a request whose client has disconnected does not delay a stop', async () => {
  const sending = pausedCall({ id: 'id', messageId: '<1@h>', threadId: 't', inboxId: 'inbox' })
  const edge = await startEdge({ core: { sending: { send: sending.call } } })
  const request = httpRequest(`${edge.url}/v0/inboxes/a@b.test/messages/send`, {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}` },
  })
  request.on('error', () => undefined)
  request.end('{}')
  await expect.poll(sending.hasStarted).toBe(true)
  request.destroy()
  await expect.poll(() => edge.log.some((line) => line.aborted === true)).toBe(true)
  await edge.server.stop(30_000)
  sending.release()
})
