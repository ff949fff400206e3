/**
 * The rules of the MX: it accepts mail from anyone for our inboxes. `receiving` decides which inboxes exist, whether the
 * disk has space, and what happens to a message.
 */
import type { Config } from '../../../config/settings.ts'
import type { Arrival, Envelope } from '../../../mail/receiving/arrival.ts'
import type { Receiving } from '../../../mail/receiving/receiving.ts'
import { whenReady } from '../../../when-ready.ts'
import { type Reply, replies } from '../protocol/replies.ts'
import type { Peer } from '../protocol/smtp-connection.ts'
import type { Hello, SessionRules, Transaction } from '../protocol/smtp-session.ts'

export interface MxRulesNeeds {
  readonly config: Pick<Config, 'limits'>
  readonly receiving: Receiving
}

export function createMxRules({ config, receiving }: MxRulesNeeds, peer: Peer): SessionRules {
  return {
    recipientsMax: config.limits.smtp.recipientsMax,
    allowsAuthParameter: false,
    extensions: () => [],
    restart: () => undefined,

    checkSender() {
      receiving.checkWritable()
      return undefined
    },

    checkRecipient(address, { sender, sizeBytes }) {
      const announced = { sender, remoteAddress: peer.remoteAddress, ...(sizeBytes !== undefined && { sizeBytes }) }
      const refuse = async (): Promise<never> => {
        throw await receiving.rejectionOf(address, announced)
      }
      return whenReady(receiving.accepts(address, announced), (isAccepted) => (isAccepted ? undefined : refuse()))
    },

    receive(transaction, hello, data): Promise<Reply> {
      const envelope: Envelope = { sender: transaction.sender, recipients: [...transaction.recipients] }
      return receiving.receive(arrivalOf(transaction, hello, peer), envelope, data).then(replies.filed)
    },
  }
}

function arrivalOf({ isSmtpUtf8 }: Transaction, hello: Hello | undefined, peer: Peer): Arrival {
  const tls = peer.tls()
  // RFC 3848, RFC 6531 §4.3. No name exists for HELO over TLS, so we use "SMTP".
  const name = isSmtpUtf8 ? 'UTF8SMTP' : hello?.isExtended ? 'ESMTP' : 'SMTP'
  return {
    protocol: tls !== undefined && name !== 'SMTP' ? `${name}S` : name,
    remoteAddress: peer.remoteAddress,
    helo: hello?.name ?? '',
    ...(tls !== undefined && { tls }),
    traceId: peer.connectionId,
  }
}
