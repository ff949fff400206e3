/** Runs the script of docs/move-from-agentmail.md, from one Martlet to another one in the place of AgentMail. */
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { blocksOf } from './support/page-blocks.ts'
import { startWorld } from './support/world.ts'

test('the script copies inboxes and lists, and a second run changes nothing', async () => {
  await using from = await startWorld()
  await using to = await startWorld()
  const { inboxes, lists } = from.agentmail
  await inboxes.create({ username: 'ada', displayName: 'Ada', metadata: { team: 'x' }, clientId: 'agent-1' })
  await inboxes.create({ username: 'bob' })
  await lists.create('receive', 'block', { entry: 'spam.example', reason: 'noise' })
  const [script] = blocksOf(await readFile('docs/move-from-agentmail.md', 'utf8'))
  const env = { ...process.env, FROM_URL: from.url, FROM_KEY: from.rootKey, URL: to.url, KEY: to.rootKey }
  const copy = () => promisify(execFile)(process.execPath, ['--input-type=module', '-e', script!.text], { env })

  expect((await copy()).stdout).toContain('ada@mail.localhost -> ada@mail.localhost')
  const copied = async () => (await to.agentmail.inboxes.list()).inboxes
  const first = await copied()
  expect(first).toEqual(
    expect.arrayContaining([
      expect.objectContaining({
        email: 'ada@mail.localhost',
        displayName: 'Ada',
        metadata: { team: 'x' },
        clientId: 'agent-1',
      }),
      expect.objectContaining({ email: 'bob@mail.localhost' }),
    ]),
  )
  expect((await to.agentmail.lists.list('receive', 'block')).entries).toMatchObject([
    { entry: 'spam.example', reason: 'noise' },
  ])
  await copy()
  expect(await copied()).toEqual(first)
})
