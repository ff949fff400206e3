/** Tests HTTP/1.1 pipelining: requests that are sent before the previous one is answered. */
import { once } from 'node:events'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import { sharedByFile } from '../support/shared-by-file.ts'
import { startWorld, type World } from '../support/world.ts'

/** For tests that end their subscriptions. */
const sharedWorld = sharedByFile(() => startWorld())

const stream = '/v0/events/stream'
const wait = '/v0/events?after=earliest&wait_seconds=60&event_types=message.delayed'

async function pipeline(world: World, paths: readonly string[]) {
  const { port, host } = new URL(world.url)
  const socket = connect(Number(port), '127.0.0.1')
  let text = ''
  socket.setEncoding('utf8').on('data', (piece: string) => {
    text += piece
  })
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  const head = `HTTP/1.1\r\nHost: ${host}\r\nAuthorization: Bearer ${world.rootKey}\r\n\r\n`
  socket.write(paths.map((path) => `GET ${path} ${head}`).join(''))
  return { socket, answers: () => text.match(/HTTP\/1\.1 \d+/g) ?? [], text: () => text }
}

/** Returns the number of subscriptions to the feed: streams and long polls. */
async function listening(world: World): Promise<number> {
  const { body } = await world.request('GET', '/metrics')
  return Number(/^martlet_event_subscriptions (\d+)$/m.exec(body)![1])
}

test.each([stream, wait])(
  'a connection runs one of its pipelined requests at a time, and none after it is closed: %s',
  async (path) => {
    const world = await sharedWorld()
    const before = await listening(world)
    const { socket } = await pipeline(world, Array(50).fill(path))
    await expect.poll(() => listening(world)).toBe(before + 1)
    await world.request('GET', '/v0/inboxes') // all requests of the connection have arrived by now
    expect(await listening(world)).toBe(before + 1)
    socket.destroy()
    await expect.poll(() => listening(world)).toBe(before)
  },
)

test('the requests of one connection are answered one after another, in order', async () => {
  const world = await sharedWorld()
  const { socket, answers, text } = await pipeline(world, ['/v0/inboxes', '/v0/nothing', '/healthz', '/v0/pods'])
  await expect.poll(() => answers().length).toBe(4)
  expect(answers()).toEqual(['HTTP/1.1 200', 'HTTP/1.1 404', 'HTTP/1.1 200', 'HTTP/1.1 200'])
  expect(text().indexOf('"inboxes"')).toBeLessThan(text().indexOf('"pods"'))
  socket.destroy()
})

test('a connection with too many pipelined requests is closed', async () => {
  await using world = await startWorld({ limits: { http: { pipelinedMax: 3 } } })
  const before = await listening(world)
  const { socket } = await pipeline(world, [wait, wait, wait, wait, wait])
  await once(socket, 'close')
  await expect.poll(() => listening(world)).toBe(before)

  const { socket: patient, answers } = await pipeline(world, ['/healthz', '/v0/pods', '/v0/pods', '/healthz'])
  await expect.poll(() => answers().length).toBe(4) // one runs, and three wait
  patient.destroy()
})

test('a stop does not wait for pipelined requests that have not started', async () => {
  const world = await startWorld()
  await using _end = world
  const before = await listening(world)
  const { socket } = await pipeline(world, [stream, ...Array(20).fill('/v0/inboxes')])
  await expect.poll(() => listening(world)).toBe(before + 1)
  await Promise.all([world.stop(), once(socket, 'close')])
})
