/** Jobs that rooms to the left of their handler ask for. A kind is in the database: never change one. */

/** What a webhook that was switched off or deleted still has in the queue (mail/webhooks/settle.ts); its key is the webhook's id. */
export const SETTLE_WEBHOOK = 'settle-webhook'

/** Events of a time are told to a webhook once more (mail/webhooks/replay-job.ts); its key is the webhook's id. */
export const REPLAY_WEBHOOK = 'replay-webhook'

/** A webhook became ordered, or is no longer (mail/webhooks/line-up.ts); its key is the webhook's id. */
export const LINE_UP_WEBHOOK = 'line-up-webhook'
