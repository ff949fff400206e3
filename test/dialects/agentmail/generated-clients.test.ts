/**
 * Clients that generators make from the API description run the story of the README and of docs/events.md: an inbox gets a
 * message with a code, the agent waits for it, reads the code and answers. A generated client that does not compile, or whose
 * types do not fit what the server returns, fails.
 */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { root } from '../../support/imports.ts'
import { environmentOrSkip } from '../../support/python-environment.ts'
import { startWorld, type World } from '../../support/world.ts'

const run = promisify(execFile)
let world: World
/** Inside the repository, where packages are found. */
let folder: string
beforeAll(async () => {
  await mkdir(join(root, 'build'), { recursive: true })
  folder = await mkdtemp(join(root, 'build/generated-'))
  world = await startWorld()
  await writeFile(join(folder, 'openapi.json'), JSON.stringify((await world.request('GET', '/v0/openapi.json')).body))
})
afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
  await world[Symbol.asyncDispose]()
})

const environment = (username: string) => ({ ...process.env, URL: world.url, KEY: world.rootKey, USERNAME: username })

/** Sends the message that the story waits for, once its inbox exists. */
async function sendCode(username: string): Promise<void> {
  const address = `${username}@mail.localhost`
  await expect.poll(() => world.agentmail.inboxes.get(address).then(({ email }) => email, String)).toBe(address)
  await world.smtp.send({ to: address, subject: 'Your code', text: 'Your verification code is 482913.' })
}

const STORY = `
import * as martlet from './client.js'

martlet.defaults.baseUrl = process.env.URL!
martlet.defaults.headers = { authorization: \`Bearer \${process.env.KEY}\` }

const { inbox_id } = await martlet.inboxesCreate({ username: process.env.USERNAME!, client_id: process.env.USERNAME! })
const { message } = await martlet.inboxesMessagesWait(inbox_id, { subject: ['code'], waitSeconds: 20 })
if (!message) throw new Error('no message came')
const code: string = message.codes[0]!.code
const sent = await martlet.inboxesMessagesReply(inbox_id, message.message_id, { text: \`It is \${code}.\` })
const { labels } = await martlet.inboxesMessagesGet(inbox_id, sent.message_id)
const failed = await martlet.inboxesCreate({ username: 'a b' }).catch((error) => error.data.code as string)
console.log(JSON.stringify({ code, isSent: labels.includes('sent'), failed }))
`

test('a client generated for TypeScript compiles and runs the story', { timeout: 60_000 }, async () => {
  const modules = join(root, 'node_modules')
  await run(process.execPath, [join(modules, 'oazapfts/dist/cli.js'), '--optimistic', 'openapi.json', 'client.ts'], {
    cwd: folder,
  })
  await writeFile(join(folder, 'story.ts'), STORY)
  await writeFile(join(folder, 'package.json'), '{ "type": "module" }')
  const options = [
    '--ignoreConfig',
    '--strict',
    '--target',
    'es2022',
    '--module',
    'nodenext',
    '--types',
    'node',
    '--outDir',
    '.',
  ]
  const compiled = await run(process.execPath, [join(modules, 'typescript/bin/tsc'), ...options, 'story.ts'], {
    cwd: folder,
  }).catch((error) => error as { stdout: string })
  expect(compiled.stdout).toBe('')

  const story = run(process.execPath, ['story.js'], { cwd: folder, env: environment('ada') })
  await sendCode('ada')
  expect(JSON.parse((await story).stdout)).toEqual({ code: '482913', isSent: true, failed: 'validation_error' })
})

const PYTHON_STORY = `
import os
from client import AuthenticatedClient
from client.api.inboxes import inboxes_create
from client.api.messages import inboxes_messages_get, inboxes_messages_wait
from client.api.sending import inboxes_messages_reply
from client.models import CreateInboxRequest, ReplyToMessageRequest

client = AuthenticatedClient(base_url=os.environ["URL"], token=os.environ["KEY"], timeout=30)
name = os.environ["USERNAME"]
inbox = inboxes_create.sync(client=client, body=CreateInboxRequest(username=name, client_id=name))
found = inboxes_messages_wait.sync(inbox.inbox_id, client=client, subject=["code"], wait_seconds=20)
code = found.message.codes[0].code
reply = ReplyToMessageRequest(text=f"It is {code}.")
sent = inboxes_messages_reply.sync(inbox.inbox_id, found.message.message_id, client=client, body=reply)
message = inboxes_messages_get.sync(inbox.inbox_id, sent.message_id, client=client)
refused = inboxes_create.sync(client=client, body=CreateInboxRequest(username="a b"))
print(code, "sent" in message.labels, refused.code)
`

// The generator takes seconds, and its installation more.
test.runIf(process.env.TEST_LONG === '1')(
  'a client generated for Python runs the story',
  { timeout: 300_000 },
  async ({ skip }) => {
    const environmentPath = await environmentOrSkip(skip, 'openapi-python-client==0.29.1')
    const python = join(environmentPath, 'bin/python')
    const generate = ['generate', '--path', 'openapi.json', '--output-path', 'client', '--meta', 'none']
    const { stdout } = await run(python, ['-m', 'openapi_python_client', ...generate], { cwd: folder })
    expect(stdout).not.toContain('Warning(s) encountered')
    await run(python, ['-m', 'compileall', '-q', 'client'], { cwd: folder })
    await writeFile(join(folder, 'story.py'), PYTHON_STORY)
    const story = run(python, ['story.py'], { cwd: folder, env: environment('bob') })
    await sendCode('bob')
    expect((await story).stdout.trim()).toBe('482913 True validation_error')
  },
)
