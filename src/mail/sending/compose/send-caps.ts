/**
 * Counts the messages that an inbox and its organization send per day, in the transaction of the send: what exceeds a cap is not
 * accepted, and what is not accepted does not count (docs/adr/0063).
 *
 * Each node counts in rows of its own, and reads those of all. All sends of an organization change its row: if it were one row,
 * nodes would wait for each other from the first send of a group until its commit. Now a cap can be exceeded by what the other nodes
 * have not committed yet.
 */
import { DAY } from '../../../config/limits/limit.ts'
import type { Config } from '../../../config/settings.ts'
import type { MailError } from '../../../errors.ts'
import type { Tx } from '../../../store/handles.ts'
import { rowStep } from '../../../store/row-statements.ts'
import type { InboxRow } from '../../../store/schema/tenant-rows.ts'
import { addCounts, selectCounts } from '../../../store/tables/rate-counts-table.ts'
import { exceeded, periodStart } from '../../access/rates.ts'

/**
 * Counts one message for each of these inboxes, of which one may occur several times.
 *
 * @returns for each, rate_limit_exceeded if its message exceeds a cap: then it does not count
 */
export type CountSends = (
  tx: Tx,
  inboxes: readonly Pick<InboxRow, 'id' | 'organization_id'>[],
) => Promise<(MailError | undefined)[]>

interface SendCapsNeeds {
  readonly config: Pick<Config, 'inboxSendsMax' | 'organizationSendsMax'>
  /** The name of this node in its rows: any text without spaces. */
  readonly node: string
}

const period = 'day'

export function createCountSends({ config, node }: SendCapsNeeds): CountSends {
  const { inboxSendsMax, organizationSendsMax } = config

  return async function countSends(tx, inboxes) {
    const capsOfEach = inboxes.map(capsOf)
    const added = new Map<string, number>()
    for (const { key } of capsOfEach.flat()) added.set(key, (added.get(key) ?? 0) + 1)
    const counts = await addAndRead(tx, added)

    const accepted = new Map<string, number>()
    const refusals = capsOfEach.map((caps) => {
      const over = caps.find(({ key, max }) => counts.get(key)! - added.get(key)! + (accepted.get(key) ?? 0) + 1 > max)
      if (over) return exceeded({ ...over, period }, tx.now)
      for (const { key } of caps) accepted.set(key, (accepted.get(key) ?? 0) + 1)
      return undefined
    })
    const refused = [...added].map(([key, count]) => [key, (accepted.get(key) ?? 0) - count] as const)
    await tx.runRows([rowStep(addCounts, rowsOf(tx, new Map(refused.filter(([, difference]) => difference !== 0))))])
    return refusals
  }

  function capsOf({ id, organization_id }: Pick<InboxRow, 'id' | 'organization_id'>) {
    return [
      { key: `sends of inbox ${id}`, max: inboxSendsMax, what: 'messages sent by this inbox' },
      {
        key: `sends of organization ${organization_id}`,
        max: organizationSendsMax,
        what: 'messages sent by this organization',
      },
    ].filter(({ max }) => max > 0)
  }

  /** @returns the counts of all nodes after that */
  async function addAndRead(tx: Tx, added: ReadonlyMap<string, number>): Promise<ReadonlyMap<string, number>> {
    const period_start = periodStart({ period }, tx.now)
    const keys = [...added.keys()]
    const ofAll = keys.map((key) => ({ low: `${key} `, high: `${key}!`, period_start })) // "!" is the next after " "
    const [, rows] = await tx.runRows([rowStep(addCounts, rowsOf(tx, added)), rowStep(selectCounts, ofAll)])
    const counts = new Map(keys.map((key) => [key, 0]))
    for (const { key, count } of rows) {
      const ofCap = key.slice(0, key.lastIndexOf(' ')) // the name of the node has no space
      counts.set(ofCap, counts.get(ofCap)! + Number(count))
    }
    return counts
  }

  function rowsOf(tx: Tx, added: ReadonlyMap<string, number>) {
    const period_start = periodStart({ period }, tx.now)
    const expires_at = period_start + DAY
    return [...added].map(([key, count]) => ({ key: `${key} ${node}`, period_start, count, expires_at }))
  }
}
