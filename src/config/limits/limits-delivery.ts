/** Limits of the queue and of mail to other servers. Part of ../limits.ts. */
import { DAY, HOUR, KIB, type Limit, MINUTE, SECOND } from './limit.ts'

export const deliveryLimits = {
  deliveryLeaseMs: {
    default: 2 * MINUTE,
    unit: 'milliseconds',
    sentence: 'Lease of a claimed recipient or job; it is renewed while the work runs.',
  },
  workInterruptionsMax: {
    default: 3,
    unit: 'count',
    sentence:
      'Consecutive attempts of one recipient, webhook delivery or job that end without an outcome because the process died, hung or failed; then the work is set aside. After the first of these attempts, it runs only while no other interrupted work runs.',
  },
  jobSetAsideMs: {
    default: DAY,
    unit: 'milliseconds',
    sentence: 'Time until a job that was set aside runs again.',
  },
  deliveryConcurrencyMax: {
    default: 200,
    unit: 'count',
    sentence: 'Concurrent deliveries to other servers, all destinations together.',
  },
  deliveryLaneConcurrencyMax: {
    default: 4,
    unit: 'count',
    sentence: 'Concurrent deliveries to one destination, so that a destination that hangs delays no other.',
  },
  deliveryLocalConcurrencyMax: {
    default: 64,
    unit: 'count',
    sentence: 'Concurrent deliveries to inboxes of this server.',
  },
  deliveryRecipientsMax: {
    default: 100,
    unit: 'count',
    sentence: 'Recipients of one delivery (RFC 5321 §4.5.3.1.8).',
  },
  deliveryLanesMax: { default: 200, unit: 'count', sentence: 'Destinations that one poll of the queue processes.' },
  deliveryRetryForMs: {
    default: 3 * DAY,
    unit: 'milliseconds',
    sentence: 'Age at which a recipient whose deliveries keep failing temporarily is given up.',
  },
  deliveryDelayNoticeMs: {
    default: 4 * HOUR,
    unit: 'milliseconds',
    sentence:
      'Age at which the sender gets a delay notice; delivery is attempted at that time, whenever the next attempt would be due.',
  },
  noticeHeaderBytesMax: {
    default: 16 * KIB,
    unit: 'bytes',
    sentence: "Bytes of an undelivered message's header that are returned with the notice.",
  },
  queueChangeMax: {
    default: 200,
    unit: 'count',
    sentence: 'Recipients that one call holds, releases, cancels or retries; the response says whether there are more.',
  },
  deliveryRetryFirstMs: {
    default: MINUTE,
    unit: 'milliseconds',
    sentence: 'Wait before the first retry; later ones are longer.',
  },
  deliveryRetryMaxMs: { default: 4 * HOUR, unit: 'milliseconds', sentence: 'Longest wait between two retries.' },
  deliveryHostsMax: { default: 5, unit: 'count', sentence: 'Mail servers of one domain that one attempt tries.' },
  deliveryAddressesMax: {
    default: 2,
    unit: 'count',
    sentence: 'Addresses per IP family that one attempt tries for one mail server.',
  },
  deliveryConnectMs: {
    default: 30 * SECOND,
    unit: 'milliseconds',
    sentence: 'Time for a connection to another mail server to open.',
  },
  deliveryGreetingMs: {
    default: 5 * MINUTE,
    unit: 'milliseconds',
    sentence: 'Time to wait for the greeting of another mail server, and for its TLS handshake (RFC 5321 §4.5.3.2.1).',
  },
  deliveryCommandMs: {
    default: 5 * MINUTE,
    unit: 'milliseconds',
    sentence:
      'Time to wait for the reply to a command, or for the peer to accept a piece of the message (RFC 5321 §4.5.3.2.2 to §4.5.3.2.5).',
  },
  deliveryDataMs: {
    default: 10 * MINUTE,
    unit: 'milliseconds',
    sentence: 'Time to wait for the reply to the whole message (RFC 5321 §4.5.3.2.6).',
  },
  deliveryMs: {
    default: 30 * MINUTE,
    unit: 'milliseconds',
    sentence: 'Time for one delivery over one connection, whatever the other side does.',
  },
  deliveryReplyCharsMax: {
    default: 1_000,
    unit: 'count',
    sentence: "Characters of another mail server's reply that are stored.",
  },
  relayConnectionsMax: { default: 10, unit: 'count', sentence: 'Open connections to the relay.' },
  relayMessagesMax: { default: 100, unit: 'count', sentence: 'Messages delivered over one connection to the relay.' },
  relayIdleMs: {
    default: 30 * SECOND,
    unit: 'milliseconds',
    sentence: 'Time for which an idle connection to the relay is kept open for the next message.',
  },
  dnsTryMs: {
    default: 5 * SECOND,
    unit: 'milliseconds',
    sentence: 'Time to wait for the answer of a resolver before the query is sent again.',
  },
  dnsTriesMax: { default: 2, unit: 'count', sentence: 'Times that a query is sent to each resolver.' },
  queuePollMs: {
    default: 5 * SECOND,
    unit: 'milliseconds',
    sentence: 'Interval at which the queue is polled when no commit signal arrives.',
  },
} as const satisfies Record<string, Limit>
