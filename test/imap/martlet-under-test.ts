/** A whole server for the tests of IMAP: sockets, TLS, logins, and the store behind REST. */
import { randomBytes } from 'node:crypto'
import type { LimitOverrides } from '../../src/config/limits.ts'
import { mergeLimits } from '../../src/config/limits.ts'
import type { Log } from '../../src/log.ts'
import { startWorld, type World } from '../support/world.ts'
import type { ImapUnderTest } from './imap-under-test.ts'

export const IMAP_ON = {
  ...{ MARTLET_IMAP_PORT: '0', MARTLET_IMAPS_PORT: '0' },
  MARTLET_IMAP_PLAIN_LOOPBACK: 'on',
} as const

export interface MartletUnderTest extends ImapUnderTest {
  readonly world: World
}

/** An inbox and an app password of it. */
export interface Account {
  readonly user: string
  readonly password: string
}

export async function startMartletImap(limits: LimitOverrides = {}, log?: Log): Promise<MartletUnderTest> {
  const world = await startWorld({
    ...(log && { log }),
    env: IMAP_ON,
    limits: mergeLimits({ access: { failedLoginDelayMs: 0 } }, limits),
  })
  return {
    world,
    port: world.imapPort,
    tlsPort: world.imapsPort,
    createAccount: () => createAccount(world),
    stop: () => world[Symbol.asyncDispose](),
  }
}

export async function createAccount(world: World, username = `u${randomBytes(5).toString('hex')}`): Promise<Account> {
  const { email } = await world.agentmail.inboxes.create({ username })
  const { body } = await world.request('POST', `/v0/inboxes/${email}/app-passwords`, { body: {} })
  return { user: email, password: body.password }
}
