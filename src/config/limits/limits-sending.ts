/** Limits of one sent message, and of its idempotency key. Part of ../limits.ts. */
import { DAY, HOUR, KIB, type Limit, MIB, MINUTE, SECOND } from './limit.ts'

export const sendingLimits = {
  quotedCharsMax: {
    default: 262_144,
    unit: 'count',
    description:
      'Characters of the original message that a reply with `quote_original` contains. Of a longer one, the beginning is quoted.',
  },
  threadRepliesMs: {
    default: HOUR,
    unit: 'milliseconds',
    description: 'Time for which the replies of an inbox in one thread are counted (`MARTLET_THREAD_REPLIES`).',
  },
  threadRepliesScannedMax: {
    default: 1_000,
    unit: 'count',
    description: 'Newest messages of a thread among which they are counted.',
  },
  recipientsMax: {
    default: 50,
    unit: 'count',
    description:
      'Recipients of one sent message, in to, cc and bcc together. A further RCPT of a mail program gets 452.',
  },
  textCharsMax: {
    default: 4 * MIB,
    unit: 'count',
    description:
      'Length of the text of a sent message; the same limit applies to its HTML. A longer one would block the server while it is encoded.',
  },
  headerCharsMax: {
    default: 256 * KIB,
    unit: 'count',
    description: 'Total length of the subject, addresses and extra header fields of one sent message.',
  },
  rawHeaderBytesMax: {
    default: 256 * KIB,
    unit: 'bytes',
    description: 'Header of a message that a mail program submits. A message with a larger one is refused.',
  },
  headersMax: { default: 100, unit: 'count', description: 'Extra header fields of one sent message.' },
  attachmentsMax: { default: 100, unit: 'count', description: 'Attachments of one sent message.' },
  composedBytesMax: {
    default: 128 * MIB,
    unit: 'bytes',
    description:
      'Memory for messages that are composed from stored ones or from drafts: three times their attachments, while they are forwarded, sent or changed. Further requests wait as for `http.responsesBytesMax`, which is counted apart. One API key can use half of it, and all keys of one pod three quarters; a single message may be larger.',
  },
  attachmentUrlsBytesMax: {
    default: 30 * MIB,
    unit: 'bytes',
    description: 'Total size of the attachments of one message that are given by URL.',
  },
  attachmentUrlCharsMax: { default: 8_192, unit: 'count', description: 'Length of the URL of an attachment.' },
  attachmentUrlsMs: {
    default: 30 * SECOND,
    unit: 'milliseconds',
    description: 'Time to fetch all attachments of one message that are given by URL.',
  },
  attachmentUrlsAtOnceMax: {
    default: 4,
    unit: 'count',
    description: 'Attachments of one message that are fetched at the same time.',
  },
  attachmentRedirectsMax: { default: 5, unit: 'count', description: 'Redirects from the URL of an attachment.' },
  fetchingMessagesMax: {
    default: 50,
    unit: 'count',
    description:
      'Messages whose attachments are fetched at the same time. They are divided among pods and organizations. Further sends get 429.',
  },
  idempotencyMs: {
    default: DAY,
    unit: 'milliseconds',
    description:
      'Time for which a repeated Idempotency-Key returns the first result, and the client_id of a draft that was sent is remembered.',
  },
  idempotencyLeaseMs: {
    default: 2 * MINUTE,
    unit: 'milliseconds',
    description: 'Time after which an unfinished first attempt releases its Idempotency-Key.',
  },
  draftsPerInboxMax: { default: 10_000, unit: 'count', description: 'Drafts of one inbox.' },
  draftLeaseMs: {
    default: 2 * MINUTE,
    unit: 'milliseconds',
    description:
      'Lease of a draft while it is sent: no other call changes or sends it. If the process dies, the draft is free after this time.',
  },
  scheduleAheadMsMax: {
    default: 366 * DAY,
    unit: 'milliseconds',
    description: 'How far ahead the `send_at` of a draft may be.',
  },
  schedulePollMs: {
    default: 5 * SECOND,
    unit: 'milliseconds',
    description:
      'Interval at which scheduled drafts are polled. A poll also finds those that are due before the next one.',
  },
  schedulePodsPerPollMax: {
    default: 100,
    unit: 'count',
    description:
      'Pods whose scheduled drafts one poll reads together. The next poll continues after the pod served last.',
  },
  scheduleConcurrencyMax: {
    default: 2,
    unit: 'count',
    description: 'Scheduled drafts that one process sends at once, divided among pods and organizations.',
  },
  scheduleRetryMs: {
    default: MINUTE,
    unit: 'milliseconds',
    description:
      'Time until a scheduled draft is tried again when this server could not send it, for example because its disk was full.',
  },
} as const satisfies Record<string, Limit>
