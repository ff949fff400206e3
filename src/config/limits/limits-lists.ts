/** Limits of lists and pages of the API. Part of ../limits.ts. */
import { type Limit, MIB } from './limit.ts'

export const listsLimits = {
  pageDefault: { default: 50, unit: 'count', description: 'Items per page when the client gives no limit.' },
  pageMax: { default: 500, unit: 'count', description: 'Maximum items per page.' },
  filteredPageMax: {
    default: 100,
    unit: 'count',
    description: 'Maximum items per page of a list that is filtered by substring.',
  },
  threadPageDefault: {
    default: 100,
    unit: 'count',
    description: 'Messages returned with a thread when the client gives no limit.',
  },
  pageBytesMax: {
    default: 4 * MIB,
    unit: 'bytes',
    description:
      'Total size in JSON of the subjects, previews and references in a page of messages or threads. The first item is always included, whatever its size.',
  },
  threadPageBytesMax: {
    default: 8 * MIB,
    unit: 'bytes',
    description:
      'Total size of the messages returned with a thread. The first message is always included, whatever its size.',
  },
  filterValuesMax: { default: 100, unit: 'count', description: 'Values of one filter of a list.' },
  filterCharsMax: { default: 1_000, unit: 'count', description: 'Length of a text by which a list is filtered.' },
  scanRowsMax: {
    default: 5_000,
    unit: 'count',
    description:
      'Rows that one page of a filtered list may read. The page can be empty and still have a token for the next page.',
  },
  threadParticipantsMax: { default: 100, unit: 'count', description: 'Senders and recipients returned with a thread.' },
  threadAttachmentMessagesMax: {
    default: 100,
    unit: 'count',
    description: 'Newest messages of a thread whose attachments are returned with it.',
  },
  threadPartMessagesMax: {
    default: 500,
    unit: 'count',
    description: 'Newest messages read to show a thread in which some messages are hidden.',
  },
} as const satisfies Record<string, Limit>
