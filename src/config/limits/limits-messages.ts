/** Limits of inboxes, labels and sent messages. Part of ../limits.ts. */
import { DAY, KIB, type Limit, MIB, MINUTE } from './limit.ts'

export const messageLimits = {
  labelsPerMessageMax: { default: 64, unit: 'count', sentence: 'Labels on one message.' },
  labelCharsMax: { default: 256, unit: 'count', sentence: 'Length of a label.' },
  metadataKeysMax: { default: 256, unit: 'count', sentence: "Keys in an inbox's metadata." },
  metadataCharsMax: { default: 256, unit: 'count', sentence: 'Length of a metadata key or text value.' },
  displayNameCharsMax: {
    default: 256,
    unit: 'count',
    sentence: 'Length of a display name, and of the name of a key or pod.',
  },
  threadLabelMessagesMax: {
    default: 100,
    unit: 'count',
    sentence: 'Number of messages from which the labels of a thread can no longer be changed in one call.',
  },
  sendRecipientsMax: {
    default: 50,
    unit: 'count',
    sentence: 'Recipients of one sent message, in to, cc and bcc together.',
  },
  sendTextCharsMax: {
    default: 4 * MIB,
    unit: 'count',
    sentence:
      'Length of the text of a sent message, and of its HTML; longer ones would block the server while they are encoded.',
  },
  headerCharsPerSendMax: {
    default: 256 * KIB,
    unit: 'count',
    sentence: 'Characters of subject, addresses and extra header fields of one sent message, all together.',
  },
  headersPerSendMax: { default: 100, unit: 'count', sentence: 'Extra header fields of one sent message.' },
  attachmentsPerSendMax: { default: 100, unit: 'count', sentence: 'Attachments of one sent message.' },
  idempotencyMs: {
    default: DAY,
    unit: 'milliseconds',
    sentence: 'Time for which a repeated Idempotency-Key returns the first result.',
  },
  idempotencyLeaseMs: {
    default: 2 * MINUTE,
    unit: 'milliseconds',
    sentence: 'Time after which an unfinished first attempt releases its Idempotency-Key.',
  },
} as const satisfies Record<string, Limit>
