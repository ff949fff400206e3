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
import type { Tx } from '../../../store/handles.ts'
import { rowStep } from '../../../store/row-statements.ts'
import type { InboxRow } from '../../../store/schema/tenant-rows.ts'
import { addCounts, selectCounts } from '../../../store/tables/rate-counts-table.ts'
import { exceeded, periodStart } from '../../access/rates.ts'

/** @throws rate_limit_exceeded */
export type CountSend = (tx: Tx, inbox: Pick<InboxRow, 'id' | 'organization_id'>) => Promise<void>

interface SendCapsNeeds {
  readonly config: Pick<Config, 'inboxSendsMax' | 'organizationSendsMax'>
  /** The name of this node in its rows: any text without spaces. */
  readonly node: string
}

export function createCountSend({ config, node }: SendCapsNeeds): CountSend {
  const { inboxSendsMax, organizationSendsMax } = config
  const period = 'day'

  return async function countSend(tx, inbox) {
    const caps = [
      { key: `sends of inbox ${inbox.id}`, max: inboxSendsMax, what: 'messages sent by this inbox' },
      {
        key: `sends of organization ${inbox.organization_id}`,
        max: organizationSendsMax,
        what: 'messages sent by this organization',
      },
    ].filter(({ max }) => max > 0)
    const period_start = periodStart({ period }, tx.now)
    const own = caps.map(({ key }) => ({
      ...{ key: `${key} ${node}`, period_start, count: 1 },
      expires_at: period_start + DAY,
    }))
    const ofAll = caps.map(({ key }) => ({ low: `${key} `, high: `${key}!`, period_start })) // "!" is the next after " "
    const [, counts] = await tx.runRows([rowStep(addCounts, own), rowStep(selectCounts, ofAll)])
    for (const { key, max, what } of caps) {
      const ofKey = counts.filter((row) => row.key.startsWith(`${key} `))
      const count = ofKey.reduce((sum, row) => sum + Number(row.count), 0)
      if (count > max) throw exceeded({ key, max, what, period }, tx.now)
    }
  }
}
