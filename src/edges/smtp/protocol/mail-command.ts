/**
 * Parses MAIL: the sender, and the parameters of the extensions that EHLO offers. Pure; a refusal is returned as the
 * reply.
 */

import { isPlainAddress, normaliseDomain, splitAddress } from '../../../formats/address/address.ts'
import { isAsciiAddress } from '../../../formats/address/ascii-address.ts'
import { type AddressCommand, parseAddressCommand } from './address-command.ts'
import { type Reply, replies } from './replies.ts'

export interface MailCommand {
  /**
   * As given, case included, because a bounce must reach this mailbox on another host (RFC 5321 §2.4). "" for a bounce.
   */
  readonly sender: string
  readonly isSmtpUtf8: boolean
  /** RFC 1870 §4: the size that the client has announced. */
  readonly sizeBytes?: number
}

/** RFC 1870 §4: up to twenty digits. */
const SIZE_VALUE = /^\d{1,20}$/
/** RFC 4954 §5: an xtext (RFC 3461 §4), or `<>`. */
const XTEXT = /^(?:<>|(?:[!-*,-<>-~]|\+[0-9A-F]{2})+)$/
/** RFC 5321 §4.5.3.1.3: a path of 256 octets, two of them angle brackets. */
const SENDER_BYTES_MAX = 254
const SENDER_LOCAL_PART = /^(?:"(?:[^"\\]|\\.)*"|[^\s<>"@]+)$/u

export interface MailParameters {
  /** The SIZE that EHLO announced: a message with a larger SIZE is refused before it is sent. */
  readonly messageBytesMax: number
  /** Whether AUTH= is accepted (RFC 4954 §5). Its value is not used. */
  readonly allowsAuthParameter: boolean
}

export function readMailCommand(argument: string, allowed: MailParameters): MailCommand | { refusal: Reply } {
  const command = parseAddressCommand('FROM', argument)
  if (!command) return { refusal: replies.syntax('MAIL FROM:<address>') }
  const isSmtpUtf8 = command.parameters.has('SMTPUTF8')
  const refusal = refuseParameters(command, allowed) ?? refuseSender(command.address, isSmtpUtf8)
  if (refusal) return { refusal }
  const size = command.parameters.get('SIZE')
  return { sender: command.address, isSmtpUtf8, ...(size !== undefined && { sizeBytes: Number(size) }) }
}

function refuseParameters(
  { parameters }: AddressCommand,
  { messageBytesMax, allowsAuthParameter }: MailParameters,
): Reply | undefined {
  for (const [key, value] of parameters) {
    if (key === 'SIZE') {
      if (value === undefined || !SIZE_VALUE.test(value)) return replies.syntax('SIZE=<bytes>')
      if (Number(value) > messageBytesMax) return replies.tooBig(messageBytesMax) // RFC 1870 §6.1
    } else if (key === 'BODY') {
      if (!/^(7BIT|8BITMIME)$/i.test(value ?? '')) return replies.syntax('BODY=7BIT or BODY=8BITMIME') // RFC 6152 §2
    } else if (key === 'SMTPUTF8') {
      if (value !== undefined) return replies.syntax('SMTPUTF8 without a value') // RFC 6531 §3.4
    } else if (key === 'AUTH' && allowsAuthParameter) {
      if (!XTEXT.test(value ?? '')) return replies.syntax('AUTH=<mailbox>')
    } else {
      return replies.unknownParameter(key) // RFC 5321 §4.1.1.11
    }
  }
  return undefined
}

/**
 * Checks less strictly than for our own addresses. Mail from `a..b@`, which no standard allows, and from bounce
 * addresses with more than 64 characters before the "@" (RFC 5321 §4.5.3.1.1) is common, and a bounce can be delivered
 * to it.
 */
function refuseSender(address: string, isSmtpUtf8: boolean): Reply | undefined {
  if (address === '' || isPlainAddress(address)) return undefined // RFC 5321 §4.5.5: "" for a bounce
  if (!isSmtpUtf8 && !isAsciiAddress(address)) return replies.needsSmtpUtf8
  const { localPart, domain } = splitAddress(address)
  const isAddress = SENDER_LOCAL_PART.test(localPart) && normaliseDomain(domain) !== undefined
  return isAddress && Buffer.byteLength(address) <= SENDER_BYTES_MAX ? undefined : replies.badSender
}
