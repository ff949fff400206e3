/**
 * Decides how a received message is filed in all inboxes. Spam verdicts are not implemented yet: every message passes. A
 * decision adds labels that hide a message; it never drops one. The lists of each inbox are applied when the inboxes are
 * locked (blocked-senders.ts).
 */
import type { Envelope } from './arrival.ts'
import type { Authentication } from './authenticate.ts'

export interface FilingDecision {
  /** Labels of hidden classes to add to the message. */
  readonly labels: readonly string[]
}

export function decideFiling(_envelope: Envelope, _authentication: Authentication): FilingDecision {
  return { labels: [] }
}
