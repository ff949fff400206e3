/** Kinds of the jobs that other modules enqueue. A kind is stored in the database: never change one. */

/**
 * Clears the queue of a webhook that was disabled or deleted (mail/webhooks/delivery/cancel-pending.ts); the key is the webhook's id.
 */
export const CANCEL_PENDING = 'cancel-pending-deliveries'

/** Sends the events of a time range to a webhook again (mail/webhooks/replay/replay-job.ts); the key is the webhook's id. */
export const REPLAY_WEBHOOK = 'replay-webhook'

/** Turns a webhook's ordering on or off (mail/webhooks/ordering/enable-ordering.ts); the key is the webhook's id. */
export const ENABLE_ORDERING = 'enable-ordering'
