/**
 * Signs webhook requests as the Standard Webhooks specification requires
 * (github.com/standard-webhooks/standard-webhooks, spec v1): HMAC-SHA256 over id, time and body, so that the receiver
 * can detect forged, changed and replayed requests. Pure.
 */
import { createHmac } from 'node:crypto'

const SECRET_PREFIX = 'whsec_'
const KEY_BYTES_MIN = 24
const KEY_BYTES_MAX = 64

/** @param key 24 to 64 random bytes */
export function formatSecret(key: Buffer): string {
  return SECRET_PREFIX + key.toString('base64')
}

/** Whether `formatSecret` can have written this. */
export function isSecret(text: string): boolean {
  const key = Buffer.from(text.slice(SECRET_PREFIX.length), 'base64')
  return formatSecret(key) === text && key.length >= KEY_BYTES_MIN && key.length <= KEY_BYTES_MAX
}

export interface Signed {
  /** The same for every attempt, so that the receiver can detect duplicates. It contains no full stop. */
  readonly id: string
  /** Unix time in seconds. Receivers refuse times that differ from their own clock by minutes. */
  readonly timestamp: number
  readonly body: string
}

/**
 * Signs for services that use the secret as it is written and no id.
 *
 * @param secret text, whose UTF-8 bytes are the key
 * @param timestamp Unix time in seconds
 * @returns HMAC-SHA256 of "<timestamp>.<body>", in hex
 */
export function signTimedBody(secret: string, { timestamp, body }: Omit<Signed, 'id'>): string {
  return createHmac('sha256', secret).update(`${timestamp}.${body}`).digest('hex')
}

/** @returns the value of the header: one signature "v1,…" per secret, separated by spaces; one of them must match */
export function signWebhook(secrets: readonly string[], signed: Signed): string {
  return secrets.map((secret) => signOnce(secret, signed)).join(' ')
}

function signOnce(secret: string, { id, timestamp, body }: Signed): string {
  const key = Buffer.from(secret.startsWith(SECRET_PREFIX) ? secret.slice(SECRET_PREFIX.length) : secret, 'base64')
  return `v1,${createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')}`
}
