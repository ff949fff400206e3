/**
 * The queue's way into our own inboxes. Local mail takes the same way as all other mail, so that checks, lists and
 * duplicates are decided in one place, and a restart loses none of it.
 *
 * A hand-over that is repeated after a crash meets its twin and is delivered without being stored again.
 */
import { MailError } from '../../errors.ts'
import type { Log } from '../../log.ts'
import type { DeliveryTarget, Outcome } from '../sending/targets/delivery-target.ts'
import type { Receiving } from './receiving.ts'

interface LocalTargetNeeds {
  readonly receiving: Receiving
  readonly log: Log
}

export function createLocalTarget({ receiving, log }: LocalTargetNeeds): DeliveryTarget {
  return {
    name: 'local',
    async deliver({ submissionId, organizationId, sender, recipients, read }) {
      const known = new Set<string>()
      for (const recipient of recipients) if (await receiving.accepts(recipient)) known.add(recipient)
      const accepted = recipients.filter((recipient) => known.has(recipient))
      const outcomes = await handAll(accepted)
      return recipients.map((recipient) => outcomes.get(recipient) ?? unknown(recipient))

      /** In one transaction; and if that fails, each alone, so that one inbox's trouble is not the others'. */
      async function handAll(to: readonly string[]): Promise<Map<string, Outcome>> {
        if (to.length === 0) return new Map()
        const together = await hand(sender, to)
        if (together.kind === 'delivered' || to.length === 1) return new Map(to.map((each) => [each, together]))
        const alone = new Map<string, Outcome>()
        for (const recipient of to) alone.set(recipient, await hand(sender, [recipient]))
        return alone
      }

      async function hand(from: string, to: readonly string[]): Promise<Outcome> {
        try {
          await receiving.receive(
            { protocol: 'local', session: submissionId, organizationId },
            { sender: from, recipients: to },
            read(),
          )
          return { kind: 'delivered', code: 250, enhancedCode: '2.1.5', reply: 'Delivered here' }
        } catch (error) {
          if (!(error instanceof MailError) || error.kind === 'internal') {
            log.error({ err: error, submission: submissionId, recipients: to }, 'local delivery failed')
            return { kind: 'failed_for_now', reply: 'Internal failure; it is tried again' }
          }
          // An inbox that went away in between is sorted out by accepts() next time.
          const isForGood = error.kind !== 'temporary' && error.code !== 'unknown_recipient'
          return { kind: isForGood ? 'failed_for_good' : 'failed_for_now', reply: error.message }
        }
      }
    },
  }
}

function unknown(recipient: string): Outcome {
  const reply = new MailError('unknown_recipient', { address: recipient }).message
  return { kind: 'failed_for_good', code: 550, enhancedCode: '5.1.1', reply }
}
