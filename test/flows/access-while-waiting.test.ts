/**
 * Tests requests that wait for memory for their responses while access to what they requested changes. All six kinds of
 * requests that wait are sent for each change, and the memory is used by a client that reads nothing.
 */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { startWorld, type World } from '../support/world.ts'

const limits = {
  http: { responsesBytesMax: 1_000_000, responseWaitMs: 60_000, responseStallMs: 60_000, responseStallBusyMs: 60_000 },
}
/** 1.5 MB of control characters are 9 MB in JSON: more than an operating system buffers for a connection. */
const text = `${'\u0001'.repeat(990)}\r\n`.repeat(1_500)
/** More than a response may have without a reservation. */
const subject = `long${' and longer'.repeat(7_000)}`

const [kept, gone] = ['kept@mail.localhost', 'gone@mail.localhost']
let world: World

beforeAll(async () => {
  world = await startWorld({ limits })
  for (const username of ['kept', 'gone']) await world.agentmail.inboxes.create({ username })
  await deliver(kept, 'huge@x.test')
  for (const inbox of [kept, gone]) await deliver(inbox, 'long@x.test')
})

afterAll(() => world[Symbol.asyncDispose]())

async function deliver(to: string, messageId: string): Promise<void> {
  const socket = await world.subscribe()
  const mail = { from: 'ann@example.test', to, messageId: `<${messageId}>` }
  await world.smtp.send(messageId === 'huge@x.test' ? { ...mail, text } : { ...mail, subject, text: 'hello' })
  await socket.next('message.received')
}

const messageOf = (inbox: string, id: string) => `/v0/inboxes/${inbox}/messages/${encodeURIComponent(`<${id}>`)}`

/** Uses all memory, until the socket is destroyed. */
async function useAll(): Promise<Socket> {
  const socket = connect(Number(new URL(world.url).port), '127.0.0.1')
  onTestFinished(() => void socket.destroy())
  socket.on('error', () => undefined)
  await once(socket, 'connect')
  socket.pause()
  const { pathname } = new URL(messageOf(kept, 'huge@x.test'), world.url)
  socket.write(`GET ${pathname} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${world.rootKey}\r\n\r\n`)
  await expect.poll(() => metric('martlet_http_response_bytes')).toBeGreaterThan(8_000_000)
  return socket
}

async function metric(name: string): Promise<number> {
  const { body } = await world.request('GET', '/metrics')
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(body)?.[1])
}

const waiting = () => metric('martlet_http_responses_waiting')

test('a request that waited for memory is refused if its key or its inbox was deleted or changed meanwhile', async () => {
  const { threads } = (await world.request('GET', '/v0/threads')).body
  const threadOf = (inbox: string) =>
    threads.find((each: { inbox_id: string; subject?: string }) => each.inbox_id === inbox && each.subject).thread_id
  const requestsFor = (inbox: string) => [
    messageOf(inbox, 'long@x.test'),
    `/v0/inboxes/${inbox}/messages`,
    `/v0/inboxes/${inbox}/messages/wait?subject=longer`,
    `/v0/inboxes/${inbox}/threads`,
    `/v0/inboxes/${inbox}/threads/${threadOf(inbox)}`,
    `/v0/events?inbox_ids=${inbox}&event_types=message.received`,
  ]
  const newKey = async () => (await world.request('POST', '/v0/api-keys', { body: {} })).body
  const [deleted, narrowed, other] = [await newKey(), await newKey(), await newKey()]

  const holder = await useAll()
  const send = (key: { api_key: string }, inbox: string) =>
    requestsFor(inbox).map(async (path) => (await world.request('GET', path, { key: key.api_key })).status)
  const answers = [send(deleted, kept), send(narrowed, kept), send(other, gone), send(other, kept)]
  await expect.poll(() => waiting()).toBe(24)
  const changes = [
    world.request('DELETE', `/v0/api-keys/${deleted.api_key_id}`),
    world.request('PATCH', `/v0/api-keys/${narrowed.api_key_id}`, { body: { permissions: { inbox_read: true } } }),
    world.request('DELETE', `/v0/inboxes/${gone}`),
  ]
  for (const change of changes) expect((await change).status).toBeLessThan(300)
  expect(await waiting()).toBe(24)
  holder.destroy()

  const statuses = await Promise.all(answers.map((each) => Promise.all(each)))
  expect(statuses).toEqual([401, 403, 404, 200].map((status) => Array(6).fill(status)))
})

test('a message that no longer matches when there is memory is not returned by a wait for a message', async () => {
  const label = (change: object) => world.request('PATCH', messageOf(kept, 'long@x.test'), { body: change })
  await label({ add_labels: ['todo'] })
  const path = `/v0/inboxes/${kept}/messages/wait?labels=todo&wait_seconds=0`
  const holder = await useAll()
  const answer = world.request('GET', path)
  await expect.poll(() => waiting()).toBe(1)
  await label({ remove_labels: ['todo'] })
  holder.destroy()
  const { body } = await answer
  expect(body.message).toBe(null)
  await label({ add_labels: ['todo'] })
  expect((await world.request('GET', `${path}&after=${body.cursor}`)).body.message?.subject).toBe(subject)
})
