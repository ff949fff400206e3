/** Tests `martlet app-password` against a running server. */
import { PassThrough } from 'node:stream'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runAppPassword } from '../../src/cli/app-password-command.ts'
import { openServerClient } from '../../src/cli/server-client.ts'
import { loadConfig } from '../../src/config/settings.ts'
import { startWorld, type World } from '../support/world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld()
  await world.agentmail.inboxes.create({ username: 'ada' })
})
afterAll(() => world?.[Symbol.asyncDispose]())

async function run(...args: string[]): Promise<string> {
  const out = new PassThrough()
  const config = loadConfig({ MARTLET_ROOT_KEY: world.rootKey })
  const code = await runAppPassword(args, () => openServerClient(config, world.url), out)
  out.end()
  return code === 0 ? text(out) : `exit ${code}`
}

test('create and rotate print only the password, list shows no password, delete revokes it', async () => {
  const inbox = 'ada@mail.localhost'
  const password = await run('create', inbox, '--name', 'phone')
  expect(password).toMatch(/^app_[0-9a-f]{40}\n$/)
  const [line = ''] = (await run('list', inbox)).split('\n')
  expect(line).toMatch(/^[0-9a-f-]{36} {2}app_[0-9a-f]{8}… {2}never used {2}phone$/)
  const id = line.split(' ')[0]!
  expect(await run('rotate', inbox, id)).not.toBe(password)
  expect(await run('delete', inbox, id)).toBe('')
  expect(await run('list', inbox)).toBe('')
})

test('missing arguments and unknown actions are reported', async () => {
  await expect(run('rotate', 'ada@mail.localhost')).rejects.toThrow(
    'martlet app-password rotate takes an inbox and the id of its app password',
  )
  await expect(run('create', 'nobody@mail.localhost')).rejects.toThrow('Inbox not found')
  expect(await run('forget')).toBe('exit 2')
})
