/**
 * Probes of the receivers of ordered webhooks. The deliveries of an inbox wait for the first one, and its retry schedule
 * soon has waits of hours. So a failed delivery is also sent between its scheduled attempts, after waits that double up to
 * limits.webhooks.probeMsMax. When a probe succeeds, the delivery is delivered and the others follow at once. A probe that
 * fails is not an attempt: it is not in the history, and the delivery is given up when its schedule says so. Pure.
 */
import type { Limits } from '../../../config/limits.ts'
import { retryPauseMs } from '../../../retry-pause.ts'
import type { WebhookDeliveryRow } from '../../../store/schema/webhook-rows.ts'
import { spreadMs } from '../delivery/webhook-retry.ts'

type Probed = Pick<WebhookDeliveryRow, 'ordering_key' | 'scheduled_at' | 'probes'>

/** Whether a request that began at this time is a probe. */
export function isProbe({ ordering_key, scheduled_at }: Omit<Probed, 'probes'>, startedAt: number): boolean {
  return ordering_key !== null && scheduled_at !== null && startedAt < scheduled_at
}

/** Returns the wait before the next probe, in ms. */
export function probeWaitMs({ probes }: Pick<Probed, 'probes'>, spread: number, limits: Limits): number {
  const { probeMsMin, probeMsMax } = limits.webhooks
  return spreadMs(retryPauseMs(probes + 1, probeMsMin, probeMsMax), spread)
}
