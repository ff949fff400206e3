/**
 * The lines that a receiving server puts above a mail (RFC 5321 §4.4). What the client said stands in them, so each
 * value is reduced to characters that cannot end a line or a clause.
 */
import { writeAddrSpec } from '../address/address.ts'

export interface TraceInput {
  /** Envelope sender; '' for a bounce. */
  returnPath: string
  /** The client; absent when our own queue hands over. */
  from?: {
    /** What the client said in HELO or EHLO: unchecked text. */
    helo: string
    ip: string
    /** Name that the address resolves to, when known and verified. */
    reverseName?: string
  }
  /** Our host name. */
  by: string
  /** RFC 3848: `SMTP`, `ESMTP`, `ESMTPS`, `ESMTPA`, `ESMTPSA`. */
  with: string
  /** Our id of the transaction, for finding it in the log. */
  id: string
  /** The recipient; leave it out when there are several, since each would see the others (RFC 5321 §7.6). */
  for?: string
  date: Date
  /** Protocol and cipher, for example `TLSv1.3 TLS_AES_256_GCM_SHA384`. */
  tls?: string
}

const VALUE_CHARS_MAX = 255

/** @returns Return-Path and Received with CRLF, to be put in front of the message's bytes */
export function traceHeaders(input: TraceInput): Buffer {
  const { from, tls } = input
  const by = `by ${atom(input.by)} with ${atom(input.with)} id ${atom(input.id)}`
  const lines = [
    `Return-Path: <${path(input.returnPath)}>`,
    ...(from === undefined ? [`Received: ${by}`] : [`Received: from ${client(from)}`, ` ${by}`]),
    ...(tls === undefined ? [] : [` (using ${tls.split(' ', 2).map(atom).join(' with cipher ')})`]),
    ...(input.for === undefined ? [] : [` for <${path(input.for)}>`]),
  ]
  return Buffer.from(`${lines.join('\r\n')};\r\n ${rfc5322Date(input.date)}\r\n`)
}

/** RFC 5322 §3.3, in UTC. */
export function rfc5322Date(date: Date): string {
  return date.toUTCString().replace('GMT', '+0000')
}

function client({ helo, ip, reverseName }: NonNullable<TraceInput['from']>): string {
  const reverse = reverseName === undefined ? '' : `${atom(reverseName)} `
  return `${atom(helo)} (${reverse}${literal(ip)})`
}

/** RFC 5321 §4.1.3: addresses stand in brackets, those of IPv6 with a tag. */
function literal(ip: string): string {
  return ip.includes(':') ? `[IPv6:${atom(ip)}]` : `[${atom(ip)}]`
}

/** A token that a client chose: nothing that could end the line, a comment or a clause. "unknown" where nothing is left. */
function atom(text: string): string {
  return text.replace(/[^\w.:[\]@+=/~!-]/g, '').slice(0, VALUE_CHARS_MAX) || 'unknown'
}

/** An address between angle brackets; UTF-8 stays (RFC 6531 §3.7.3). */
function path(address: string): string {
  return writeAddrSpec(address.slice(0, VALUE_CHARS_MAX))
}
