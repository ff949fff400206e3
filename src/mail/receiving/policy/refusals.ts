/**
 * Appends an event for each received message that was refused or dropped, in the inbox that would have got it.
 *
 * Strangers cause these events, so their number is bounded: an address has `limits.policy.refusalEventsPerHour` of its own; further
 * refusals are counted, and every `refusalSummaryMs` one event per reason says how many there were. Refusals are collected in memory
 * and written together, so that a refusal costs no transaction of its own.
 *
 * Crash: the events of the last seconds, and counts that were not written yet, are lost. Each refusal is in the log of the server.
 * Retry: events that could not be written are written with the next ones. Stop: `flush(true)` writes everything.
 */
import type { Limits } from '../../../config/limits.ts'
import { type ErrorCode, MailError } from '../../../errors.ts'
import { withoutTag } from '../../../formats/address/address.ts'
import type { Log } from '../../../log.ts'
import type { InboxRow } from '../../../store/schema/tenant-rows.ts'
import type { Store } from '../../../store/store.ts'
import { messageRefused, type RefusedPayload } from '../../events/log/refusal-events.ts'
import { RateBuckets } from './rate-buckets.ts'

export interface Refused {
  /** Envelope sender. */
  readonly sender: string
  readonly remoteAddress?: string | undefined
}

export interface Refusals {
  /** @param recipients addresses that may have an inbox; for others there is no event */
  record(recipients: readonly string[], refused: Refused, error: MailError): void
  /** Writes what is due. @param isAll also counts that are not due yet */
  flush(isAll?: boolean): Promise<void>
}

interface RefusalsNeeds {
  readonly store: Pick<Store, 'transaction'>
  readonly findInbox: (address: string) => Promise<InboxRow | undefined>
  /** Epoch ms. */
  readonly clock: () => number
  readonly limits: Limits
  readonly log: Log
}

type Pending = Omit<RefusedPayload, 'inboxAddress'>

const ACTOR = 'system:receiving'

export function createRefusals({ store, findInbox, clock, limits, log }: RefusalsNeeds): Refusals {
  const { refusalEventsPerHour, refusalSummaryMs, refusalsPendingMax, ratesTrackedMax } = limits.policy
  const own = new RateBuckets({
    perHour: refusalEventsPerHour,
    keysMax: ratesTrackedMax,
    clock: () => performance.now(),
  })
  let pending: Pending[] = []
  /** By address and code. */
  let counted = new Map<string, Pending>()
  let countedSince = 0
  /** Refusals for which there was no space. */
  let leftOut = 0

  return {
    record(recipients, { sender, remoteAddress }, { code, message: reason }) {
      for (const recipient of new Set(recipients.map(withoutTag))) {
        const from = { sender, ...(remoteAddress !== undefined && { remoteAddress }) }
        add({ recipient, ...from, code, reason, timestamp: clock(), count: 1 })
      }
    },

    async flush(isAll = false) {
      const isCountDue = isAll || (counted.size > 0 && performance.now() - countedSince >= refusalSummaryMs)
      const due = [...pending, ...(isCountDue ? counted.values() : [])]
      if (leftOut > 0) log.warn({ count: leftOut }, 'refused messages without an event')
      leftOut = 0
      if (due.length === 0) return
      pending = []
      if (isCountDue) counted = new Map()
      try {
        await write(due)
      } catch (error) {
        pending = [...due, ...pending].slice(0, 2 * refusalsPendingMax)
        throw error
      }
    },
  }

  function add(one: Pending): void {
    if (pending.length < refusalsPendingMax && own.take(one.recipient)) {
      pending.push(one)
      return
    }
    const key = `${one.recipient} ${one.code}`
    const known = counted.get(key)
    if (!known && counted.size >= refusalsPendingMax) {
      leftOut += 1
      return
    }
    if (counted.size === 0) countedSince = performance.now()
    counted.set(key, { ...one, count: (known?.count ?? 0) + 1 })
  }

  async function write(due: readonly Pending[]): Promise<void> {
    const inboxes = new Map<string, InboxRow | undefined>()
    for (const { recipient } of due) if (!inboxes.has(recipient)) inboxes.set(recipient, await findInbox(recipient))
    await store.transaction(async (tx) => {
      for (const one of due) {
        const inbox = inboxes.get(one.recipient)
        if (!inbox) continue
        const { id, organization_id: organizationId, pod_id: podId, address: inboxAddress } = inbox
        const payload = { inboxAddress, ...one }
        tx.append(messageRefused({ actor: ACTOR, inbox: { id, organizationId, podId }, payload }))
      }
    })
  }
}

/** The errors by which policy refuses a message that has arrived. */
const POLICY_REFUSALS: ReadonlySet<string> = new Set<ErrorCode>([
  ...(['dmarc_rejected', 'mail_loop', 'sender_rate_exceeded', 'spam_rejected', 'spam_deferred'] as const),
  'inbox_paused',
])

export function isPolicyRefusal(error: unknown): error is MailError {
  return error instanceof MailError && POLICY_REFUSALS.has(error.code)
}
