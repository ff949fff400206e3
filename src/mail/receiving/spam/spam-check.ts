/** Selects the spam checker that the settings ask for. */
import type { Config } from '../../../config/settings.ts'
import type { Log } from '../../../log.ts'
import { createRspamdClient } from '../../../net/fetch/rspamd-client.ts'
import { createBuiltInCheck } from './built-in-check.ts'
import { createRspamdCheck } from './rspamd-check.ts'
import type { SpamChecker } from './spam-checker.ts'

interface SpamCheckNeeds {
  readonly config: Pick<Config, 'hostname' | 'spamCheck' | 'rspamdUrl' | 'limits'>
  /** Epoch ms. */
  readonly wallClock: () => number
  readonly log: Log
}

export interface SpamCheck {
  /** undefined: mail is not checked. */
  readonly checker: SpamChecker | undefined
  /** Closes the connections to rspamd. */
  close(): void
}

export function createSpamCheck({ config, wallClock, log }: SpamCheckNeeds): SpamCheck {
  const { limits, rspamdUrl: url } = config
  if (!config.spamCheck) return { checker: undefined, close: () => undefined }
  const fallback = createBuiltInCheck({ wallClock, limits })
  if (url === undefined) return { checker: fallback, close: () => undefined }
  const { rspamdMs: timeoutMs, rspamdRequestsMax: requestsMax, rspamdReplyBytesMax: replyBytesMax } = limits.policy
  const client = createRspamdClient({ url, timeoutMs, requestsMax, replyBytesMax })
  const clock = () => performance.now()
  return { checker: createRspamdCheck({ client, fallback, config, clock, log }), close: client.close }
}
