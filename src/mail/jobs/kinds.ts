/** Jobs that rooms to the left of their handler ask for. A kind is in the database: never change one. */

/** What a webhook that was switched off or deleted still has in the queue (mail/webhooks/settle.ts); its key is the webhook's id. */
export const SETTLE_WEBHOOK = 'settle-webhook'
