/**
 * Renews the leases of running work, all in one transaction.
 *
 * Crash: the leases expire, and the work is claimed again.
 * Failure: logged and counted; the next renewal tries again before the leases end.
 * Lost lease (this process hung): the work is aborted, because another worker may have claimed it.
 */
import { type LeasedTable, leaseEnd, renewLeases } from '../../store/leases.ts'
import type { Store } from '../../store/store.ts'
import type { Guarded } from './guarded.ts'

/** A lease survives two renewals that fail. */
const RENEWALS_PER_LEASE = 3

/** Rows that one piece of work has leased. */
interface LeasedWork {
  readonly owner: string
  readonly ids: readonly string[]
  /** Aborted when all the rows have another owner or none. */
  readonly abort: AbortController
}

interface LeaseRenewalNeeds {
  readonly store: Store
  readonly table: LeasedTable
  readonly leaseMs: number
  readonly running: () => readonly LeasedWork[]
  readonly guarded: Guarded
}

export interface LeaseRenewal {
  start(): void
  /** Call it when no work is running any more. */
  stop(): void
}

export function createLeaseRenewal({ store, table, leaseMs, running, guarded }: LeaseRenewalNeeds): LeaseRenewal {
  let timer: NodeJS.Timeout | undefined

  return {
    start() {
      timer = setInterval(() => void guarded('renewing leases', renew), leaseMs / RENEWALS_PER_LEASE).unref()
    },

    stop() {
      clearInterval(timer)
    },
  }

  async function renew(): Promise<void> {
    const all = running()
    if (all.length === 0) return
    const lost = await store.transaction(async (tx) => {
      const untilMs = leaseEnd(tx, leaseMs)
      const withoutLease: LeasedWork[] = []
      for (const work of all) {
        const { owner, ids } = work
        const kept = await renewLeases(tx, table, { owner, ids, untilMs })
        if (kept.length === 0) withoutLease.push(work)
      }
      return withoutLease
    })
    for (const { abort } of lost) abort.abort(new Error('the lease was lost'))
  }
}
