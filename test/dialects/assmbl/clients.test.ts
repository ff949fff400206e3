/**
 * Both client packages against one server: the Python module is installed with pip and type-checked with its user's program,
 * which runs every block of Assmbl's documentation; the TypeScript twin is what package.json exports.
 */
import { execFile } from 'node:child_process'
import { createHash, createHmac } from 'node:crypto'
import { existsSync } from 'node:fs'
import { cp, mkdir, mkdtemp, readFile, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { AgentMailClient, AgentMailError } from 'martlet/assmbl'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { filesBelow, root, textOf } from '../../support/imports.ts'
import { environmentOrSkip, readmeEnvironmentOrSkip } from '../../support/python-environment.ts'
import { startWebhookSink, type WebhookSink } from '../../support/webhook-sink.ts'
import { startWorld, type World } from '../../support/world.ts'
import { makeAgent } from './agent.ts'

const SOURCE = 'clients/assmbl/python'
const PROGRAM = join(import.meta.dirname, 'python-client.py')
const run = promisify(execFile)

let world: World
let sink: WebhookSink
let folder: string

beforeAll(async () => {
  world = await startWorld()
  sink = await startWebhookSink()
  folder = await mkdtemp(join(tmpdir(), 'martlet-test-'))
})

afterAll(async () => {
  await world[Symbol.asyncDispose]()
  await sink[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

/**
 * Installs the module, unless an earlier run has installed and checked the same.
 *
 * @param pip Python with pip, which installs for `python`
 * @returns the folder that contains it
 */
async function install(python: string, pip: string): Promise<string> {
  const hash = createHash('sha256').update(textOf('test/dialects/assmbl/python-client.py'))
  for (const file of filesBelow(SOURCE)) hash.update(textOf(file))
  const target = join(root, 'node_modules/.cache/martlet', `agentmail-client-${hash.digest('hex').slice(0, 16)}`)
  if (existsSync(target)) return target
  const copy = join(folder, 'source') // the build leaves files beside the sources
  await cp(join(root, SOURCE), copy, { recursive: true })
  await mkdir(dirname(target), { recursive: true })
  const scratch = await mkdtemp(`${target}-`) // on the same disk
  const offline = ['--no-deps', '--no-index', '--no-build-isolation', '--disable-pip-version-check']
  await run(pip, ['-m', 'pip', '--python', python, '-q', 'install', ...offline, '--target', scratch, copy])
  const environment = { ...process.env, MYPYPATH: scratch }
  const cache = ['--cache-dir', join(folder, 'mypy')]
  await run(python, ['-m', 'mypy', '--strict', ...cache, PROGRAM], { env: environment })
  await rename(scratch, target)
  return target
}

test('the Python module runs every block of the documentation and every call, and is typed', {
  timeout: 180_000,
}, async ({ skip }) => {
  const python = join(await environmentOrSkip(skip, 'setuptools==80.9.0', 'mypy==1.18.2'), 'bin/python')
  const installed = await install(python, join(await readmeEnvironmentOrSkip(skip), 'bin/python'))
  const agent = await makeAgent(world)
  const other = await makeAgent(world)
  const input = {
    ...{ url: world.url, token: agent.key, other_token: other.key },
    ...{ address: agent.address, other_address: other.address, hook: `${sink.url}/python`, folder },
  }
  const program = run(python, [PROGRAM], { env: { ...process.env, PYTHONPATH: installed, PYTHONUTF8: '1' } })
  program.child.stdin!.end(JSON.stringify(input))
  const { stdout } = await program
  expect(JSON.parse(stdout)).toEqual({
    sent_once: true,
    subjects: ['Invoice 7', 'files'],
    verified_types: ['bool'],
    pages: [1, 1],
    raw: true,
    q: ['Invoice 7'],
    empty_q: '400 validation_error',
    labelled: ['urgent'],
    by_label: ['Invoice 7'],
    label_21: '400 validation_error',
    unread: 1,
    unread_list: ['files'],
    archived: ['files'],
    with_archived: 2,
    archived_twice: '409 already_archived',
    bytes: [
      ['grüße.txt', 'from a file'],
      ['b.bin', '\x00\xff'],
    ],
    files: ['from a file', '\x00\xff'],
    named_by_message: true,
    status: 'ready',
    whole: expect.arrayContaining(['please pay', 'x']),
    not_arrived: '404 not_found',
    others_upload: '404 not_found',
    hook: true,
    rotated: true,
    rules: true,
    signatures: [true, true, false, false, false],
    deleted: ['404 not_found', '404 not_found'],
    others: '404 not_found',
    unbuilt: ['403 not_implemented'],
    decrypts: false,
    bad_token: '401 unknown_api_key',
  })
})

test('the TypeScript twin has the same calls', async () => {
  const agent = await makeAgent(world)
  const other = await makeAgent(world)
  const client = new AgentMailClient({ baseUrl: world.url, token: agent.key })
  const sender = new AgentMailClient({ baseUrl: `${world.url}/`, token: other.key })
  const codeOf = (call: Promise<unknown>) =>
    call.then(
      () => 'none',
      (error: unknown) => (error instanceof AgentMailError ? `${error.statusCode} ${error.code}` : String(error)),
    )

  const mail = { to: agent.address, subject: 'Invoice 7', body: 'please pay', idempotencyKey: 'k', correlationId: 't' }
  const sent = await sender.sendMail(mail)
  expect(await sender.sendMail(mail)).toEqual(sent)
  expect(sent).toMatchObject({ correlation_id: 't', idempotency_key: 'k' })
  const content = new Uint8Array([0, 255])
  await sender.sendMail({ to: [agent.address], subject: 'files', attachments: [{ fileName: 'b.bin', content }] })
  await expect.poll(async () => (await client.getUnreadCount()).unread_count).toBe(2)

  const { items } = await client.listInbox({ q: 'INVOICE', isRead: false, verifiedOnly: false })
  const id = items[0]!.MessageID
  expect(await client.getMessage(id)).toMatchObject({ Subject: 'Invoice 7', raw_mime: expect.stringContaining('pay') })
  expect((await client.patchMessageLabels(id, { add: ['urgent'] })).labels).toEqual(['urgent'])
  expect((await client.listInbox({ label: 'urgent' })).items).toHaveLength(1)
  await client.patchMessageRead(id)
  await client.patchMessageArchive(id)
  expect(await codeOf(client.patchMessageArchive(id))).toBe('409 already_archived')
  expect((await client.listInbox()).items.map(({ Subject }) => Subject)).toEqual(['files'])
  const sizes: number[] = []
  for await (const page of client.iterInboxPages({ pageSize: 1, includeArchived: true })) sizes.push(page.items.length)
  expect(sizes).toEqual([1, 1])
  for await (const message of client.iterInbox()) {
    expect(message.downloaded_attachments).toMatchObject([{ filename: 'b.bin', bytes: content, status: 'ready' }])
    expect((await client.getInboundAttachmentStatus(message.MessageID, 0)).size_bytes).toBe(2)
  }
  const { object_key } = await sender.requestAttachmentUpload({ fileName: 'c', contentType: 'a/b', maxBytes: 1 })
  expect(await codeOf(sender.requestAttachmentDownload(object_key))).toBe('404 not_found')

  const { signing_secret = '' } = await client.putWebhook({ url: `${sink.url}/node` })
  expect(await client.getWebhook()).not.toHaveProperty('signing_secret')
  const rules = [{ id: 'a', channels: { webhook: { url: `${sink.url}/rule` } } }]
  await client.putNotifications(rules)
  expect((await client.getNotifications()).rules).toMatchObject(rules)
  await client.putNotifications([])
  const verify = (ageSeconds: number) => {
    const timestamp = Math.round(Date.now() / 1_000) - ageSeconds
    const hash = createHmac('sha256', signing_secret).update(`${timestamp}.{}`).digest('hex')
    const signed = { signingSecret: signing_secret, timestamp, rawBody: '{}', signatureHeader: `v1=${hash}` }
    return AgentMailClient.verifyWebhookSignature(signed)
  }
  expect([verify(0), verify(298), verify(301)]).toEqual([true, true, false])
  await client.deleteWebhook()

  await client.deleteMessage(id)
  expect(await codeOf(client.deleteMessage(id))).toBe('404 not_found')
  expect(await codeOf(client.sendMail({ to: 'a@b.test', marketplaceRequestId: 'r' }))).toBe('403 not_implemented')
  expect(() => new AgentMailClient({ baseUrl: 'mail.test', token: 'x' })).toThrow(TypeError)
})

test('the package exports the client with its types', async () => {
  const { exports } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8'))
  for (const file of Object.values<string>(exports['./assmbl'])) expect(existsSync(join(root, file))).toBe(true)
})
