/**
 * Runs the client packages in clients/ and programs in the form of the service's quickstart on one server: with the URL and
 * the key changed, they run as they stand.
 */
import { execFile, spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import AgentPost, { AgentPostError, type AgentPostEvent, type RealtimeConnection } from 'martlet/agentpost'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { WebSocket } from 'ws'
import { root } from '../../support/imports.ts'
import { environmentOrSkip, readmeEnvironmentOrSkip } from '../../support/python-environment.ts'
import { startWorld, type World } from '../../support/world.ts'

let world: World
beforeAll(async () => {
  // With 100 ms, the pongs of a program alone come close to the ten frames a second that a socket may send.
  world = await startWorld({ limits: { sockets: { heartbeatMs: 400 } } })
})
afterAll(() => world[Symbol.asyncDispose]())

const clientOf = (options: { environment?: string } = {}) =>
  new AgentPost({ apiKey: world.rootKey, baseUrl: `${world.url}/api/v1`, ...options })

const receive = (inbox: { email: string }, subject: string) =>
  world.smtp.send({ to: inbox.email, subject, text: `text of ${subject}` })

/** Collects what a program prints; a test waits for lines. */
function recorder() {
  const lines: string[] = []
  const print = (...values: unknown[]) => void lines.push(values.join(' '))
  return {
    lines,
    console: { log: print, error: print },
    /** Each line once: a program prints a line for each ping. */
    printed: (line: string) => expect.poll(() => [...new Set(lines)].slice(-50)).toContain(line),
  }
}

test('the TypeScript package calls every endpoint', async () => {
  const client = clientOf()
  const environment = await client.environments.create({ name: 'SDK', slug: 'sdk' })
  expect(await client.environments.get(environment.id)).toEqual(environment)
  const inEnvironment = clientOf({ environment: 'sdk' })
  const inbox = await inEnvironment.inboxes.create({ username: 'sdk', display_name: 'Sdk', client_id: 'sdk-1' })
  expect(inbox.environment_id).toBe(environment.id)
  expect((await inEnvironment.inboxes.list()).data).toEqual([inbox])
  expect(await client.inboxes.update(inbox.id, { display_name: null })).toMatchObject({ display_name: null })

  const file = await client.attachments.upload({ filename: 'a.txt', mime_type: 'text/plain', content: 'grüße' })
  const sent = await client.messages.send(
    inbox.id,
    { to: [{ email: inbox.email }], subject: 'Self', text_body: 'Hi', attachments: [file] },
    { idempotencyKey: 'sdk-1' },
  )
  expect(sent).toMatchObject({ direction: 'outbound', has_attachments: true })
  const { download_url } = await client.attachments.get(sent.attachments[0]!.id)
  expect(await (await fetch(download_url)).text()).toBe('grüße')
  await receive(inbox, 'In')
  const [message] = (await client.messages.list(inbox.id, { limit: 1, labels: ['unread', 'received'] })).data
  expect(await client.messages.addLabels(message!.id, ['Todo'])).toMatchObject({
    labels: expect.arrayContaining(['todo']),
  })
  expect((await client.messages.removeLabels(message!.id, { labels: ['todo'] })).labels).not.toContain('todo')
  expect(await client.messages.reply(message!.id, { text_body: 'Re' })).toMatchObject({ subject: 'Re: In' })
  expect(await client.messages.forward(message!.id, { to: 'a@b.test' })).toMatchObject({ subject: 'Fwd: In' })
  const [thread] = (await client.threads.list(inbox.id, { limit: 20 })).data
  expect((await client.threads.addLabels(thread!.id, ['seen'])).labels).toContain('seen')
  expect((await client.threads.removeLabels(thread!.id, ['seen'])).labels).not.toContain('seen')
  expect((await client.threads.get(thread!.id)).messages.length).toBe(thread!.message_count)
  await client.threads.delete(thread!.id)

  const draft = await client.drafts.create(inbox.id, { to: 'a@b.test', subject: 'Draft', text_body: '1' })
  expect((await client.drafts.list(inbox.id)).data).toMatchObject([{ id: draft.id }])
  expect(await client.drafts.update(draft.id, { text_body: '2' })).toMatchObject({ text_body: '2' })
  expect(await client.drafts.get(draft.id)).toMatchObject({ text_body: '2' })
  const message2 = await client.drafts.send(draft.id)
  await client.messages.delete(message2.id)
  await client.drafts.delete((await client.drafts.create(inbox.id, {})).id)

  const webhook = await inEnvironment.webhooks.create({ url: 'http://127.0.0.1:9/', event_types: ['message.sent'] })
  expect(webhook).toMatchObject({ environment_id: environment.id, secret: expect.stringMatching(/^whsec_/) })
  expect(await client.webhooks.update(webhook.id, { enabled: false })).toMatchObject({ enabled: false })
  expect((await client.webhooks.rotateSecret(webhook.id)).secret).not.toBe(webhook.secret)
  await client.webhooks.delete(webhook.id)
  const key = await inEnvironment.apiKeys.create({ name: 'k' })
  expect((await inEnvironment.apiKeys.list()).data).toMatchObject([{ id: key.id, name: 'k' }])
  await client.apiKeys.delete(key.id)
  const domain = await inEnvironment.domains.create({ domain: 'sdk.example' })
  expect((await client.domains.get(domain.id)).dns_records!.length).toBeGreaterThan(2)
  await client.domains.delete(domain.id)
  expect((await client.metrics.get({ inbox_id: inbox.id })).data).not.toEqual([])
  expect((await inEnvironment.metrics.rates()).data.length).toBeGreaterThan(0)
  expect(await client.org.get()).toMatchObject({ id: expect.stringMatching(/^org_/) })
  await client.inboxes.delete(inbox.id)

  for (const [call, error] of [
    [() => client.org.invite({ email: 'a@b.test', role: 'member' }), { status: 501, code: 'not_implemented' }],
    [() => client.inboxes.get('inb_1'), { status: 404, code: 'not_found' }],
    [() => client.inboxes.create({ email: 'x' }), { status: 400, field: expect.any(String) }],
    [() => clientOf({ environment: 'none' }).inboxes.list(), { code: 'not_found' }],
  ] as const) {
    const thrown = await call().then(
      () => undefined,
      (caught: unknown) => caught,
    )
    expect(thrown).toBeInstanceOf(AgentPostError)
    expect(thrown).toMatchObject(error)
  }
})

test('a program with the TypeScript package prints events, for one inbox and for environments', async () => {
  const inbox = await clientOf().inboxes.create({ username: 'quickstart' })
  const run = (subscription: object) => {
    const { console, printed } = recorder()
    const client = clientOf()
    const ws = client.realtime.connect()
    onTestFinished(() => ws.close())
    const open = new Promise<void>((resolve) => ws.on('open', resolve))
    ws.on('open', () => {
      console.log('Connected')
      ws.subscribe(subscription)
    })
    ws.on('event', (event) => {
      if (event.type === 'message.received') console.log(`New: ${event.data.from_address} ${event.data.subject}`)
      if (event.type === 'message.sent') console.log(`Sent: ${event.data.to_addresses.join(', ')}`)
    })
    ws.on('close', (code, reason) => console.log(`Closed: ${code} ${reason}`))
    return { printed, open, ws }
  }
  const one = run({ events: ['message.received', 'message.sent'], inbox_id: inbox.id })
  const all = run({ environmentIds: [inbox.environment_id] })
  await Promise.all([one.open, all.open])
  await receive(inbox, 'Quick')
  await clientOf().messages.send(inbox.id, { to: 'a@b.test', text_body: 'x' })
  for (const { printed } of [one, all]) {
    await printed('New: ann@example.test Quick')
    await printed('Sent: a@b.test')
  }
  one.ws.close()
  await one.printed('Closed: 1000 ')
})

test('the connection of the TypeScript package survives a lost one, and misses nothing', async () => {
  const opened: WebSocket[] = []
  class Recorded extends WebSocket {
    constructor(url: string) {
      super(url)
      opened.push(this)
    }
  }
  Object.assign(globalThis, { WebSocket: Recorded })
  onTestFinished(() => void Reflect.deleteProperty(globalThis, 'WebSocket'))
  const inbox = await clientOf().inboxes.create({ username: 'resumes' })
  const events: AgentPostEvent[] = []
  const ws: RealtimeConnection = clientOf().realtime.connect()
  onTestFinished(() => ws.close())
  ws.on('open', () => ws.subscribe({ inbox_id: inbox.id }))
  ws.on('event', (event) => void events.push(event))
  const subjects = () => expect.poll(() => events.map(({ data }) => data.subject))
  await new Promise<void>((resolve) => ws.once('open', resolve))
  // The subscription is certain when its acknowledgement has arrived, which the client does not show.
  const received = async () => {
    await receive(inbox, 'first')
    return events.length
  }
  await expect.poll(received).toBeGreaterThan(0)
  events.length = 0
  opened[0]!.terminate()
  await receive(inbox, 'while away')
  await subjects().toContain('while away')
  expect(opened).toHaveLength(2)
  await receive(inbox, 'again')
  await subjects().toContain('again')
  expect(events.filter(({ data }) => data.subject === 'again')).toHaveLength(1)
})

test('a key that the server refuses ends the connection of the TypeScript package with an error', async () => {
  const ws = new AgentPost({ apiKey: 'ap_sk_live_wrong', baseUrl: world.url }).realtime.connect()
  const error = await new Promise((resolve) => ws.on('error', resolve))
  expect(error).toMatchObject({ status: 401, code: 'unknown_api_key' })
})

/** As the quickstart of the service shows a listener without a package, with its URL and key. */
const listener = (inboxId: string) => `
  const ws = new WebSocket('wss://api.agent-post.dev/ws?token=ap_sk_live_your_key_here')
  ws.onopen = () => {
    console.log('Connected')
    ws.send(JSON.stringify({ type: 'subscribe', event_types: ['message.received', 'message.sent'] }))
    ws.send(JSON.stringify({ type: 'subscribe', inbox_id: '${inboxId}' }))
  }
  ws.onmessage = (event) => {
    const message = JSON.parse(event.data)
    if (message.type === 'event') console.log('Event: ' + message.data.type + ' ' + message.data.data.subject)
    if (message.type === 'ping') {
      ws.send(JSON.stringify({ type: 'pong' }))
      console.log('Pong')
    }
  }
  ws.onclose = (event) => console.log('Closed: ' + event.code)
  return ws`

/** And one that reconnects. */
const reconnecting = `
  class ReconnectingWebSocket {
    attempts = 0
    constructor(url, onEvent) {
      this.url = url
      this.onEvent = onEvent
      this.connect()
    }
    connect() {
      this.ws = new WebSocket(this.url)
      this.ws.onopen = () => {
        this.attempts = 0
        this.ws.send(JSON.stringify({ type: 'subscribe', event_types: ['message.received'] }))
        console.log('Subscribed')
      }
      this.ws.onmessage = (event) => {
        const message = JSON.parse(event.data)
        if (message.type === 'ping') this.ws.send(JSON.stringify({ type: 'pong' }))
        else if (message.type === 'event') this.onEvent(message.data)
      }
      this.ws.onclose = () => {
        if (this.attempts >= 10 || this.isOver) return
        setTimeout(() => this.connect(), 1 * Math.pow(2, this.attempts))
        this.attempts += 1
      }
    }
  }
  return new ReconnectingWebSocket('wss://api.agent-post.dev/ws?token=ap_sk_live_your_key_here', (event) => {
    console.log('Received: ' + event.data.subject)
  })`

/** Runs a program after its URL and key were changed. */
function runHere(program: string, console: object) {
  const here = program
    .replaceAll('wss://api.agent-post.dev', world.url.replace('http', 'ws'))
    .replaceAll('ap_sk_live_your_key_here', world.rootKey)
  return new Function('WebSocket', 'console', here)(WebSocket, console)
}

test('programs with a bare WebSocket print events, answer pings, and reconnect', async () => {
  const inbox = await clientOf().inboxes.create({ username: 'bare' })
  const one = recorder()
  const socket: WebSocket = runHere(listener(inbox.id), one.console)
  onTestFinished(() => socket.terminate())
  const two = recorder()
  const reconnecter = runHere(reconnecting, two.console)
  onTestFinished(() => {
    reconnecter.isOver = true
    reconnecter.ws.terminate()
  })
  await one.printed('Connected')
  await one.printed('Pong')
  await two.printed('Subscribed')
  await receive(inbox, 'Bare')
  await one.printed('Event: message.received Bare')
  await two.printed('Received: Bare')
  reconnecter.ws.terminate()
  await expect.poll(() => two.lines.filter((line) => line === 'Subscribed')).toHaveLength(2)
  await receive(inbox, 'Later')
  await two.printed('Received: Later')
  expect(one.lines).not.toContain('Closed: 1000')
})

test('wscat subscribes and prints events, although it never answers a ping', async () => {
  const inbox = await clientOf().inboxes.create({ username: 'wscat' })
  const url = `${world.url.replace('http', 'ws')}/ws?token=${world.rootKey}`
  const subscribe = JSON.stringify({ type: 'subscribe', event_types: ['message.received'], inbox_id: inbox.id })
  const wscat = join(root, 'node_modules/wscat/bin/wscat')
  const program = spawn(process.execPath, [wscat, '--connect', url, '--execute', subscribe, '--wait', '60'])
  onTestFinished(() => void program.kill())
  const printed = createInterface({ input: program.stdout })[Symbol.asyncIterator]()
  const frame = async (type: string) => {
    for (;;) {
      const { value } = await printed.next()
      const found = /\{.*\}/.exec(value)?.[0]
      if (found !== undefined && JSON.parse(found).type === type) return JSON.parse(found)
    }
  }
  await frame('subscribed')
  await frame('ping')
  await frame('ping')
  await receive(inbox, 'For wscat')
  expect((await frame('event')).data).toMatchObject({ type: 'message.received', data: { subject: 'For wscat' } })
})

test('the Python package and programs with `websockets` print events, reconnect and call every endpoint', {
  timeout: 180_000,
}, async ({ skip }) => {
  const environment = await readmeEnvironmentOrSkip(skip)
  const inbox = await clientOf().inboxes.create({ username: 'python' })
  const program = spawn(join(environment, 'bin/python'), ['-u', join(import.meta.dirname, 'agentpost-clients.py')], {
    env: {
      ...{ PATH: process.env.PATH, PYTHONPATH: join(root, 'clients/agentpost/python'), PYTHONDONTWRITEBYTECODE: '1' },
      ...{ AGENTPOST_BASE_URL: world.url, AGENTPOST_API_KEY: world.rootKey },
      ...{ INBOX_ID: inbox.id, INBOX_EMAIL: inbox.email, ENVIRONMENT_ID: inbox.environment_id },
    },
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  onTestFinished(() => void program.kill())
  const { lines, console, printed } = recorder()
  createInterface({ input: program.stdout }).on('line', console.log)
  await printed('calls: done')
  for (const name of ['stream', 'listener', 'loop']) await printed(`${name}: ready`)
  await receive(inbox, 'Snake')
  await printed('stream: message.received ann@example.test Snake')
  await printed('environments: message.received Snake')
  await printed('listener: message.received Snake')
  await printed('loop: Snake')
  await printed('listener: pong')
  await printed('stream: lost')
  await receive(inbox, 'While away')
  await printed('stream: message.received ann@example.test While away')
  expect(lines.filter((line) => line.startsWith('problem'))).toEqual([])
})

test.runIf(process.env.TEST_LONG)(
  'the Python package installs with pip, and is typed',
  { timeout: 300_000 },
  async ({ skip }) => {
    const environment = await environmentOrSkip(skip, 'mypy==2.4.1')
    const folder = await mkdtemp(join(tmpdir(), 'martlet-test-'))
    onTestFinished(() => rm(folder, { recursive: true, force: true }))
    const run = promisify(execFile)
    const source = join(root, 'clients/agentpost/python')
    await run(
      'bash',
      ['-c', `cp -r "$1" copy && python3 -m venv .venv && .venv/bin/pip install -q ./copy`, '-', source],
      { cwd: folder },
    )
    const use = `
from agentpost import AgentPost, Event

def subject_of(event: Event) -> str:
    return str(event.data["subject"])

client = AgentPost(api_key="k", environment="env", base_url="http://127.0.0.1:1")
inbox = client.inboxes.create(username="x")
subjects = (subject_of(event) for event in client.realtime.stream(events=["message.received"], inbox_id=inbox["id"]))
`
    await writeFile(join(folder, 'use.py'), use)
    const mypy = ['-m', 'mypy', '--strict', '--python-executable', join(folder, '.venv/bin/python')]
    for (const checked of ['use.py', 'copy/agentpost']) {
      await run(join(environment, 'bin/python'), [...mypy, checked], { cwd: folder }) // fails with a type error
    }
  },
)
