import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { ImapClient } from './imap-client.ts'
import { startMemoryServer } from './imap-under-test.ts'

/** Each name has many levels, and each level is a name to compare. */
const LEVELS = 60
const MAILBOXES = 20
const PATTERN = `${'*a%/'.repeat(40)}b`

test.each([
  ['LIST', `LIST "" (${Array.from({ length: 4 }, (_, index) => `"${PATTERN}${index}"`).join(' ')})`],
  ['LSUB', `LSUB "" "${PATTERN}"`],
])('%s lets other work run while it compares many long names with hostile patterns', async (_name, command) => {
  // Work that waits begins in another turn.
  const server = await startMemoryServer({ server: { workMs: 0 } })
  onTestFinished(() => server.stop())
  const account = await server.createAccount()
  const inbox = server.store.inboxes.get(account.user)!
  for (let count = 0; count < MAILBOXES; count += 1) {
    const name = `${count}${'/a'.repeat(LEVELS)}`
    inbox.add(name)
    inbox.subscribed.add(name)
  }
  const client = await ImapClient.logIn(server.port, account)
  const quick = await turnsOf(() => client.ok('LIST "" Sent'))
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
