/**
 * A small spam check for servers without rspamd. It weighs what the sender check has found and a few signs in the header. It reads no
 * text, learns nothing and asks no list, so it finds only careless spam. The weights are chosen so that no two signs make a message
 * spam, because honest programs of small servers show two or three of them.
 */

import { DAY } from '../../../config/limits/limit.ts'
import type { Limits } from '../../../config/limits.ts'
import type { SpamReason } from '../../messages/spam-verdict.ts'
import type { SpamChecker, SuspectMail } from './spam-checker.ts'

/** Strangers choose the name: a pattern must not search in any length. */
const NAME_CHARS_MAX = 200

interface BuiltInNeeds {
  /** Epoch ms. */
  readonly wallClock: () => number
  readonly limits: Limits
}

export function createBuiltInCheck({ wallClock, limits }: BuiltInNeeds): SpamChecker {
  const threshold = limits.policy.spamScoreMin

  return {
    async check(suspect) {
      const reasons = [...signsOf(suspect, wallClock())].sort((one, other) => other.score - one.score)
      const score = Math.round(reasons.reduce((sum, reason) => sum + reason.score, 0) * 100) / 100
      return { verdict: { checker: 'built-in', isSpam: score >= threshold, score, threshold, reasons } }
    },
  }
}

function* signsOf({ sender, evidence, arrival }: SuspectMail, now: number): Generator<SpamReason> {
  const { spf, dkim = [], iprev } = sender.authentication
  if (spf?.result === 'fail') yield sign('spf_fail', 2, 'SPF: the client may not send for this domain')
  if (spf?.result === 'softfail') yield sign('spf_softfail', 1, 'SPF: the client should not send for this domain')
  if (dkim.some(({ result }) => result === 'fail')) yield sign('dkim_fail', 1, 'a DKIM signature is wrong')
  if (iprev?.result === 'fail') yield sign('no_client_name', 1, 'the address of the client has no name of its own')
  if (isBadHello(arrival.helo ?? '')) yield sign('bad_helo', 1, 'the name in EHLO is not that of a host')
  if (!evidence) return
  const { signs, from } = evidence
  if (signs.isTest) yield sign('gtube', 1_000, 'the test string for spam filters')
  if (!signs.hasMessageId) yield sign('no_message_id', 1, 'no Message-ID')
  if (!signs.hasDate) yield sign('no_date', 1, 'no Date')
  else if (signs.date === undefined) yield sign('bad_date', 1.5, 'the Date cannot be read')
  else if (signs.date > now + DAY) yield sign('future_date', 1.5, 'the Date is more than a day in the future')
  if (sender.verifiedDomain !== undefined) return
  // What follows is usual in mail whose domain has confirmed it.
  const [author] = from
  const domain = domainOf(author?.address ?? '')
  const named = /[\w.+-]+@([\w-]+(?:\.[\w-]+)+)/.exec((author?.name ?? '').slice(0, NAME_CHARS_MAX))?.[1]?.toLowerCase()
  if (named !== undefined && named !== domain)
    yield sign('other_address_in_name', 3, 'the name in From is another address')
  if (signs.replyToDomains.some((other) => other !== domain))
    yield sign('other_reply_to', 1, 'replies go to another domain')
  const { subject } = signs
  if (/^[^\p{Ll}]*$/u.test(subject) && /(?:\p{Lu}[^\p{Lu}]*){10}/u.test(subject))
    yield sign('shouting', 1, 'the subject is in capitals')
  if (/[!?]{3}|\${3}/.test(subject)) yield sign('excited', 0.5, 'the subject has several ! ? or $')
}

function sign(name: string, score: number, description: string): SpamReason {
  return { name, score, description }
}

function domainOf(address: string): string {
  return address.slice(address.lastIndexOf('@') + 1).toLowerCase()
}

/** RFC 5321 §4.1.1.1: a domain name, or an address in brackets. */
function isBadHello(name: string): boolean {
  return !/^(?:[\w-]+\.)+[\w-]*[a-z][\w-]*\.?$|^\[.+\]$/i.test(name)
}
