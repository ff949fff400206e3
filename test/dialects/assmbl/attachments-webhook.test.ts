/** Attachments and the webhook of an agent, by raw HTTP. One server for all tests. */
import { createHmac } from 'node:crypto'
import { connect } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startWebhookSink, type WebhookSink } from '../../support/webhook-sink.ts'
import { startWorld, type World } from '../../support/world.ts'
import { type Agent, makeAgent, receiveMail } from './agent.ts'

const MIB = 1024 * 1024

let world: World
let sink: WebhookSink

beforeAll(async () => {
  world = await startWorld({ limits: { http: { largeBodiesBytesMax: 4 * MIB } } })
  sink = await startWebhookSink()
})

afterAll(async () => {
  await world[Symbol.asyncDispose]()
  await sink[Symbol.asyncDispose]()
})

/** Requests an upload and posts the form that the answer describes. */
async function upload(agent: Agent, name: string, type: string, bytes: string, maxBytes = 100) {
  const request = { file_name: name, content_type: type, max_bytes: maxBytes }
  const { body } = await agent.request('POST', '/attachments/upload', request)
  const { url, ...fields } = body.upload
  const form = new FormData()
  for (const [field, value] of Object.entries<string>(fields)) form.append(field, value)
  form.append('file', new Blob([bytes], { type }), name)
  const posted = await fetch(url, { method: 'POST', body: form })
  return { key: body.object_key as string, status: posted.status, answer: await posted.text() }
}

test('an uploaded file is downloaded, sent, and received with its status', async () => {
  const ada = await makeAgent(world)
  const bob = await makeAgent(world)
  const { key, status } = await upload(ada, 'grüße.txt', 'text/plain', 'hello file')
  expect(status).toBe(204)
  expect(key).toMatch(new RegExp(`^uploads/${ada.address}/[\\da-f-]{36}$`))
  const own = await ada.request('POST', '/attachments/download', { object_key: key })
  expect(await (await fetch(own.body.url)).text()).toBe('hello file')

  const attachments = [{ object_key: key }, { object_key: key, file_name: 'copy.txt', content_type: 'text/csv' }]
  await ada.request('POST', '/send', { to: bob.address, subject: 'files', body: 'x', attachments })
  const items = async () => (await bob.request('GET', '/inbox')).body.items
  await expect.poll(async () => (await items()).length).toBe(1)
  const [{ MessageID: id, Attachments }] = await items()
  const first = {
    index: 0,
    status: 'ready',
    file_name: 'grüße.txt',
    content_type: 'text/plain',
    size_bytes: 10,
  }
  expect(Attachments).toEqual([first, { ...first, index: 1, file_name: 'copy.txt', content_type: 'text/csv' }])
  expect((await bob.request('GET', `/messages/${id}/attachments/0`)).body).toEqual(first)
  const link = await bob.request('POST', `/messages/${id}/attachments/1/download`)
  expect(await (await fetch(link.body.url)).text()).toBe('hello file')

  expect((await bob.request('GET', `/messages/${id}/attachments/2`)).status).toBe(404)
  expect((await bob.request('GET', `/messages/${id}/attachments/one`)).status).toBe(400)
  expect((await ada.request('GET', `/messages/${id}/attachments/0`)).status).toBe(404)
})

test('a repeated send that has uploaded its file again returns the first answer', async () => {
  const ada = await makeAgent(world)
  const bob = await makeAgent(world)
  const send = async () => {
    const { key } = await upload(ada, 'a.txt', 'text/plain', 'hello file')
    const attachments = [{ object_key: key, file_name: 'a.txt' }]
    return ada.request('POST', '/send', { to: bob.address, subject: 's', body: 'x', attachments, idempotency_key: 'k' })
  }
  const first = await send()
  expect(first.status).toBe(200)
  expect((await send()).body).toEqual(first.body)
})

test('a file that is not as requested is refused, and so is that of another agent', async () => {
  const ada = await makeAgent(world)
  const bob = await makeAgent(world)
  const large = await upload(ada, 'a.bin', 'application/octet-stream', 'too many bytes', 5)
  expect(large).toMatchObject({ status: 413, answer: expect.stringContaining('body_too_large') })
  const { key } = await upload(ada, 'a.txt', 'text/plain', 'mine')
  for (const wrong of [key, key.replace(ada.address, bob.address), 'uploads/x', '../secret']) {
    expect((await bob.request('POST', '/attachments/download', { object_key: wrong })).status, wrong).toBe(404)
    const mail = { to: bob.address, subject: 's', body: 'x', attachments: [{ object_key: wrong }] }
    expect((await bob.request('POST', '/send', mail)).status, wrong).toBe(404)
  }
  for (const body of [
    {},
    { file_name: '', content_type: 'text/plain', max_bytes: 1 },
    { file_name: 'a', content_type: 'x', max_bytes: 1 },
    { file_name: 'a', content_type: 'text/plain', max_bytes: 1.5 },
  ]) {
    expect((await ada.request('POST', '/attachments/upload', body)).status).toBe(400)
  }
  expect((await world.request('GET', '/attachments/files/nonsense', { key: '' })).status).toBe(404)
})

