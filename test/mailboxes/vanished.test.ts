/** Tests what clients learn of messages that have left (RFC 7162 §3.2.5) while retention removes what this is read from. */
import { expect, onTestFinished, test } from 'vitest'
import { pauseAfterReads } from '../store/count-statements.ts'
import { startMailboxes, startNode } from './mailbox-world.ts'

test.each([
  ['VANISHED names it', 2],
  ['an open mailbox loses it', 4],
])('a message leaves, and its event and tombstone are removed between any two reads: %s', async (outcome, reads) => {
  await using world = await startMailboxes()
  let left = Number.POSITIVE_INFINITY
  const tables: string[] = []
  const paused = pauseAfterReads(world.store, async (table) => {
    tables.push(table)
    left -= 1
    if (left === 0) await removeAllEvents()
  })
  const node = await startNode(paused)
  onTestFinished(() => node.feed.stop())
  await node.feed.stop() // it reads the log too
  const others: string[] = []
  for (let count = 0; count < reads; count += 1) others.push(await world.receive())
  const other = await (await world.logIn()).open('INBOX')
  const mailbox = await (await world.logIn(undefined, node)).open('INBOX')

  for (let last = 1; last <= reads; last += 1) {
    const id = await world.receive()
    const { highestModseq, uids } = await mailbox.refresh()
    const uid = Array.from(uids).at(-1)!
    await trash(id)
    if (outcome.startsWith('VANISHED')) await mailbox.refresh()
    tables.length = 0
    left = last
    if (outcome.startsWith('VANISHED')) {
      const vanished = await mailbox.vanishedSince(highestModseq, [{ first: uid, last: uid }])
      expect(vanished, tables.join(', ')).toEqual([{ first: uid, last: uid }])
    } else {
      expect(Array.from((await mailbox.refresh()).uids), tables.join(', ')).not.toContain(uid)
    }
    expect(tables.length, tables.join(', ')).toBeGreaterThanOrEqual(last)
  }

  async function trash(id: string): Promise<void> {
    await world.node.labels.change(world.actor, world.inboxId, [id], { add: ['trash'] })
  }

  /** What retention does; the next change of the mailbox removes the tombstones. */
  async function removeAllEvents(): Promise<void> {
    await other.refresh()
    await world.store.transaction(async (tx) => {
      const { last_seq } = await tx.selectFrom('event_log').select('last_seq').executeTakeFirstOrThrow()
      await tx.updateTable('event_log').set({ floor_seq: last_seq }).execute()
    })
    await trash(others.pop()!)
    await other.refresh()
  }
})
