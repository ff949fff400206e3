/**
 * Schemathesis (PyPI) makes requests from the API description, and checks the responses against it: no 5xx, no status and no
 * body that the description does not have, nothing accepted that breaks it, and nothing refused that matches it without
 * a reason in it (schemathesis/hooks.py).
 *
 * The short form tests a few operations with few requests; which ones depends on TEST_SEED. `TEST_LONG=1` tests all of them
 * with 50 requests each and more for every rule of a schema, which takes a quarter of an hour.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { textOf } from '../../support/imports.ts'
import { environmentOrSkip } from '../../support/python-environment.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { startWorld, type World } from '../../support/world.ts'

const isLong = process.env.TEST_LONG === '1'
const seed = Number(process.env.TEST_SEED ?? 24)
const folder = join(import.meta.dirname, 'schemathesis')
const OPERATIONS = 6
/** Responses that stay open, and requests that wait. */
const OPEN = ['events_stream', 'inboxes_messages_wait']

test('requests from the API description get what it says', { timeout: isLong ? 3_600_000 : 180_000 }, async ({
  skip,
}) => {
  const environment = await environmentOrSkip(skip, 'schemathesis==4.32.5')
  await using world = await startWorld({ startPaused: true, env: { MARTLET_DNS_SERVERS: '127.0.0.1:1' } })
  const scratch = await mkdtemp(join(tmpdir(), 'martlet-test-'))
  try {
    const config = join(scratch, 'schemathesis.toml')
    await writeFile(
      config,
      textOf('test/dialects/agentmail/schemathesis/schemathesis.toml') + (await parameters(world)),
    )
    const key = ['--header', `Authorization: Bearer ${world.rootKey}`]
    const args = [
      '-m',
      'schemathesis.cli',
      '--no-color',
      '--config-file',
      config,
      'run',
      `${world.url}/v0/openapi.json`,
      ...key,
    ]
    args.push(...(await selection(world)), ...OPTIONS)
    const { stdout } = await promisify(execFile)(join(environment, 'bin/python'), args, {
      cwd: scratch,
      env: {
        ...process.env,
        PYTHONPATH: folder,
        SCHEMATHESIS_HOOKS: 'hooks',
        PYTHONDONTWRITEBYTECODE: '1',
      },
      maxBuffer: 1024 ** 3,
    }).catch((error) => ({ stdout: `${error.stdout}${error.stderr}` }))
    const failures = stdout.indexOf('= FAILURES')
    expect(failures === -1 ? '' : withoutLongLines(stdout.slice(failures))).toBe('')
    expect(stdout.slice(-2_000)).toMatch(/Test cases:\n +\d+ generated, \d+ passed/)
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
})

/** Requests can have megabytes. */
function withoutLongLines(text: string): string {
  return text.replace(/(.{1000}).+/g, '$1 …').slice(0, 50_000)
}

const EXCLUDED = [
  'positive_data_acceptance', // hooks.py has a stricter one
  'allow_header_conformance', // Allow names the methods of operations that are not built, too
  'ensure_resource_availability', // the parameters of paths are given: the object that was just created is not asked for
]

const OPTIONS = [
  ...['--checks', 'all', '--exclude-checks', EXCLUDED.join(',')],
  ...['--phases', isLong ? 'examples,coverage,fuzzing,stateful' : 'examples,fuzzing'],
  ...['--max-examples', isLong ? '50' : '4', '--seed', String(seed)],
  ...['--continue-on-failure', '--no-shrink', '--request-timeout', '20', '--warnings', 'off'],
]

/** Real objects for the parameters of paths: an id that is made up gets 404 before anything else is checked. */
async function parameters({ agentmail }: World): Promise<string> {
  const { podId } = await agentmail.pods.create({ name: 'pod' })
  const inboxId = 'ada@mail.localhost'
  await agentmail.pods.inboxes.create(podId, { username: 'ada' })
  const { messageId, threadId } = await agentmail.inboxes.messages.send(inboxId, {
    to: inboxId,
    subject: 'a',
    text: 'b',
  })
  const { draftId } = await agentmail.inboxes.drafts.create(inboxId, { to: [inboxId], text: 'b' })
  const { webhookId } = await agentmail.webhooks.create({
    url: 'https://hooks.example.com/',
    eventTypes: ['message.sent'],
  })
  const ids = { pod: podId, inbox: inboxId, message: messageId, thread: threadId, draft: draftId, webhook: webhookId }
  const lines = Object.entries(ids).map(([name, id]) => `"path.${name}_id" = ${JSON.stringify(id)}`)
  // A deletion would take the objects from the tests after it.
  const made = Object.keys(ids).map((name) => `"path.${name}_id" = "00000000-0000-7000-8000-000000000000"`)
  return `\n[parameters]\n${lines.join('\n')}\n\n[[operations]]\ninclude-method = "DELETE"\nparameters = { ${made.join(', ')} }\n`
}

async function selection({ url }: World): Promise<string[]> {
  if (isLong) return OPEN.flatMap((id) => ['--exclude-operation-id', id])
  const { paths } = (await (await fetch(`${url}/v0/openapi.json`)).json()) as { paths: Record<string, object> }
  const ids = Object.values(paths).flatMap((path) =>
    Object.values(path).map(({ operationId }) => operationId as string),
  )
  const random = seededRandom(seed)
  const chosen = ids
    .filter((id) => !OPEN.includes(id))
    .toSorted(() => random() - 0.5)
    .slice(0, OPERATIONS)
  return ['inboxes_messages_send', 'inboxes_create', ...chosen].flatMap((id) => ['--include-operation-id', id])
}
