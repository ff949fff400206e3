/** Kinds of the jobs that other modules enqueue. A kind is stored in the database: never change one. */

/**
 * Clears the queue of a webhook that was disabled or deleted (mail/webhooks/settle.ts); the key is the webhook's id.
 */
export const SETTLE_WEBHOOK = 'settle-webhook'

/** Sends the events of a time range to a webhook again (mail/webhooks/replay-job.ts); the key is the webhook's id. */
export const REPLAY_WEBHOOK = 'replay-webhook'

/** Turns a webhook's ordering on or off (mail/webhooks/line-up.ts); the key is the webhook's id. */
export const LINE_UP_WEBHOOK = 'line-up-webhook'
