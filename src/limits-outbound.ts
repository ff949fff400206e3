/** Bounds of what leaves: mail in the queue, on its way to other servers, and webhooks. Part of limits.ts. */
import { DAY, HOUR, KIB, type Limit, MIB, MINUTE, SECOND } from './limit.ts'

export const outboundLimits = {
  // Queue
  deliveryLeaseMs: {
    default: 2 * MINUTE,
    unit: 'milliseconds',
    sentence: 'Lease of a claimed recipient or job; renewed while the work runs.',
  },
  workInterruptionsMax: {
    default: 3,
    unit: 'count',
    sentence:
      'Attempts in a row of one recipient, webhook delivery or job that end without an outcome because the process died, hung or failed; then it is set aside. After the first it runs while no other such work does.',
  },
  jobSetAsideMs: {
    default: DAY,
    unit: 'milliseconds',
    sentence: 'Wait before a job that was set aside runs again.',
  },
  deliveryConcurrencyMax: {
    default: 200,
    unit: 'count',
    sentence: 'Hand-overs to other servers under way at once, all destinations together.',
  },
  deliveryLaneConcurrencyMax: {
    default: 4,
    unit: 'count',
    sentence: 'Hand-overs to one destination under way at once, so that one that hangs delays no other.',
  },
  deliveryLocalConcurrencyMax: {
    default: 64,
    unit: 'count',
    sentence: 'Hand-overs to inboxes here under way at once.',
  },
  deliveryRecipientsMax: {
    default: 100,
    unit: 'count',
    sentence: 'Recipients of one hand-over (RFC 5321 §4.5.3.1.8).',
  },
  deliveryLanesMax: { default: 200, unit: 'count', sentence: 'Destinations that one look at the queue goes through.' },
  deliveryRetryForMs: {
    default: 3 * DAY,
    unit: 'milliseconds',
    sentence: 'Age at which a recipient that keeps failing for a time is given up.',
  },
  deliveryDelayNoticeMs: {
    default: 4 * HOUR,
    unit: 'milliseconds',
    sentence:
      'Age at which the sender is sent a notice that its mail is late; an attempt is made then, whenever the next one would be.',
  },
  noticeHeaderBytesMax: {
    default: 16 * KIB,
    unit: 'bytes',
    sentence: "Of an undelivered mail's header, what is sent back with the notice.",
  },
  queueChangeMax: {
    default: 200,
    unit: 'count',
    sentence: 'Recipients that one call holds, releases, cancels or retries; the answer says when there are more.',
  },
  deliveryRetryFirstMs: {
    default: MINUTE,
    unit: 'milliseconds',
    sentence: 'Wait before the first retry; later ones are longer.',
  },
  deliveryRetryMaxMs: { default: 4 * HOUR, unit: 'milliseconds', sentence: 'Longest wait between two retries.' },
  deliveryHostsMax: { default: 5, unit: 'count', sentence: 'Mail servers of one domain that one attempt talks to.' },
  deliveryAddressesMax: {
    default: 2,
    unit: 'count',
    sentence: 'Addresses of one family that one attempt tries of one mail server.',
  },
  deliveryConnectMs: {
    default: 30 * SECOND,
    unit: 'milliseconds',
    sentence: 'Time for a connection to another mail server to open.',
  },
  deliveryGreetingMs: {
    default: 5 * MINUTE,
    unit: 'milliseconds',
    sentence: 'Wait for the greeting of another mail server, and for its TLS handshake (RFC 5321 §4.5.3.2.1).',
  },
  deliveryCommandMs: {
    default: 5 * MINUTE,
    unit: 'milliseconds',
    sentence:
      'Wait for the reply to a command, or for a piece of the mail to be taken (RFC 5321 §4.5.3.2.2 to §4.5.3.2.5).',
  },
  deliveryDataMs: {
    default: 10 * MINUTE,
    unit: 'milliseconds',
    sentence: 'Wait for the reply to the whole mail (RFC 5321 §4.5.3.2.6).',
  },
  deliveryMs: {
    default: 30 * MINUTE,
    unit: 'milliseconds',
    sentence: 'Time for one hand-over over one connection, whatever the other side does.',
  },
  deliveryReplyCharsMax: {
    default: 1_000,
    unit: 'count',
    sentence: "Characters of another mail server's reply that are kept.",
  },
  relayConnectionsMax: { default: 10, unit: 'count', sentence: 'Open connections to the relay.' },
  relayMessagesMax: { default: 100, unit: 'count', sentence: 'Mails handed over on one connection to the relay.' },
  relayIdleMs: {
    default: 30 * SECOND,
    unit: 'milliseconds',
    sentence: 'Time for which a connection to the relay is kept for the next mail.',
  },
  dnsTryMs: { default: 5 * SECOND, unit: 'milliseconds', sentence: 'Wait for a resolver before it is asked again.' },
  dnsTriesMax: { default: 2, unit: 'count', sentence: 'Times that each resolver is asked.' },
  queuePollMs: {
    default: 5 * SECOND,
    unit: 'milliseconds',
    sentence: 'Interval at which the queue is looked at when no commit rang.',
  },
  // Webhooks
  webhooksMax: { default: 100, unit: 'count', sentence: 'Webhooks of one organization.' },
  webhookIdsMax: { default: 10, unit: 'count', sentence: 'Inboxes, and pods, that one webhook can name.' },
  webhookUrlCharsMax: { default: 2_048, unit: 'count', sentence: "Length of a webhook's URL." },
  webhookHeadersMax: { default: 20, unit: 'count', sentence: 'Custom header fields of one webhook.' },
  webhookHeaderCharsMax: {
    default: 8_192,
    unit: 'count',
    sentence: "Length of a webhook's custom header fields, names and values together.",
  },
  webhookBodyBytesMax: {
    default: 1_000_000,
    unit: 'bytes',
    sentence: "A webhook's body; a message's text and HTML are left out of a larger one.",
  },
  webhookBatchBytesMax: {
    default: 8 * MIB,
    unit: 'bytes',
    sentence: 'Bodies of webhooks that are made before they are written, besides the last one.',
  },
  webhookReplayEventsMax: {
    default: 100_000,
    unit: 'count',
    sentence: 'Events of one replay.',
  },
  webhookTestsMax: { default: 10, unit: 'count', sentence: 'Test requests to webhooks under way at once.' },
  webhookOldSecretMs: {
    default: DAY,
    unit: 'milliseconds',
    sentence: 'Time for which the secret of a webhook goes on signing beside the one that took its place.',
  },
  webhookOldSecretsMax: {
    default: 10,
    unit: 'count',
    sentence: 'Old secrets of one webhook that may sign at the same time.',
  },
  webhookFailingMaxMs: {
    default: 5 * DAY,
    unit: 'milliseconds',
    sentence: 'Time after which a webhook of which every request fails is switched off.',
  },
  webhookQuietMs: {
    default: 2 * DAY,
    unit: 'milliseconds',
    sentence:
      'Pause between failed requests to a webhook after which that time begins anew; longer than any wait between retries.',
  },
  webhookConcurrencyMax: {
    default: 200,
    unit: 'count',
    sentence: 'Requests to webhooks under way at once; at most half of them to webhooks whose last one failed.',
  },
  webhookEndpointConcurrencyMax: {
    default: 10,
    unit: 'count',
    sentence: 'Requests to one webhook under way at once; one while it fails.',
  },
  webhookTimeoutMs: {
    default: 15 * SECOND,
    unit: 'milliseconds',
    sentence: 'Time for a request to a webhook, from the look-up of its name to the end of its response.',
  },
  webhookLeaseMs: {
    default: 2 * MINUTE,
    unit: 'milliseconds',
    sentence: 'Lease of a claimed delivery to a webhook; longer than its request can take.',
  },
  webhookPollMs: {
    default: 5 * SECOND,
    unit: 'milliseconds',
    sentence: 'Interval at which waiting deliveries to webhooks are looked at when nothing else says so.',
  },
  webhookRestMaxMs: {
    default: MINUTE,
    unit: 'milliseconds',
    sentence: 'Longest pause between requests to a webhook that keeps failing, whatever waits for it.',
  },
  webhookRetryAfterMaxMs: {
    default: DAY,
    unit: 'milliseconds',
    sentence: 'Longest `Retry-After` of a webhook that is heeded.',
  },
  webhookResponseBytesMax: {
    default: 64 * KIB,
    unit: 'bytes',
    sentence: 'Bytes of a response of a webhook that are read before its connection is closed.',
  },
  webhookResponseKeptCharsMax: {
    default: 1_024,
    unit: 'count',
    sentence: 'Characters of that response that are kept with the attempt.',
  },
  webhookIdleSocketMs: {
    default: 10 * SECOND,
    unit: 'milliseconds',
    sentence: 'Time for which an unused connection to a webhook is kept open.',
  },
  webhookRetentionMs: {
    default: 7 * DAY,
    unit: 'milliseconds',
    sentence: 'Age at which deliveries to webhooks are removed, with their attempts.',
  },
  webhookChunkRows: {
    default: 500,
    unit: 'count',
    sentence: 'Deliveries to webhooks that one transaction cancels or removes.',
  },
} as const satisfies Record<string, Limit>
