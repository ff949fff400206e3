/** Tests when the next check of a domain is due, with a real store and DNS that does not answer. */
import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { createLog } from '../../src/log.ts'
import { createCheckDomain } from '../../src/mail/domains/check-domain.ts'
import { newDomain } from '../../src/mail/domains/domains.ts'
import { makePrivateKey, storeSigningKey } from '../../src/mail/domains/signing-keys.ts'
import * as domains from '../../src/store/tables/domains-table.ts'
import { insertOrganization, openTestStore } from '../store/test-store.ts'

const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE

test('while DNS does not answer, the pauses between checks grow, and the checks end like others that fail', async () => {
  let now = Date.now()
  await using store = await openTestStore({ clock: () => now })
  const pem = await makePrivateKey()
  const row = await store.transaction(async (tx) => {
    await insertOrganization(tx, 'one')
    const times = { created_at: tx.now, updated_at: tx.now }
    const made = { ...newDomain('lame.test', 'm'), id: tx.newId(), organization_id: 'one', ...times }
    await domains.insert(tx, made)
    await storeSigningKey(tx, made, pem)
    return made
  })
  const checkDomain = createCheckDomain({
    store,
    observe: () => Promise.reject(Object.assign(new Error('queryTxt ESERVFAIL'), { code: 'ESERVFAIL' })),
    server: { hostname: 'mail.test', spfTerm: undefined },
    graceMs: DAY,
    clock: () => now,
    log: createLog('silent'),
    limits: withLimits({}),
  })
  const nextPause = async () => {
    await expect(checkDomain.check(row.id, 'test')).rejects.toMatchObject({ code: 'domain_check_failed' })
    const next = (await domains.getById(store.db, row.id))?.next_check_at
    return typeof next === 'number' ? (next - now) / MINUTE : next
  }
  expect([await nextPause(), await nextPause(), await nextPause()]).toEqual([1, 2, 4])
  now += 15 * DAY
  expect(await nextPause()).toBeNull()
})
