/**
 * Appends an event for each received message that was refused or dropped, in the inbox that would have got it.
 *
 * Strangers cause these events, so their number is bounded: an inbox has `limits.policy.refusalEventsPerHour` of its own, for all of its
 * addresses, because a catch-all has no end of them. Further refusals are counted, and every `refusalSummaryMs` one event per reason
 * says how many there were. Refusals are collected in memory and written together, so that a refusal costs no transaction of its own.
 *
 * Crash: the events of the last seconds, and counts that were not written yet, are lost. Each refusal is in the log of the server.
 * Retry: events that could not be written are written with the next ones. Stop: `flush(true)` writes everything.
 */
import { HOUR } from '../../../config/limits/limit.ts'
import type { Limits } from '../../../config/limits.ts'
import { type ErrorCode, MailError } from '../../../errors.ts'
import { withoutTag } from '../../../formats/address/address.ts'
import type { Log } from '../../../log.ts'
import type { Store } from '../../../store/store.ts'
import * as inboxes from '../../../store/tables/inboxes-table.ts'
import { RateBuckets } from '../../access/rate-buckets.ts'
import { messageRefused, type RefusedPayload } from '../../events/log/refusal-events.ts'
import type { RecipientInboxes } from '../recipient-inboxes.ts'

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
  readonly findInbox: RecipientInboxes['find']
  /** Epoch ms. */
  readonly clock: () => number
  readonly limits: Limits
  readonly log: Log
}

type Pending = Omit<RefusedPayload, 'inboxAddress'>

interface ForInbox {
  readonly inboxId: string
  readonly refused: Pending
}

const ACTOR = 'system:receiving'

export function createRefusals({ store, findInbox, clock, limits, log }: RefusalsNeeds): Refusals {
  const { refusalEventsPerHour, refusalSummaryMs, refusalsPendingMax, ratesTrackedMax } = limits.policy
  const own = new RateBuckets({
    max: refusalEventsPerHour,
    periodMs: HOUR,
    keysMax: ratesTrackedMax,
    clock: () => performance.now(),
  })
  /** Refusals of one message each; collected by address and code when there is no more space. */
  const arrived = new Map<string, Pending>()
  let arrivals = 0
  /** With an event that could not be written. */
  let due: ForInbox[] = []
  /** By inbox and code. */
  let counted = new Map<string, ForInbox>()
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
      if (leftOut > 0) log.warn({ count: leftOut }, 'refused messages without an event')
      leftOut = 0
      // What arrives during the query, or before an error, stays for the next time.
      const keys = [...arrived.keys()]
      const found = await findInboxes(new Set([...arrived.values()].map(({ recipient }) => recipient)))
      for (const key of keys) {
        const refused = arrived.get(key)!
        arrived.delete(key)
        const inboxId = found.get(refused.recipient)
        if (inboxId !== undefined) assign({ inboxId, refused })
      }
      if (isAll || (counted.size > 0 && performance.now() - countedSince >= refusalSummaryMs)) {
        due.push(...counted.values())
        counted = new Map()
      }
      due = due.slice(0, 2 * refusalsPendingMax)
      if (due.length === 0) return
      await write(due)
      due = []
    },
  }

  function add(one: Pending): void {
    const key = arrived.size < refusalsPendingMax ? `${arrivals++}` : `${one.recipient} ${one.code}`
    const known = arrived.get(key)
    if (!known && arrived.size >= 2 * refusalsPendingMax) leftOut += 1
    else arrived.set(key, { ...one, count: (known?.count ?? 0) + 1 })
  }

  /** Gives a refusal an event of its own, or counts it. */
  function assign({ inboxId, refused }: ForInbox): void {
    if (refused.count === 1 && due.length < refusalsPendingMax && own.take(inboxId)) {
      due.push({ inboxId, refused })
      return
    }
    const key = `${inboxId} ${refused.code}`
    const known = counted.get(key)
    if (!known && counted.size >= refusalsPendingMax) {
      leftOut += refused.count
      return
    }
    if (counted.size === 0) countedSince = performance.now()
    counted.set(key, { inboxId, refused: { ...refused, count: (known?.refused.count ?? 0) + refused.count } })
  }

  async function findInboxes(recipients: Iterable<string>): Promise<Map<string, string>> {
    const found = new Map<string, string>()
    for (const recipient of recipients) {
      const inbox = await findInbox(recipient)
      if (inbox) found.set(recipient, inbox.id)
    }
    return found
  }

  async function write(some: readonly ForInbox[]): Promise<void> {
    await store.transaction(async (tx) => {
      // By id: another tenant may have the address of an inbox that was deleted meanwhile. Locked: on PostgreSQL another node may delete one now,
      // and `inbox.deleted` is its last event.
      const rows = await inboxes.lockByIds(tx, [...new Set(some.map(({ inboxId }) => inboxId))])
      const byId = new Map(rows.map((row) => [row.id, row]))
      for (const { inboxId, refused } of some) {
        const inbox = byId.get(inboxId)
        if (!inbox) continue
        const { organization_id: organizationId, pod_id: podId, address: inboxAddress } = inbox
        const payload = { inboxAddress, ...refused }
        tx.append(messageRefused({ actor: ACTOR, inbox: { id: inboxId, organizationId, podId }, payload }))
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
