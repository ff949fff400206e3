/** Kinds of the jobs that other modules enqueue. A kind is stored in the database: never change one. */

/**
 * Cancels the pending deliveries of a disabled webhook; removes a deleted one with all its deliveries
 * (cancel-pending.ts). Key: the id of the webhook.
 */
export const CANCEL_PENDING = 'cancel-pending-deliveries'

/** Sends the events of a time range to a webhook again (replay-job.ts). Key: the id of the webhook. */
export const REPLAY_WEBHOOK = 'replay-webhook'

/** Enables or disables the ordering of a webhook (enable-ordering.ts). Key: the id of the webhook. */
export const ENABLE_ORDERING = 'enable-ordering'

/** Mails a notification about a received message (notify-by-mail.ts). Key: the id of the message. */
export const NOTIFY_BY_MAIL = 'notify-by-mail'

/** Asks the sender of a message to confirm that it wrote it (send-challenge.ts). Key: the id of the message. */
export const CHALLENGE_SENDER = 'challenge-sender'

/** Jobs that compose one mail, for which someone waits. */
export const SHORT_JOBS = [NOTIFY_BY_MAIL, CHALLENGE_SENDER] as const

/** Removes the list entries of a deleted inbox or pod (remove-list-entries.ts). Key: the id of the inbox or pod. */
export const REMOVE_LIST_ENTRIES = 'remove-list-entries'
