/**
 * Lets rspamd check mail for spam. If it does not answer, is too busy, or the message is too large for it, the built-in rules check the
 * message: a failure never loses or refuses mail. After a failure it is not asked for a while, so that not every message waits.
 *
 * Its actions: "reject" and "soft reject" refuse the message, "add header" and "rewrite subject" make it spam. "greylist" does nothing:
 * rspamd asks for a soft reject by itself if its greylisting is on.
 */
import type { Limits } from '../../../config/limits.ts'
import type { Config } from '../../../config/settings.ts'
import { bareIp } from '../../../formats/address/ip-address.ts'
import type { Log } from '../../../log.ts'
import type { RspamdClient, RspamdReply } from '../../../net/fetch/rspamd-client.ts'
import type { SpamChecker, SpamResult, SuspectMail } from './spam-checker.ts'

interface RspamdNeeds {
  readonly client: RspamdClient
  /** Checks what rspamd does not. */
  readonly fallback: SpamChecker
  readonly config: Pick<Config, 'hostname' | 'limits'>
  /** Milliseconds of a monotonic clock. */
  readonly clock: () => number
  readonly log: Log
}

const SPAM_ACTIONS: ReadonlySet<string> = new Set(['add header', 'rewrite subject', 'reject', 'quarantine', 'discard'])

export function createRspamdCheck({ client, fallback, config, clock, log }: RspamdNeeds): SpamChecker {
  const { limits, hostname } = config
  const { rspamdBytesMax, rspamdRequestsMax, rspamdPauseMs } = limits.policy
  let running = 0
  let pausedUntil = Number.NEGATIVE_INFINITY

  return {
    async check(suspect) {
      const { mail } = suspect
      const isBusy = running >= rspamdRequestsMax || clock() < pausedUntil
      if (isBusy || mail.sizeBytes > rspamdBytesMax) return fallback.check(suspect)
      running += 1
      try {
        return resultOf(await ask(suspect), limits)
      } catch (error) {
        pausedUntil = clock() + rspamdPauseMs
        log.warn({ err: error, pauseMs: rspamdPauseMs }, 'rspamd did not check a message; the built-in rules do')
        return await fallback.check(suspect)
      } finally {
        running -= 1
      }
    },
  }

  async function ask({ arrival, envelope, sender, mail }: SuspectMail): Promise<RspamdReply> {
    const { iprev } = sender.authentication
    return client.check({
      bytes: (await mail.load()).bytes,
      ...{ sender: envelope.sender, recipients: envelope.recipients },
      ipAddress: bareIp(arrival.remoteAddress ?? ''),
      helo: arrival.helo ?? '',
      clientName: iprev?.result === 'pass' ? iprev.name : undefined,
      queueId: arrival.traceId,
      hostname,
    })
  }
}

function resultOf(
  { action, score, requiredScore, thresholds, symbols }: RspamdReply,
  { policy: { spamReasonsMax, spamReasonCharsMax } }: Limits,
): SpamResult {
  const weighed = symbols
    .filter((symbol) => symbol.score !== 0)
    .sort((one, other) => Math.abs(other.score) - Math.abs(one.score))
    .slice(0, spamReasonsMax)
  const cut = (text: string) => text.slice(0, spamReasonCharsMax).toWellFormed()
  const reasons = weighed.map(({ name, score, description }) => ({
    name: cut(name),
    score,
    ...(description !== undefined && { description: cut(description) }),
  }))
  const threshold = thresholds['add header'] ?? requiredScore
  const verdict = { checker: 'rspamd' as const, isSpam: SPAM_ACTIONS.has(action), score, threshold, reasons }
  if (action === 'reject') return { verdict, refusal: 'reject' }
  return action === 'soft reject' ? { verdict, refusal: 'defer' } : { verdict }
}
