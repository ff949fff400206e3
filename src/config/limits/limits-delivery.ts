/** Limits of delivery to inboxes and other servers. Part of ../limits.ts. */
import { DAY, HOUR, KIB, type Limit, MINUTE, SECOND } from './limit.ts'

export const deliveryLimits = {
  leaseMs: {
    default: 2 * MINUTE,
    unit: 'milliseconds',
    description: 'Lease of a claimed recipient. It is renewed during the delivery.',
  },
  concurrencyMax: {
    default: 200,
    unit: 'count',
    description:
      'Concurrent deliveries to other servers, all destinations together. An organization may begin another one while it runs fewer than seven times as many as are free (one alone gets seven eighths), a pod while it runs fewer than its organization may still begin (one alone gets half of that).',
  },
  destinationConcurrencyMax: {
    default: 4,
    unit: 'count',
    description: 'Concurrent deliveries to one destination, so that one that hangs does not delay the others.',
  },
  localConcurrencyMax: {
    default: 64,
    unit: 'count',
    description:
      'Concurrent deliveries to inboxes of this server. They are divided among pods and organizations in the same way.',
  },
  recipientsMax: {
    default: 100,
    unit: 'count',
    description: 'Recipients of one delivery (RFC 5321 §4.5.3.1.8).',
  },
  flowsPerPollMax: {
    default: 200,
    unit: 'count',
    description: 'Flows that one poll of the queue processes. A flow is the mail of one pod to one domain.',
  },
  checkedRecipientsMax: {
    default: 200,
    unit: 'count',
    description:
      'Recipients that one transaction compares with the lists of their senders, just before their delivery. Other transactions run between two of these.',
  },
  errorPauseMs: {
    default: 10 * SECOND,
    unit: 'milliseconds',
    description:
      'Time after which a submission is due again whose delivery could not begin because of an internal error. Its flow pauses as long if none of its submissions could begin. Others go on.',
  },
  retryForMs: {
    default: 3 * DAY,
    unit: 'milliseconds',
    description: 'Age at which delivery to a recipient is given up if it keeps failing temporarily.',
  },
  delayNoticeMs: {
    default: 4 * HOUR,
    unit: 'milliseconds',
    description:
      'Age at which the sender gets a delay notice. Delivery is attempted once more at that time, even if the next attempt is due later.',
  },
  noticeHeaderBytesMax: {
    default: 16 * KIB,
    unit: 'bytes',
    description: 'Bytes of the header of an undelivered message that its notice returns.',
  },
  queueChangeMax: {
    default: 200,
    unit: 'count',
    description:
      'Recipients that one call holds, releases, cancels or retries. The response says whether there are more.',
  },
  retryFirstMs: {
    default: MINUTE,
    unit: 'milliseconds',
    description: 'Wait before the first retry of a delivery. Later waits are longer.',
  },
  retryMsMax: {
    default: 4 * HOUR,
    unit: 'milliseconds',
    description: 'Longest wait between two attempts to deliver to a recipient.',
  },
  hostsMax: { default: 5, unit: 'count', description: 'Mail servers of one domain that one attempt tries.' },
  addressesMax: {
    default: 2,
    unit: 'count',
    description: 'Addresses per IP family that one attempt tries for one mail server.',
  },
  connectMs: {
    default: 30 * SECOND,
    unit: 'milliseconds',
    description:
      'Time to open a connection to another mail server, and for one that has been idle to reply to the next message.',
  },
  greetingMs: {
    default: 5 * MINUTE,
    unit: 'milliseconds',
    description:
      'Time to wait for the greeting of another mail server, and for the TLS handshake (RFC 5321 §4.5.3.2.1).',
  },
  commandMs: {
    default: 5 * MINUTE,
    unit: 'milliseconds',
    description:
      'Time to wait for the reply to a command, or for the peer to read more of the message (RFC 5321 §4.5.3.2.2 to §4.5.3.2.5).',
  },
  dataMs: {
    default: 10 * MINUTE,
    unit: 'milliseconds',
    description: 'Time to wait for the reply to the whole message (RFC 5321 §4.5.3.2.6).',
  },
  attemptMs: {
    default: 30 * MINUTE,
    unit: 'milliseconds',
    description: 'Time for one delivery over one connection, whatever the other server does.',
  },
  replyCharsMax: {
    default: 1_000,
    unit: 'count',
    description: "Characters of another mail server's reply that are stored.",
  },
  relayConnectionsMax: { default: 10, unit: 'count', description: 'Open connections to the relay.' },
  relayMessagesMax: {
    default: 100,
    unit: 'count',
    description: 'Messages delivered over one connection to the relay.',
  },
  relayIdleMs: {
    default: 30 * SECOND,
    unit: 'milliseconds',
    description: 'Time for which an idle connection to the relay stays open for the next message.',
  },
  destinationMessagesMax: {
    default: 100,
    unit: 'count',
    description: 'Messages delivered over one connection to a mail server of another domain.',
  },
  destinationIdleMs: {
    default: 5 * SECOND,
    unit: 'milliseconds',
    description:
      'Time for which an idle connection to a mail server of another domain stays open for the next message to this domain.',
  },
  idleConnectionsMax: {
    default: 100,
    unit: 'count',
    description:
      'Idle connections to mail servers of other domains. Beyond that, the one that has been idle longest ends.',
  },
  keptBytesMax: {
    default: 64 * KIB,
    unit: 'bytes',
    description:
      'Largest message that a delivery keeps in memory from its first reading to its last. Larger ones are read from the database or the disk again.',
  },
  showServerAfterMs: {
    default: SECOND,
    unit: 'milliseconds',
    description:
      'Time after which a delivery records the server that it talks to, for the lists of the queue. Shorter ones record nothing.',
  },
  pollMs: {
    default: 5 * SECOND,
    unit: 'milliseconds',
    description: 'Interval at which the queue is polled when no commit signal arrives.',
  },
  backlogFlowsMax: {
    default: 10,
    unit: 'count',
    description:
      'Flows that polls of the queue read per millisecond while more is due than may begin. Each commit and each end of a delivery asks for a poll, which reads all flows.',
  },
  backlogPauseMsMax: {
    default: 20,
    unit: 'milliseconds',
    description: 'Longest pause between two such polls. During a pause no delivery begins, also to other destinations.',
  },
} as const satisfies Record<string, Limit>
