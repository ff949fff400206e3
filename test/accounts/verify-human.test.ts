/** The human of an agent: when a message with a code is composed and signed. The flow is in dialects/agentmail/sign-up.test.ts. */
import { expect, test } from 'vitest'
import { splitAddress } from '../../src/formats/address/address.ts'
import { createLog } from '../../src/log.ts'
import type { HumanCodes } from '../../src/mail/accounts/human-code.ts'
import { createVerifyHuman } from '../../src/mail/accounts/verify-human.ts'
import type { SignUpRow } from '../../src/store/schema/account-rows.ts'
import * as aliases from '../../src/store/tables/inbox-aliases-table.ts'
import * as inboxes from '../../src/store/tables/inboxes-table.ts'
import * as signUps from '../../src/store/tables/sign-ups-table.ts'
import { FeedWorld } from '../events/feed-world.ts'

// It was before every check: a repeated call made a signature each time.
test('a code is made only for a request that mails it', async () => {
  await using world = await FeedWorld.open({ signUp: { perAddressDayMax: 2 } })
  const { store, time, limits } = world
  const { made, humanCodes } = recordedCodes(1_000)
  const { attach } = createVerifyHuman({
    ...{ store, humanCodes, sharedDomain: 'mail.localhost', clock: time.clock, log: createLog('silent'), limits },
  })
  const { organizationId, address } = await world.addInbox()
  const actor = await world.addKey({ organizationId })
  await addSignUp(world, organizationId, {})
  await addSignUp(world, (await world.addInbox()).organizationId, { human_email: 'theirs@people.dev' })

  expect(await attach(actor, 'Mine@people.dev')).toBe('mine@people.dev')
  expect(made).toEqual(['mine@people.dev'])
  expect(await attach(actor, 'mine@people.dev')).toBe('mine@people.dev') // the code is still valid
  await expect(attach(actor, 'theirs@people.dev')).rejects.toMatchObject({ code: 'human_conflict' })
  await expect(attach(actor, address)).rejects.toMatchObject({ code: 'validation_error' })
  expect(made).toHaveLength(1)

  time.now += 1_000
  await attach(actor, 'mine@people.dev')
  expect(made).toHaveLength(2)
  time.now += 1_000
  await expect(attach(actor, 'mine@people.dev')).rejects.toMatchObject({ code: 'rate_limit_exceeded' })
  await store.transaction((tx) => signUps.update(tx, organizationId, { verified_at: tx.now }))
  await expect(attach(actor, 'other@people.dev')).rejects.toMatchObject({ code: 'human_conflict' })
  expect(made).toHaveLength(2)
})

// The agent got the code itself: at its address with a tag, at an alias, or in an inbox that it created when the first one had bounced.
test('no code is made for an address of this server where an agent gets the mail, or could get it', async () => {
  await using world = await FeedWorld.open()
  const { store, time, limits } = world
  const { made, humanCodes } = recordedCodes(0)
  const [agent, operators, other] = [await world.addInbox(), await world.addInbox(), await world.addInbox()]
  const { domain: sharedDomain } = splitAddress(agent.address)
  const { attach } = createVerifyHuman({
    ...{ store, humanCodes, sharedDomain, clock: time.clock, log: createLog('silent'), limits },
  })
  const actor = await world.addKey({ organizationId: other.organizationId })
  await addSignUp(world, agent.organizationId, {})
  await addSignUp(world, other.organizationId, { human_email: `late@${sharedDomain}`, code_expires_at: 0 })
  await store.transaction(async (tx) => {
    const { domain_id } = (await inboxes.getById(tx, agent.inboxId))!
    const times = { domain_id, created_at: tx.now }
    await aliases.insert(tx, { address: `alias@${sharedDomain}`, inbox_id: agent.inboxId, ...times })
    await aliases.insert(tx, { address: `human@${sharedDomain}`, inbox_id: operators.inboxId, ...times })
  })
  for (const name of ['agent', 'agent+human', 'alias', 'alias+human', 'nobody', 'late'])
    await expect(attach(actor, `${name}@${sharedDomain}`), name).rejects.toMatchObject({ code: 'validation_error' })
  expect(made).toEqual([])
  const humans = [`human@${sharedDomain}`, `human+agent@${sharedDomain}`]
  for (const human of humans) expect(await attach(actor, human)).toBe(human)
  expect(made).toEqual(humans)
})

/** Codes that are valid for this time. `made`: the addresses for which one was composed. */
function recordedCodes(validMs: number) {
  const made: string[] = []
  const humanCodes: HumanCodes = {
    async prepare(human) {
      made.push(human)
      return { human, code: '123456', raw: Buffer.alloc(0), selector: null }
    },
    enqueue: async (tx) => ({
      ...{ code_hash: '', code_expires_at: tx.now + validMs, code_tries: 0, code_submission_id: 'id' },
    }),
  }
  return { made, humanCodes }
}

async function addSignUp({ store }: FeedWorld, organization_id: string, more: Partial<SignUpRow>): Promise<void> {
  await store.transaction((tx) =>
    signUps.insert(tx, {
      ...{ organization_id, human_email: null, human_changes: 0, code_hash: null, code_expires_at: null },
      ...{ code_tries: 0, code_submission_id: null, verified_at: null, created_at: tx.now, updated_at: tx.now },
      ...more,
    }),
  )
}
