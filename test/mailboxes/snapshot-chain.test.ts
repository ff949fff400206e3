import { expect, test } from 'vitest'
import { FlagSets } from '../../src/mail/mailboxes/views/flag-sets.ts'
import { type MailboxSnapshot, SnapshotChain } from '../../src/mail/mailboxes/views/mailbox-snapshot.ts'
import { missingFrom } from '../../src/mail/mailboxes/views/vanished-uids.ts'
import type { ShownEntryRow } from '../../src/store/tables/mailbox-entries-table.ts'
import { expectBounded } from '../formats/bounded.ts'
import { seededRandom } from '../support/seeded-random.ts'

const entry = (uid: number, flags = '', modseq = 1): ShownEntryRow =>
  ({ uid, flags, modseq, hidden: 0, is_deleted: 0 }) as ShownEntryRow

function chainOf(count: number): SnapshotChain {
  const entries = Array.from({ length: count }, (_, index) => entry(index + 1))
  return new SnapshotChain(entries, { uidNext: count + 1, highestModseq: 1 }, new FlagSets())
}

test('a session that lags keeps the changes, and not a copy of the mailbox for each of them', () => {
  const chain = chainOf(100_000)
  const believed = chain.latest
  const usedBytes = () => process.memoryUsage().rss
  const before = usedBytes()
  for (let seq = 2; seq <= 402; seq += 1) chain.advance([entry(seq, '\\Seen', seq)], [], seq)
  expect(believed.next).toBeDefined()
  // The copies would be 800 MB. What is garbage, and not collected yet, counts here too.
  expect(usedBytes() - before).toBeLessThan(300 * 1024 * 1024)
})

test('a snapshot that a session keeps says what it said, whatever has changed since', () => {
  const random = seededRandom(7)
  const chain = chainOf(50)
  const states: { snapshot: MailboxSnapshot; said: string }[] = []
  const say = ({ uids, flags, modseqs }: MailboxSnapshot) =>
    [...uids].map((uid, index) => `${uid} ${flags[index]!.join(' ')} ${modseqs[index]}`).join('\n')
  let [uidNext, seq] = [51, 1]
  for (let step = 0; step < 200; step += 1) {
    states.push({ snapshot: chain.latest, said: say(chain.latest) })
    seq += 1
    const uids = Array.from(chain.latest.uids)
    const gone = uids.filter(() => random() < 0.03)
    const changed = uids.filter((uid) => !gone.includes(uid) && random() < 0.1)
    const added = random() < 0.5 ? [uidNext++, uidNext++] : []
    const flags = () => (random() < 0.5 ? '\\Seen' : '')
    chain.advance(
      [...changed, ...added].map((uid) => entry(uid, flags(), seq)),
      gone,
      seq,
    )
  }
  for (const { snapshot, said } of states) expect(say(snapshot)).toBe(said)
})

test('what happens elsewhere gives a new snapshot with the same messages, and does not make the chain longer', () => {
  // The numbers of a snapshot rose in place, under the sessions that had it.
  const chain = chainOf(100_000)
  const first = chain.latest
  const before = process.memoryUsage().rss
  for (let seq = 2; seq <= 2_000; seq += 1) chain.advance([], [], seq)
  expect([first.highestModseq, chain.latest.highestModseq]).toEqual([1, 2_000])
  expect(first.next).toMatchObject({ vanished: [], changed: [], appendedCount: 0 })
  expect(first.next!.snapshot).toBe(chain.latest)
  expect(chain.latest.uids).toBe(first.uids)
  const second = chain.latest
  chain.advance([entry(100_001, '', 2_001)], [5], 2_001)
  chain.advance([], [100_002], 2_002) // it came and went
  expect([second.next!.vanished, second.next!.snapshot]).toEqual([[5], chain.latest])
  expect([second.uidNext, chain.latest.uidNext, first.uids.length]).toEqual([100_001, 100_003, 100_000])
  expect(process.memoryUsage().rss - before).toBeLessThan(100 * 1024 * 1024)
})

test('a mailbox that loses all of its messages at once', () => {
  const chain = chainOf(200_000)
  chain.advance([], Array.from(chain.latest.uids), 2)
  expect(chain.latest.uids).toHaveLength(0)
})

test('UIDs that vanished are found in time for the gaps and the ranges, not for each pair of both', () => {
  const uids = Uint32Array.from({ length: 50_000 }, (_, index) => 3 * index + 1)
  const known = Array.from({ length: 50_000 }, (_, index) => ({ first: 3 * index + 2, last: 3 * index + 2 }))
  expect(expectBounded(() => missingFrom(uids, 150_001, known))).toEqual(known) // minutes otherwise
  expect(missingFrom(uids.subarray(0, 2), 9, [{ first: 1, last: 20 }])).toEqual([
    { first: 2, last: 3 },
    { first: 5, last: 8 },
  ])
})

// A mailbox that stays open for long kept each set of flags that one of its messages ever had.
test('sets of flags that no message has any more are forgotten; those of messages stay one object', () => {
  const flagSets = new FlagSets()
  const numbers = { uidNext: 3, highestModseq: 1 }
  const chain = new SnapshotChain([entry(1), entry(2, 'Kept \\Seen')], numbers, flagSets)
  const other = new SnapshotChain([entry(1, 'other')], { ...numbers, uidNext: 2 }, flagSets)
  let largest = 0
  for (let seq = 2; seq <= 5_000; seq += 1) {
    chain.advance([entry(1, `k${seq}`, seq)], [], seq)
    flagSets.sweep(() => [chain.latest.flags, other.latest.flags])
    largest = Math.max(largest, flagSets.size, flagSets.keywords.size)
  }
  expect(largest).toBeLessThan(1_100)
  expect(flagSets.keywords).toContain('k5000')
  expect(flagSets.keywords).toContain('kept')
  expect(flagSets.keywords).not.toContain('k2')
  const before = [chain.latest, other.latest]
  chain.advance([entry(1, 'other', 5_001), entry(2, 'Kept \\Seen', 5_001)], [], 5_001)
  other.advance([entry(1, 'other', 5_001)], [], 5_001)
  expect(chain.latest.flags[1]).toBe(before[0]!.flags[1])
  expect(other.latest.flags[0]).toBe(before[1]!.flags[0])
  expect(chain.latest.flags[0]).toBe(other.latest.flags[0])
})