test('unfinished uploads of one tenant leave room for those of others', async () => {
  const ada = await makeAgent(world)
  const { body: pod } = await world.request('POST', '/v0/pods', { body: { name: 'other' } })
  const inbox = await world.request('POST', `/v0/pods/${pod.pod_id}/inboxes`, { body: { username: 'other' } })
  const keys = `/v0/inboxes/${encodeURIComponent(inbox.body.inbox_id)}/api-keys`
  const otherKey = (await world.request('POST', keys, { body: {} })).body.api_key
  const bytes = 1.5 * MIB
  const linkOf = async (key: string) => {
    const body = { file_name: 'a.bin', content_type: 'a/b', max_bytes: bytes }
    return (await world.request('POST', '/attachments/upload', { key, body })).body.upload.url as string
  }
  const post = async (url: string) =>
    (await fetch(url, { method: 'POST', headers: { 'content-type': 'a/b' }, body: Buffer.alloc(bytes) })).status

  const { host, port, pathname } = new URL(await linkOf(ada.key))
  const socket = connect(Number(port), '127.0.0.1')
  socket.on('error', () => undefined)
  socket.write(`POST ${pathname} HTTP/1.1\r\nHost: ${host}\r\nContent-Type: a/b\r\nContent-Length: ${bytes}\r\n\r\nx`)
  const again = await linkOf(ada.key)
  await expect.poll(() => post(again)).toBe(503)
  expect(await post(await linkOf(otherKey))).toBe(204)
  socket.destroy()
  await expect.poll(() => post(again)).toBe(204)
})

test('a webhook is put once, signs each received message, and gets a new secret when asked', async () => {
  const agent = await makeAgent(world)
  expect((await agent.request('GET', '/webhook')).status).toBe(404)
  const put = (body: object) => agent.request('PUT', '/webhook', { url: `${sink.url}/one`, ...body })
  const { body: made } = await put({})
  expect(made).toMatchObject({ url: `${sink.url}/one`, enabled: true, signing_secret: expect.any(String) })
  expect((await put({})).body).not.toHaveProperty('signing_secret')
  const shown = await agent.request('GET', '/webhook')
  expect(shown.body).toMatchObject({ url: `${sink.url}/one`, enabled: true, disabled_reason: null })
  expect(shown.body).not.toHaveProperty('signing_secret')

  const key = { 'X-AgentMail-Idempotency-Key': 'w1' }
  const before = sink.calls.length
  const item = await receiveMail(world, agent, { subject: 'to the hook', headers: key })
  const call = (await sink.count(before + 1))[before]!
  expect(call.event).toEqual({
    event: 'mail.received',
    event_id: expect.any(String),
    timestamp: expect.any(String),
    agent_id: agent.address,
    message: item,
  })
  const sign = (secret: string, { headers, body }: typeof call) =>
    `v1=${createHmac('sha256', secret).update(`${headers['x-agentmail-timestamp']}.${body}`).digest('hex')}`
  expect(call.headers['x-agentmail-signature']).toBe(sign(made.signing_secret, call))
  expect(Math.abs(Number(call.headers['x-agentmail-timestamp']) - Date.now() / 1_000)).toBeLessThan(60)

  // A repeat is not reported; the next message is, with the new secret.
  await receiveMail(world, agent, { subject: 'a repeat', headers: key })
  const { body: rotated } = await put({ rotate_secret: true })
  expect(rotated.signing_secret).not.toBe(made.signing_secret)
  await receiveMail(world, agent, { subject: 'after' })
  const next = (await sink.count(before + 2))[before + 1]!
  expect(next.event.message.Subject).toBe('after')
  expect(next.headers['x-agentmail-signature']).toBe(sign(rotated.signing_secret, next))

  await put({ enabled: false })
  expect((await agent.request('GET', '/webhook')).body.enabled).toBe(false)
  expect((await agent.request('DELETE', '/webhook')).body).toEqual({ deleted: true })
  expect((await agent.request('DELETE', '/webhook')).status).toBe(404)
  for (const url of ['ftp://x.test', 'nothing', 'https://u:p@x.test']) expect((await put({ url })).status).toBe(400)
  // AgentMail's clients do not see webhooks of this dialect.
  await put({})
  const at = `/v0/inboxes/${encodeURIComponent(agent.address)}/webhooks`
  expect((await world.request('GET', at)).body.webhooks).toEqual([])
})
