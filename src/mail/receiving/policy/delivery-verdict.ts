/**
 * Decides what becomes of a received message because of its sender: the labels that hide it in all inboxes, or a refusal. The
 * lists of each inbox are applied when the inboxes are locked (../blocked-senders.ts).
 *
 * A message is refused only if the domain of its From asks for that (DMARC, RFC 7489 §10.3), or if rspamd does.
 */
import type { Config } from '../../../config/settings.ts'
import { MailError } from '../../../errors.ts'
import type { SpamVerdict } from '../../messages/spam-verdict.ts'
import type { CheckedSender } from '../authentication/sender-check.ts'
import type { SpamResult } from '../spam/spam-checker.ts'

export interface FilingDecision {
  /** Labels of hidden classes to add to the message. */
  readonly labels: readonly string[]
  /** Absent if the message was not checked for spam. */
  readonly spam?: SpamVerdict
}

/**
 * @param spam undefined if the message was not checked
 * @throws spam_rejected, spam_deferred
 */
export function withSpam(
  decision: FilingDecision,
  spam: SpamResult | undefined,
  { spamReject }: Pick<Config, 'spamReject'>,
): FilingDecision {
  if (!spam) return decision
  const { verdict, refusal } = spam
  if (refusal === 'defer') throw new MailError('spam_deferred', {})
  if (refusal === 'reject' && spamReject === 'reject') throw new MailError('spam_rejected', {})
  const labels = verdict.isSpam ? [...new Set([...decision.labels, 'spam'])] : decision.labels
  return { labels, spam: verdict }
}

/** @throws dmarc_rejected */
export function decideFiling(
  { authentication, owners }: CheckedSender,
  { dmarcReject }: Pick<Config, 'dmarcReject'>,
): FilingDecision {
  const { result, dmarc, fromDomain = '' } = authentication
  if (result === 'fail') {
    if (dmarc?.applied === 'quarantine') return { labels: ['spam'] }
    if (dmarcReject === 'reject') throw new MailError('dmarc_rejected', { domain: fromDomain })
    if (dmarcReject === 'label') return { labels: ['spam'] }
    return { labels: owners.size > 0 || !isAnyPass(authentication) ? ['unauthenticated'] : [] }
  }
  return { labels: result === 'unauthenticated' || result === 'temperror' ? ['unauthenticated'] : [] }
}

/** Whether SPF or DKIM passes for any domain. */
function isAnyPass({ spf, dkim = [] }: CheckedSender['authentication']): boolean {
  return spf?.result === 'pass' || dkim.some(({ result }) => result === 'pass')
}
