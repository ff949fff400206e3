/**
 * Limits how much mail one sender may deliver, and how much one address may get, from other servers.
 *
 * A sender is the domain that has confirmed its mail. All other mail counts for the network of its client: who counts by a name that
 * anyone can forge lets strangers use up the limit of others. Clients that the operator trusts are not counted.
 *
 * An address that gets too much is refused at RCPT, before the message arrives; only messages that arrive count.
 */
import type { Config } from '../../../config/settings.ts'
import { MailError } from '../../../errors.ts'
import { withoutTag } from '../../../formats/address/address.ts'
import { ipList, isListed } from '../../../formats/address/ip-address.ts'
import { networkOf } from '../../../formats/address/peer-network.ts'
import type { Arrival, Envelope } from '../arrival.ts'
import { RateBuckets } from './rate-buckets.ts'

export interface ReceivingRates {
  /** The error for a recipient that gets too much mail already. */
  refusalOf(address: string, remoteAddress: string | undefined): MailError | undefined
  /**
   * Counts a message that has arrived.
   *
   * @param verifiedDomain the domain that has confirmed it
   * @throws sender_rate_exceeded
   */
  count(arrival: Arrival, envelope: Envelope, verifiedDomain: string | undefined): void
}

interface RatesNeeds {
  readonly config: Pick<Config, 'senderRateMax' | 'recipientRateMax' | 'trustedNetworks' | 'limits'>
  readonly clock: () => number
}

export function createReceivingRates({ config, clock }: RatesNeeds): ReceivingRates {
  const { senderRateMax, recipientRateMax } = config
  const keysMax = config.limits.policy.ratesTrackedMax
  const senders = new RateBuckets({ perHour: senderRateMax, keysMax, clock })
  const recipients = new RateBuckets({ perHour: recipientRateMax, keysMax, clock })
  const trusted = ipList(config.trustedNetworks)
  const isCounted = (remoteAddress: string | undefined): remoteAddress is string =>
    remoteAddress !== undefined && !isListed(trusted, remoteAddress)

  return {
    refusalOf(address, remoteAddress) {
      if (!isCounted(remoteAddress) || recipients.hasToken(withoutTag(address))) return undefined
      return new MailError('recipient_rate_exceeded', { address, max: recipientRateMax })
    },

    count({ remoteAddress }, envelope, verifiedDomain) {
      if (!isCounted(remoteAddress)) return
      const sender = verifiedDomain ?? `the network ${networkOf(remoteAddress)}`
      if (!senders.take(sender)) throw new MailError('sender_rate_exceeded', { sender, max: senderRateMax })
      for (const recipient of new Set(envelope.recipients.map(withoutTag))) recipients.take(recipient)
    },
  }
}
