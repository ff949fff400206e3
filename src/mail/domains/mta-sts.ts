/**
 * The policy by which a domain asks other servers to deliver only over TLS with a valid certificate (MTA-STS, RFC 8461), and its
 * record. All domains of this server have the same one. Pure.
 */
import { createHash } from 'node:crypto'

export type MtaStsMode = 'testing' | 'enforce'

/** Seconds for which senders keep a policy: an error in one that is enforced must not last for months. */
const MAX_AGE_SECONDS = { testing: 86_400, enforce: 604_800 } as const
const ID_CHARS = 20

/** @returns the file (RFC 8461 §3.2) */
export function mtaStsPolicy(hostname: string, mode: MtaStsMode): string {
  return `version: STSv1\r\nmode: ${mode}\r\nmx: ${hostname}\r\nmax_age: ${MAX_AGE_SECONDS[mode]}\r\n`
}

/** @returns the TXT record (RFC 8461 §3.1), which changes with the policy */
export function mtaStsRecord(hostname: string, mode: MtaStsMode): string {
  const id = createHash('sha256').update(mtaStsPolicy(hostname, mode)).digest('hex').slice(0, ID_CHARS)
  return `v=STSv1; id=${id}`
}
