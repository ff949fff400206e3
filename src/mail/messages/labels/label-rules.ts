/**
 * Rules for labels: which of them the system controls, which are valid, and the result of a change. Pure.
 *
 * Labels are the source of truth for read state, folder, spam and trash. Hidden masks and unread counts are derived
 * from them.
 */
import type { Limits } from '../../../config/limits.ts'
import { MailError } from '../../../errors.ts'

export interface LabelChange {
  readonly add?: readonly string[] | undefined
  readonly remove?: readonly string[] | undefined
}

/** They record what happened to a message, so no client may change them (docs/compatibility/agentmail.md). */
const SYSTEM_LABELS: ReadonlySet<string> = new Set([
  'received',
  'sent',
  'delivered',
  'bounced',
  'complained',
  'delayed',
  'rejected',
  'opened',
  'scheduled',
  'blocked',
  'unauthenticated',
  'agent-armor-held',
])

/** A message that its reader has put away: clients with an archive leave it out of their list. */
export const ARCHIVED = 'archived'
/** A received message whose sender had already used its idempotency key (mail/receiving/repeated-keys.ts). */
export const DUPLICATE = 'duplicate'
/** A message that was answered. */
export const REPLIED = 'replied'
/** A message that its reader has marked. */
export const FLAGGED = 'flagged'

/** Labels by which clients change the state of a message. They do not count as its user's own. */
const STATE_LABELS: ReadonlySet<string> = new Set(['unread', 'spam', 'trash', ARCHIVED, DUPLICATE, REPLIED, FLAGGED])

/** Whether a label is its user's own: it means something to the user alone. */
export function isOwnLabel(label: string): boolean {
  return !SYSTEM_LABELS.has(label) && !STATE_LABELS.has(label)
}

/** Returns the labels that mean something to the user alone. */
export function ownLabels(labels: readonly string[]): string[] {
  return labels.filter(isOwnLabel)
}

/** Bounds of clients that promise fewer or shorter labels than Martlet stores. */
export interface LabelBounds {
  /** Length of a label. */
  readonly charsMax: number
  /** The user's own labels on one message. */
  readonly ownMax: number
}

/**
 * Returns a user's labels in their stored form: lower case, each once.
 *
 * @throws system_label, validation_error
 */
export function parseUserLabels(
  labels: readonly string[],
  limits: Limits,
  charsMax: number = limits.messages.labelCharsMax,
): string[] {
  const normal = new Set<string>()
  for (const label of labels) {
    const stored = wellFormed(label).trim().normalize('NFC').toLowerCase()
    if (stored === '' || stored.length > charsMax || stored.includes('\0')) {
      throw new MailError('validation_error', {
        detail: `A label must have 1 to ${charsMax} characters and no NUL`,
        path: ['labels'],
      })
    }
    if (SYSTEM_LABELS.has(stored)) throw new MailError('system_label', { label: stored })
    normal.add(stored)
  }
  return [...normal]
}

/** Half a surrogate pair is not a character: the database would store another text than the one it compares. */
function wellFormed(text: string): string {
  return text.replace(/\p{Surrogate}/gu, '\ufffd')
}

export interface LabelResult {
  readonly added: readonly string[]
  readonly removed: readonly string[]
  readonly labels: readonly string[]
}

/** Returns the result of a change. Removal wins when both lists name a label (docs/compatibility/agentmail.md). */
export function applyLabels(current: readonly string[], change: LabelChange): LabelResult {
  const remove = new Set(change.remove)
  const before = new Set(current)
  const after = new Set([...current, ...(change.add ?? [])].filter((label) => !remove.has(label)))
  return {
    added: [...after].filter((label) => !before.has(label)),
    removed: [...before].filter((label) => !after.has(label)),
    labels: [...after].sort(),
  }
}
