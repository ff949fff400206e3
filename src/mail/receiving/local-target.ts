/**
 * The queue's way into our own inboxes. Local mail takes the same way as all other mail, so that checks, lists and
 * duplicates are decided in one place, and a restart loses none of it.
 *
 * A hand-over that is repeated after a crash meets its twin and is delivered without being stored again.
 */
import { MailError } from '../../errors.ts'
import type { DeliveryTarget, Outcome } from '../sending/target.ts'
import type { Receiving } from './receiving.ts'

export function createLocalTarget(receiving: Receiving): DeliveryTarget {
  return {
    name: 'local',
    async deliver({ submissionId, sender, recipients, read }) {
      const known = new Set<string>()
      for (const recipient of recipients) if (await receiving.accepts(recipient)) known.add(recipient)
      const accepted = recipients.filter((recipient) => known.has(recipient))
      const taken = accepted.length === 0 ? undefined : await hand(sender, accepted)
      return recipients.map((recipient) => (known.has(recipient) ? taken! : unknown(recipient)))

      async function hand(from: string, to: readonly string[]): Promise<Outcome> {
        try {
          await receiving.receive(
            { protocol: 'local', session: submissionId },
            { sender: from, recipients: to },
            read(),
          )
          return { kind: 'delivered', code: 250, enhancedCode: '2.1.5', reply: 'Delivered here' }
        } catch (error) {
          if (!(error instanceof MailError) || error.kind === 'internal') throw error
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
