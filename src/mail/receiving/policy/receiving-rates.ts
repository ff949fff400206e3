/**
 * Limits how much mail one sender may deliver, and how much one address may get, from other servers.
 *
 * A sender is the organizational domain that has confirmed its mail: its owner has any number of subdomains. If only a signature
 * confirms it, the network of the client counts with the domain: anyone who has a signed message can send it again. All other mail
 * counts for the network of its client: if it counted for a name that anyone can forge, strangers could use up the limit of others. Clients
 * that the operator trusts are not counted.
 *
 * All addresses of an inbox share its limit: plus-tags, aliases, and those that a catch-all receives, of which there is no end. An inbox
 * that gets too much is refused at RCPT, before the message arrives. Only messages that were stored count, so that nobody blocks an
 * inbox with mail that is refused.
 */
import { HOUR } from '../../../config/limits/limit.ts'
import type { Config } from '../../../config/settings.ts'
import { MailError } from '../../../errors.ts'
import { ipList, isListed } from '../../../formats/address/ip-address.ts'
import { networkOf } from '../../../formats/address/peer-network.ts'
import { RateBuckets } from '../../access/rate-buckets.ts'
import type { Arrival } from '../arrival.ts'
import { organizationalDomain } from '../authentication/organizational-domain.ts'
import type { CheckedSender } from '../authentication/sender-check.ts'

export interface ReceivingRates {
  /** The error for a recipient whose inbox gets too much mail already. */
  refusalOf(inboxId: string, address: string, remoteAddress: string | undefined): MailError | undefined
  /**
   * Counts a message that has arrived, for its sender.
   *
   * @throws sender_rate_exceeded
   */
  countSender(arrival: Arrival, sender: CheckedSender): Promise<void>
  /** Counts a message that was stored, for each of its inboxes. */
  countInboxes(arrival: Arrival, inboxIds: Iterable<string>): void
}

interface RatesNeeds {
  readonly config: Pick<Config, 'senderRateMax' | 'recipientRateMax' | 'trustedNetworks' | 'limits'>
  readonly clock: () => number
}

export function createReceivingRates({ config, clock }: RatesNeeds): ReceivingRates {
  const { senderRateMax, recipientRateMax } = config
  const keysMax = config.limits.policy.ratesTrackedMax
  const senders = new RateBuckets({ max: senderRateMax, periodMs: HOUR, keysMax, clock })
  const inboxes = new RateBuckets({ max: recipientRateMax, periodMs: HOUR, keysMax, clock })
  const trusted = ipList(config.trustedNetworks)
  const isCounted = (remoteAddress: string | undefined): remoteAddress is string =>
    remoteAddress !== undefined && !isListed(trusted, remoteAddress)

  return {
    refusalOf(inboxId, address, remoteAddress) {
      if (!isCounted(remoteAddress) || inboxes.hasToken(inboxId)) return undefined
      return new MailError('recipient_rate_exceeded', { address, max: recipientRateMax })
    },

    async countSender({ remoteAddress }, { verifiedDomain, authentication: { spf } }) {
      if (!isCounted(remoteAddress)) return
      const network = `the network ${networkOf(remoteAddress)}`
      const domain = verifiedDomain === undefined ? undefined : await organizationalDomain(verifiedDomain)
      const isOwnClient = spf?.result === 'pass' && spf.isAligned
      const sender = domain === undefined ? network : isOwnClient ? domain : `${domain} by ${network}`
      if (!senders.take(sender)) throw new MailError('sender_rate_exceeded', { sender, max: senderRateMax })
    },

    countInboxes({ remoteAddress }, inboxIds) {
      if (isCounted(remoteAddress)) for (const id of inboxIds) inboxes.take(id)
    },
  }
}
