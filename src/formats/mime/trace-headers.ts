/**
 * Writes the trace fields that a receiving server adds at the top of a message (RFC 5321 §4.4). They contain text from
 * the client, so each value is reduced to characters that cannot end a line or a clause.
 */
import { writeAddrSpec } from '../address/address.ts'

export interface TraceInput {
  /** Envelope sender; '' for a bounce. */
  returnPath: string
  /** The client. Absent if the message is from our own queue. */
  from?: {
    /** The argument of HELO or EHLO, unchecked. */
    helo: string
    ip: string
    /** The host name that the IP address resolves to, if it was verified. */
    reverseName?: string
  }
  /** Our host name. */
  by: string
  /** RFC 3848: `SMTP`, `ESMTP`, `ESMTPS`, `ESMTPA`, `ESMTPSA`. */
  with: string
  /** Our id of the transaction, as in the log. */
  id: string
  /** The recipient. Leave it out if there are several: each would see the others (RFC 5321 §7.6). */
  for?: string
  date: Date
  /** A field that reports how the sender was authenticated, with CRLF. RFC 8601 §4.1: above our own Received. */
  authenticationResults?: string
  /** Protocol and cipher, for example `TLSv1.3 TLS_AES_256_GCM_SHA384`. */
  tls?: string
}

const VALUE_CHARS_MAX = 255

/** @returns the Return-Path, Authentication-Results and Received fields with CRLF, to be put before the bytes of the message */
export function traceHeaders(input: TraceInput): Buffer {
  const { from, tls } = input
  const by = `by ${atom(input.by)} with ${atom(input.with)} id ${atom(input.id)}`
  const lines = [
    `Return-Path: <${path(input.returnPath)}>`,
    ...(input.authenticationResults === undefined ? [] : [input.authenticationResults.trimEnd()]),
    ...(from === undefined ? [`Received: ${by}`] : [`Received: from ${client(from)}`, ` ${by}`]),
    ...(tls === undefined ? [] : [` (using ${tls.split(' ', 2).map(atom).join(' with cipher ')})`]),
    ...(input.for === undefined ? [] : [` for <${path(input.for)}>`]),
  ]
  return Buffer.from(`${lines.join('\r\n')};\r\n ${rfc5322Date(input.date)}\r\n`)
}

/** The last result of `rfc5322Date`: most calls are about the same second as the one before. */
let last = { second: Number.NaN, text: '' }

/** Formats a date as in RFC 5322 §3.3, in UTC. */
export function rfc5322Date(date: Date): string {
  const second = Math.floor(date.getTime() / 1_000)
  if (second !== last.second) last = { second, text: date.toUTCString().replace('GMT', '+0000') }
  return last.text
}

function client({ helo, ip, reverseName }: NonNullable<TraceInput['from']>): string {
  const reverse = reverseName === undefined ? '' : `${atom(reverseName)} `
  return `${atom(helo)} (${reverse}${literal(ip)})`
}

/** Writes an address literal (RFC 5321 §4.1.3): in brackets, IPv6 with a tag. */
function literal(ip: string): string {
  return ip.includes(':') ? `[IPv6:${atom(ip)}]` : `[${atom(ip)}]`
}

/** Removes all characters that could end the line, a comment or a clause. Returns "unknown" if nothing is left. */
function atom(text: string): string {
  return text.replace(/[^\w.:[\]@+=/~!-]/g, '').slice(0, VALUE_CHARS_MAX) || 'unknown'
}

/** Writes an address for use between angle brackets. UTF-8 is kept (RFC 6531 §3.7.3). */
function path(address: string): string {
  return writeAddrSpec(address.slice(0, VALUE_CHARS_MAX))
}
