/**
 * The delivery target for inboxes of this server. Local mail is queued and received like all other mail, so that
 * checks, lists and duplicates are handled in one place, and a restart loses no message.
 *
 * A delivery that is repeated after a crash is recognised as a duplicate and counts as delivered; nothing is stored
 * twice.
 */
import { MailError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import { DamagedContent, type ReportDamage } from '../messages/content/damaged-content.ts'
import { type DeliveryTarget, failedOutcome, type Outcome } from '../sending/targets/delivery-target.ts'
import type { Receiving } from './receiving.ts'

interface LocalTargetNeeds {
  readonly receiving: Pick<Receiving, 'accepts' | 'rejectionOf' | 'receive'>
  readonly reportDamage: ReportDamage
  readonly log: Log
}

export function createLocalTarget({ receiving, reportDamage, log }: LocalTargetNeeds): DeliveryTarget {
  return {
    name: 'local',
    async deliver({ submissionId, organizationId, sender, recipients, contentId, read }) {
      /** The outcome for all recipients that are left, once the message could not be read. */
      let damaged: Outcome | undefined
      const accepted: string[] = []
      const refused = new Map<string, Outcome>()
      for (const recipient of recipients) {
        if (await receiving.accepts(recipient, { sender })) accepted.push(recipient)
        else refused.set(recipient, refusal(recipient, await receiving.rejectionOf(recipient, { sender })))
      }
      const outcomes = new Map([...refused, ...(await deliverAll(accepted))])
      return recipients.map((recipient) => outcomes.get(recipient)!)

      /**
       * Delivers in one transaction. If that fails, delivers to each inbox alone, so that one cannot fail the others. Not if the message
       * is damaged: that is the same for all.
       */
      async function deliverAll(to: readonly string[]): Promise<Map<string, Outcome>> {
        if (to.length === 0) return new Map()
        const together = await deliverOnce(to)
        if (together.kind === 'delivered' || to.length === 1) return new Map(to.map((each) => [each, together]))
        const alone = new Map<string, Outcome>()
        for (const recipient of to) alone.set(recipient, await deliverOnce([recipient]))
        return alone
      }

      async function deliverOnce(to: readonly string[]): Promise<Outcome> {
        if (damaged) return damaged
        try {
          await receiving.receive(
            { protocol: 'local', traceId: submissionId, organizationId },
            { sender, recipients: to },
            readReported(),
          )
          return { kind: 'delivered', code: 250, enhancedCode: '2.1.5', reply: 'Delivered here' }
        } catch (error) {
          if (damaged) return damaged
          if (!(error instanceof MailError) || error.kind === 'internal') {
            log.error({ err: error, submission: submissionId, recipients: to }, 'local delivery failed')
            return failedOutcome(error)
          }
          // An inbox that was deleted or paused since accepts() is refused at the next attempt, by accepts().
          const isRefused = error.code === 'unknown_recipient' || error.code === 'inbox_paused'
          const isForGood = error.kind !== 'temporary' && !isRefused
          return { kind: isForGood ? 'failed_for_good' : 'failed_for_now', reply: error.message }
        }
      }

      async function* readReported(): AsyncGenerator<Buffer> {
        try {
          yield* read()
        } catch (error) {
          if (error instanceof DamagedContent) {
            reportDamage(contentId, error, { submission: submissionId })
            damaged = failedOutcome(error)
          }
          throw error
        }
      }
    },
  }
}

function refusal(recipient: string, error: MailError): Outcome {
  const reply = `${error.message}; will retry`
  if (error.code === 'inbox_paused') return { kind: 'failed_for_now', code: 450, enhancedCode: '4.2.1', reply }
  if (error.code === 'inbox_full') return { kind: 'failed_for_now', code: 452, enhancedCode: '4.2.2', reply }
  const { message } = new MailError('unknown_recipient', { address: recipient })
  return { kind: 'failed_for_good', code: 550, enhancedCode: '5.1.1', reply: message }
}
