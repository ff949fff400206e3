/**
 * Signatures of webhooks as the Standard Webhooks specification has them (github.com/standard-webhooks/standard-webhooks,
 * spec v1): HMAC-SHA256 over id, time and body, so that a receiver can tell a forged, changed or replayed request. Pure.
 */
import { createHmac } from 'node:crypto'

const SECRET_PREFIX = 'whsec_'
const KEY_BYTES_MIN = 24
const KEY_BYTES_MAX = 64

/** @param key 24 to 64 random bytes */
export function formatSecret(key: Buffer): string {
  return SECRET_PREFIX + key.toString('base64')
}

/** Whether it is one as formatSecret writes them. */
export function isSecret(text: string): boolean {
  const key = Buffer.from(text.slice(SECRET_PREFIX.length), 'base64')
  return formatSecret(key) === text && key.length >= KEY_BYTES_MIN && key.length <= KEY_BYTES_MAX
}

export interface Signed {
  /** The same for every attempt, so that a receiver can tell a repetition. No full stop in it. */
  readonly id: string
  /** Unix seconds; receivers refuse what is minutes away from their own clock. */
  readonly timestamp: number
  readonly body: string
}

/** @returns the header's value: a signature "v1,…" for each secret, with spaces between them; a receiver needs one to fit */
export function signWebhook(secrets: readonly string[], signed: Signed): string {
  return secrets.map((secret) => signOnce(secret, signed)).join(' ')
}

function signOnce(secret: string, { id, timestamp, body }: Signed): string {
  const key = Buffer.from(secret.startsWith(SECRET_PREFIX) ? secret.slice(SECRET_PREFIX.length) : secret, 'base64')
  return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`
}
