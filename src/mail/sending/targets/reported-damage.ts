/** A target whose messages can be damaged: the damage is logged once, not at each attempt until the operator has repaired the message. */
import { DamagedContent, type ReportDamage } from '../../messages/content/damaged-content.ts'
import { type DeliveryTarget, failedOutcome } from './delivery-target.ts'

export function reportingDamage(target: DeliveryTarget, reportDamage: ReportDamage): DeliveryTarget {
  return {
    name: target.name,
    async deliver(handover, signal) {
      try {
        return await target.deliver(handover, signal)
      } catch (error) {
        if (!(error instanceof DamagedContent)) throw error
        reportDamage(handover.contentId, error, { submission: handover.submissionId })
        return handover.recipients.map(() => failedOutcome(error))
      }
    },
  }
}
