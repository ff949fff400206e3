/**
 * Delivers one message on an open session. Recipients whose message the server cannot accept fail before anything is
 * sent; then the message is sent once for all others.
 */

import { splitAddress } from '../../../formats/address/address.ts'
import { isAsciiAddress } from '../../../formats/address/ascii-address.ts'
import type { SmtpClientSession } from '../../../net/smtp/smtp-client.ts'
import type { Handover, Outcome } from './delivery-target.ts'
import { type EightBit, findEightBit } from './eight-bit.ts'
import { type Remote, smtpOutcome } from './remote-outcome.ts'

/** @returns one outcome per recipient. @throws the error of `read`, or the signal's reason */
export async function handOverSmtp(
  session: SmtpClientSession,
  remote: Remote,
  handover: Handover,
  signal: AbortSignal,
): Promise<Outcome[]> {
  const { sender, recipients, sizeBytes, read } = handover
  const eightBit = await findEightBit(read())
  const hasInternational = (recipient: string) => isInternational(sender) || isInternational(recipient)
  const isSmtpUtf8 = (recipient: string) => eightBit.isInHeader || hasInternational(recipient)
  const outcomes = new Map<string, Outcome>()
  for (const recipient of recipients) {
    const reason = refusal(session, handover, eightBit, hasInternational(recipient))
    if (!reason) continue
    const reply = `${remote.name} ${reason.reply}`
    outcomes.set(recipient, { kind: 'failed_for_good', ...reason, reply, remote: remote.endpoint })
  }
  const left = recipients.filter((recipient) => !outcomes.has(recipient))
  if (left.length > 0) {
    const results = await session.send(
      {
        sender,
        recipients: left,
        sizeBytes,
        read,
        isEightBit: eightBit.isInMail,
        isSmtpUtf8: left.some(isSmtpUtf8),
      },
      signal,
    )
    for (const [index, recipient] of left.entries())
      outcomes.set(recipient, smtpOutcome(remote, results[index]!, left.length))
  }
  return recipients.map((recipient) => outcomes.get(recipient)!)
}

/**
 * Returns why this server cannot accept the message for a recipient. Permanent, since servers rarely gain an extension
 * within days.
 */
function refusal(
  session: SmtpClientSession,
  { sizeBytes }: Handover,
  eightBit: EightBit,
  hasInternationalAddress: boolean,
): { enhancedCode: string; reply: string } | undefined {
  // RFC 1870 §6.1: a message above the server's announced limit would be refused, so do not send it.
  if (session.sizeBytesMax > 0 && sizeBytes > session.sizeBytesMax) {
    const reply = `accepts at most ${session.sizeBytesMax} bytes, and the message has ${sizeBytes}; send smaller attachments`
    return { enhancedCode: '5.3.4', reply }
  }
  // RFC 6531 §3.1.8: the message must not be sent there, and an address cannot be rewritten.
  if ((hasInternationalAddress || eightBit.isInHeader) && !session.offers('SMTPUTF8')) {
    const [what, fix] = hasInternationalAddress
      ? ['addresses with non-ASCII characters', 'use ASCII addresses']
      : ['a header with non-ASCII characters', 'encode the subject and names, and use ASCII addresses']
    return { enhancedCode: '5.6.7', reply: `does not accept ${what} (it lacks SMTPUTF8); ${fix}` }
  }
  // RFC 6152 §3: a gateway could convert, but would break the author's signature.
  if (eightBit.isInMail && !session.offers('8BITMIME') && !session.offers('SMTPUTF8')) {
    return { enhancedCode: '5.6.3', reply: 'does not accept 8-bit text (it lacks 8BITMIME); encode it as 7-bit' }
  }
  return undefined
}

/** The domain is in A-labels: only the local part can need SMTPUTF8. */
function isInternational(address: string): boolean {
  return !isAsciiAddress(splitAddress(address).localPart)
}
