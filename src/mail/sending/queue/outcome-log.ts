/**
 * Logs the outcomes of a delivery attempt, so that the log answers "did it arrive?": one line per outcome and reason, with
 * the message, the recipients and their domain. Called after the outcome is on disk.
 */
import { type Log, loggedAddresses, loggedText } from '../../../log.ts'
import type { RecipientState } from '../../../store/schema/sending-rows.ts'
import type { Outcome } from '../targets/delivery-target.ts'
import type { EndedDelivery, RecordedOutcomes } from './delivery-outcome.ts'

const TEXTS: Readonly<Record<RecipientState, string>> = {
  delivered: 'message delivered',
  bounced: 'message bounced',
  rejected: 'message rejected: its inbox may no longer send it',
  held: 'message held',
  queued: 'delivery failed; will retry',
  cancelled: 'message cancelled',
}

export function logOutcomes(log: Log, attempted: EndedDelivery, recorded: RecordedOutcomes, endedAt: number): void {
  const { submission, recipients, target, startedAt } = attempted
  const groups = new Map<string, { outcome: Outcome; index: number; addresses: string[]; domains: Set<string> }>()
  for (const [index, { row, outcome }] of recipients.entries()) {
    const key = `${recorded.changes[index]?.state} ${outcome.code} ${outcome.reply}`
    const group = groups.get(key) ?? { outcome, index, addresses: [], domains: new Set() }
    group.addresses.push(row.address)
    group.domains.add(row.domain)
    groups.set(key, group)
  }
  for (const { outcome, index, addresses, domains } of groups.values()) {
    const change = recorded.changes[index]
    const line = {
      messageId: recorded.messageId,
      submission: submission.id,
      ...(submission.kind !== 'message' && { kind: submission.kind }),
      from: submission.envelope_sender,
      ...loggedAddresses('recipients', addresses),
      domain: [...domains].join(','),
      target,
      remote: outcome.remote,
      code: outcome.code,
      enhancedCode: outcome.enhancedCode,
      reason: outcome.reply === undefined ? undefined : loggedText(outcome.reply),
      ...(change?.state === 'queued' && { nextAttemptAt: new Date(change.nextAttemptAt).toISOString() }),
      ms: endedAt - startedAt,
    }
    if (change) log.info(line, TEXTS[change.state])
    else log.warn(line, 'a delivery ended after its lease was lost; its outcome does not count')
  }
}
