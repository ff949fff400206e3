/** The interface of a spam checker, and what it gets of a message. Types only. */
import type { SenderEvidence } from '../../../formats/dkim/sender-evidence.ts'
import type { ArrivedMail } from '../../messages/content/prepared-content.ts'
import type { SpamVerdict } from '../../messages/spam-verdict.ts'
import type { Arrival, Envelope } from '../arrival.ts'
import type { CheckedSender } from '../authentication/sender-check.ts'

/** A message of another server, whose sender has been checked. */
export interface SuspectMail {
  readonly arrival: Arrival
  readonly envelope: Envelope
  readonly sender: CheckedSender
  /** undefined if the message could not be read. */
  readonly evidence: SenderEvidence | undefined
  readonly mail: ArrivedMail
}

export interface SpamResult {
  readonly verdict: SpamVerdict
  /** The checker asks to refuse the message: for good, or for now. */
  readonly refusal?: 'reject' | 'defer'
}

export interface SpamChecker {
  /** Never rejects: what cannot be checked is no spam. @returns undefined if the message was not checked */
  check(suspect: SuspectMail): Promise<SpamResult | undefined>
}
