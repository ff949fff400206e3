/** An inbox's metadata: a small map with the client's own keys, merged key by key (docs/compatibility/agentmail.md). */
import type { Limits } from '../../config/limits.ts'
import { MailError } from '../../errors.ts'
import type { Metadata } from './inbox.ts'

/**
 * @param change keys to set; a null value removes its key
 * @throws validation_error when the result exceeds a limit
 */
export function applyMetadata(
  current: Metadata,
  change: Readonly<Record<string, string | number | boolean | null>>,
  limits: Limits,
): Metadata {
  const merged = new Map<string, string | number | boolean>(Object.entries(current))
  for (const [key, value] of Object.entries(change)) {
    if (value === null) merged.delete(key)
    else merged.set(key, value)
    checkLength(key, key, limits)
    if (typeof value === 'string') checkLength(key, value, limits)
  }
  if (merged.size > limits.messages.metadataKeysMax) {
    const detail = `metadata can have at most ${limits.messages.metadataKeysMax} keys`
    throw new MailError('validation_error', { detail, path: ['metadata'] })
  }
  return Object.fromEntries(merged)
}

function checkLength(key: string, text: string, limits: Limits): void {
  if (text.length <= limits.messages.metadataCharsMax) return
  const detail = `metadata keys and values can have at most ${limits.messages.metadataCharsMax} characters`
  throw new MailError('validation_error', { detail, path: ['metadata', key] })
}
