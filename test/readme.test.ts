/**
 * Runs README.md, docs/tutorial.md and docs/curl.md: every block of commands is executed in order, in a separate folder, with a server
 * started as described, and every block of output is compared with the real one (support/page-reader.ts).
 *
 * The README gives one agent in two languages. Each test follows the page as a reader who chooses one of them.
 */
import { spawnSync } from 'node:child_process'
import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { root, textOf } from './support/imports.ts'
import { blocksOf } from './support/page-blocks.ts'
import { createReader, type PageReader, withPorts } from './support/page-reader.ts'
import { readmeEnvironmentOrSkip } from './support/python-environment.ts'

/** The headings under which the README shows the agent; everything else is for all readers. */
const agents = ['In TypeScript', 'In Python']
const timeout = 180_000

const readme = blocksOf(textOf('README.md'))

describe('README.md', () => {
  const installation = readme.filter(({ heading }) => heading === 'Install and run')
  let reader: PageReader | undefined

  // One server for all tests. What follows the installation is repeated in each.
  beforeAll(async () => {
    reader = await createReader()
    await reader.follow(installation)
  })
  afterAll(() => reader?.leave())

  async function followWithAgent(agent: string): Promise<void> {
    const headings = readme.map(({ heading }) => heading)
    for (const heading of ['Install and run', ...agents]) expect(headings).toContain(heading)
    const omitted = agents.filter((other) => other !== agent)
    await reader!.follow(readme.filter((block) => !installation.includes(block) && !omitted.includes(block.heading)))
  }

  test('the commands work with the agent in TypeScript, which subscribes again after a restart of the server', {
    timeout,
  }, async () => {
    await followWithAgent('In TypeScript')
    await reader!.restartServer()
    await reader!.shows('Waiting for mail to agent@mail.localhost')
  })

  test('the commands work with the agent in Python and print what the page shows', { timeout }, async ({ skip }) => {
    await readmeEnvironmentOrSkip(skip)
    await followWithAgent('In Python')
  })
})

test('the commands of the tutorial work and print what it shows', { timeout }, async () => {
  const reader = await createReader()
  onTestFinished(() => reader.leave())
  await reader.follow(blocksOf(textOf('docs/tutorial.md')))
})

test('the commands of the page about curl work and print what it shows', { timeout }, async () => {
  const reader = await createReader()
  onTestFinished(() => reader.leave())
  await reader.follow(blocksOf(textOf('docs/curl.md')))
})

// A free port such as 29937 began with a port of the page, and its first digits were replaced again.
test('a port of a page is replaced once, and only as a whole', () => {
  const ports = { 8080: 25_251, 2525: 29_937, 2993: 40_000 }
  const page = 'at http://127.0.0.1:8080/docs, 127.0.0.1:2525, 127.0.0.1:2993 (TLS), 127.0.0.1:29930, 192.0.2.1:8080'
  const local =
    'at http://127.0.0.1:25251/docs, 127.0.0.1:29937, 127.0.0.1:40000 (TLS), 127.0.0.1:29930, 192.0.2.1:8080'
  expect(withPorts(page, ports)).toBe(local)
})

test("the README's agent in TypeScript has no type errors", async () => {
  const folder = await mkdtemp(join(tmpdir(), 'martlet-test-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  await symlink(join(root, 'node_modules'), join(folder, 'node_modules'))
  const agent = readme.find(({ heading, language }) => heading === 'In TypeScript' && language === 'js')
  await writeFile(join(folder, 'agent.mts'), agent!.text)
  const options = ['--strict', '--noEmit', '--skipLibCheck', '--module', 'nodenext', '--types', 'node']
  const { stdout, status } = spawnSync('node_modules/.bin/tsc', [...options, 'agent.mts'], { cwd: folder })
  expect(String(stdout)).toBe('')
  expect(status).toBe(0)
})

test('CI runs the command that the README gives', async () => {
  const commands = readme.map(({ text }) => text.trim())
  expect(commands).toContain('npm ci && npm test')
  const script = await readFile(join(root, '.ci/run'), 'utf8')
  expect(script).toMatch(/^npm ci$/m)
  expect(script).toMatch(/^npm test\b/m)
})
