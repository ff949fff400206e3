/**
 * The result of the spam check of a message: stored with it, and shown to clients. Types only; mail/receiving/spam/ finds it out.
 */

export interface SpamVerdict {
  readonly checker: 'rspamd' | 'built-in'
  /** Whether the checker takes it for spam. */
  readonly isSpam: boolean
  readonly score: number
  /** From this score on, the checker takes a message for spam. */
  readonly threshold: number
  /** What raised or lowered the score, the largest share first. */
  readonly reasons: readonly SpamReason[]
}

export interface SpamReason {
  /** A name of the checker: "GTUBE", "no_date". */
  readonly name: string
  readonly score: number
  /** For people. */
  readonly description?: string
}
