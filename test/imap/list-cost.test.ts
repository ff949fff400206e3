import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { ImapClient } from './imap-client.ts'
import { startMemoryServer } from './imap-under-test.ts'

/** Each name has many levels, and each level is a name to compare. */
const DEEP = { level: '/a'.repeat(60), count: 20 }
const DEEP_PATTERN = `${'*a%/'.repeat(40)}b`
/** Without levels; each matches, or none does. */
const FLAT = { level: 'a'.repeat(240), count: 150 }
const FLAT_PATTERN = '*a'.repeat(120)

test.each([
  ['LIST', DEEP, `LIST "" (${Array.from({ length: 4 }, (_, index) => `"${DEEP_PATTERN}${index}"`).join(' ')})`],
  ['LSUB', DEEP, `LSUB "" "${DEEP_PATTERN}"`],
  ['LSUB of names that match', FLAT, `LSUB "" "${FLAT_PATTERN}"`],
  ['LSUB of names without levels', FLAT, `LSUB "" "${FLAT_PATTERN}b"`],
])('%s lets other work run while it compares many long names with hostile patterns', async (_name, names, command) => {
  // Work that waits begins in another turn.
  const server = await startMemoryServer({ server: { workMs: 0 } })
  onTestFinished(() => server.stop())
  const account = await server.createAccount()
  const inbox = server.store.inboxes.get(account.user)!
  for (let count = 0; count < names.count; count += 1) {
    const name = `${count}${names.level}`
    inbox.add(name)
    inbox.subscribed.add(name)
  }
  const client = await ImapClient.logIn(server.port, account)
  let quick = Number.POSITIVE_INFINITY // of several: the network can be slow once
  for (let count = 0; count < 5; count += 1) {
    quick = Math.min(quick, await turnsOf(() => client.ok('LIST "" Sent')))
  }
  expect(await turnsOf(() => client.ok(command))).toBeGreaterThan(quick + 5)
})

async function turnsOf(command: () => Promise<unknown>): Promise<number> {
  let isDone = false
  let turns = 0
  const done = command().finally(() => {
    isDone = true
  })
  while (!isDone) {
    await nextTurn()
    turns += 1
  }
  await done
  return turns
}
