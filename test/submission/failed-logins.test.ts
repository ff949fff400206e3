/** Tests the delay of failed logins with a clock of its own: how it grows, ends and is bounded. */
import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { createFailedLogins } from '../../src/mail/access/keys/failed-logins.ts'
import { openSecure, plain, startSubmission } from './submission-world.ts'

const limits = withLimits({
  access: { failedLoginDelayMs: 100, failedLoginDelayMsMax: 350, failedLoginForgetMs: 1_000, failedLoginNamesMax: 3 },
})

test('the delay doubles per network and per account, up to its maximum, and ends after a time without failures', () => {
  let now = 0
  const failedLogins = createFailedLogins({ limits, clock: () => now })
  const fail = (network: string, account: string) => failedLogins.record({ network, account })
  expect([fail('one', 'a'), fail('one', 'b'), fail('one', 'c'), fail('one', 'd')]).toEqual([100, 200, 350, 350])
  expect([fail('two', 'D'), fail('three', 'd')]).toEqual([200, 350])
  now = 2_000
  expect(fail('one', 'd')).toBe(100)
})

test('only the names that failed last are remembered', () => {
  const failedLogins = createFailedLogins({ limits, clock: () => 0 })
  for (const network of ['one', 'two', 'three', 'four']) failedLogins.record({ network, account: network })
  expect(failedLogins.record({ network: 'one', account: 'one' })).toBe(100)
  expect(failedLogins.record({ network: 'four', account: 'four' })).toBe(200)
})

test('a name that fails again is remembered longer than those that do not', () => {
  const failedLogins = createFailedLogins({ limits, clock: () => 0 })
  const delays = ['one', 'two', 'three', 'one', 'four', 'one', 'three', 'two'].map((name) =>
    failedLogins.record({ network: name, account: name }),
  )
  expect(delays).toEqual([100, 100, 100, 200, 100, 350, 200, 100]) // only "two" was forgotten, for "four"
})

test('a right password never waits, also while the answer to a wrong one does', async () => {
  await using server = await startSubmission({
    access: { failedLoginDelayMs: 3_600_000, failedLoginDelayMsMax: 3_600_000 },
  })
  const { world } = server
  const { email: user } = await world.agentmail.inboxes.create({ username: 'ada' })
  const guesser = await openSecure(world)
  guesser.send(`AUTH PLAIN ${plain({ user, pass: 'wrong' })}\r\n`)
  const owner = await openSecure(world)
  expect(await owner.command(`AUTH PLAIN ${plain({ user, pass: world.rootKey })}`)).toMatch(/^235 /)
  expect(guesser.unread).toBe('')
  owner.socket.destroy()
  guesser.socket.destroy() // the wait must not delay the stop
})
