/**
 * What to do with a mail once its sender is known: the place of lists and spam verdicts, which are not built yet. Every
 * mail passes. A verdict files a mail under labels that hide it; it never makes one vanish.
 */
import type { Envelope } from './arrival.ts'
import type { Authentication } from './authenticate.ts'

export interface Verdict {
  /** Labels of hidden classes to file it under. */
  readonly labels: readonly string[]
}

export function decide(_envelope: Envelope, _authentication: Authentication): Verdict {
  return { labels: [] }
}
