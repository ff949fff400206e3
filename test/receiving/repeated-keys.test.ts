/** Which messages of a batch repeat an earlier one. ../flows/repeated-keys.test.ts sends them through a server. */
import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import type { FiledMessage, Filing } from '../../src/mail/messages/filing/filing.ts'
import { labelRepeated, recordKeys } from '../../src/mail/receiving/repeated-keys.ts'
import { openTestStore } from '../store/test-store.ts'

const limits = withLimits()

/** A message of ann, with what the rule reads of it. */
function filing(idempotencyKey: string | undefined, more: Partial<Filing> = {}): Filing {
  const parsed = { from: [{ address: 'Ann@example.test' }], ...(idempotencyKey !== undefined && { idempotencyKey }) }
  return { inbox: { id: 'inbox' }, content: { parsed }, labels: ['received'], authentication: {}, ...more } as Filing
}

const filed = { id: 'id', threadId: 't', messageId: 'm', contentId: 'c' } satisfies FiledMessage

test('a message repeats an earlier one of its batch, or of another batch, from the same authenticated sender', async () => {
  await using store = await openTestStore()
  const file = (filings: readonly Filing[]) =>
    store.transaction(async (tx) => {
      const labelled = await labelRepeated(tx, filings, limits)
      await recordKeys(
        tx,
        labelled,
        labelled.map(() => filed),
      )
      return labelled.map(({ labels }) => labels.includes('duplicate'))
    })
  const other = { inbox: { id: 'other' } as Filing['inbox'] }
  expect(await file([filing('k'), filing(undefined), filing('k'), filing('k', other), filing('l')])).toEqual([
    ...[false, false, true, false, false],
  ])
  expect(await file([filing('k'), filing('l', other)])).toEqual([true, false])
  // Someone who forges the address cannot use up the key of the authenticated sender, nor the other way round.
  const verified = { verifiedDomain: 'example.test' }
  expect(await file([filing('k', verified), filing('k', verified), filing('k')])).toEqual([false, true, true])
})

test('a message that the inbox already had, and messages without a key, record nothing', async () => {
  await using store = await openTestStore()
  const existing = { existing: {} }
  await store.transaction((tx) => recordKeys(tx, [filing('k'), filing(undefined)], [existing, filed]))
  expect(await store.db.selectFrom('received_keys').selectAll().execute()).toEqual([])
})
