/**
 * Every limit of a body, queue, buffer, wait or retry, once: default, unit, and the sentence that documents it. Each file
 * of limits/ has those of one subject; no other file defines a limit. docs/configuration.md is generated from them.
 */
import { deliveryLimits } from './limits/limits-delivery.ts'
import { eventLimits } from './limits/limits-events.ts'
import { httpLimits } from './limits/limits-http.ts'
import { messageLimits } from './limits/limits-messages.ts'
import { parsingLimits } from './limits/limits-parsing.ts'
import { smtpLimits } from './limits/limits-smtp.ts'
import { storeLimits } from './limits/limits-store.ts'
import { webhookLimits } from './limits/limits-webhooks.ts'

/** Tests and embedders may override these limits; environment variables cannot. */
export const limits = {
  ...smtpLimits,
  ...parsingLimits,
  ...httpLimits,
  ...eventLimits,
  ...messageLimits,
  ...deliveryLimits,
  ...webhookLimits,
  ...storeLimits,
}

export type Limits = { readonly [K in keyof typeof limits]: number }

export function defaultLimits(): Limits {
  return Object.fromEntries(Object.entries(limits).map(([name, limit]) => [name, limit.default])) as unknown as Limits
}
