/** Limits of text search and its index. Part of ../limits.ts. */
import { HOUR, type Limit, MIB, MINUTE, SECOND } from './limit.ts'

export const searchLimits = {
  queryCharsMax: {
    default: 250,
    unit: 'count',
    description: 'Length of the text of a search. Comparing a longer one can take much more time.',
  },
  queryWordsMax: { default: 64, unit: 'count', description: 'Words in the text of a search.' },
  fragmentsMax: {
    default: 3,
    unit: 'count',
    description: 'Fragments with matches that a search returns for one field of a result.',
  },
  fragmentCharsMax: { default: 200, unit: 'count', description: 'Length of such a fragment, without its marks.' },
  pageRowsMax: {
    default: 250,
    unit: 'count',
    description:
      'Messages that are compared for one page of a search, and blocks of the index that are read. A page that examines more is shorter, perhaps empty, and has a next page.',
  },
  scopeRowsMax: {
    default: 1_000,
    unit: 'count',
    description: 'The same for one page of a search in several inboxes.',
  },
  scopeInboxesMax: {
    default: 200,
    unit: 'count',
    description: 'Inboxes that one page of a search of threads examines.',
  },
  textCacheBytesMax: {
    default: 16 * MIB,
    unit: 'bytes',
    description: 'Memory for texts that searches have compared lately, two bytes per character.',
  },
  textCacheMs: {
    default: 5 * MINUTE,
    unit: 'milliseconds',
    description: 'Time after which these texts are released, and read again by the next search.',
  },
  sourceMessagesMin: {
    default: 16,
    unit: 'count',
    description:
      'Messages that are not in the index of whole messages, for SEARCH of IMAP, before it continues. SEARCH reads fewer than that.',
  },
  sourceSignaturesMax: {
    default: 64,
    unit: 'count',
    description:
      'Signatures of one message in this index, for 8,000 characters each. SEARCH reads a message that would need more, or is larger than `mailboxes.sourceBytesMax`, unless its signatures are in memory.',
  },
  sourceCheckMs: {
    default: MINUTE,
    unit: 'milliseconds',
    description:
      'Time between two checks whether this index of an inbox is complete, while mail programs open or search it.',
  },
  indexEvery: {
    default: 64,
    unit: 'count',
    description: 'One of this number of messages, chosen evenly, makes the index of its inbox continue.',
  },
  indexReadRows: {
    default: 32,
    unit: 'count',
    description: 'Messages that are read at once for the index.',
  },
  indexPauseMs: {
    default: 20,
    unit: 'milliseconds',
    description: 'Pause after each part of the index, for other work.',
  },
  indexCheckMs: {
    default: HOUR,
    unit: 'milliseconds',
    description: 'Interval at which all inboxes are checked for messages that should be in the index.',
  },
  purgeDelayMs: {
    default: MINUTE,
    unit: 'milliseconds',
    description:
      'Time after which the text of a deleted message is removed from the index, with those deleted meanwhile.',
  },
  threadIdleMs: {
    default: 10 * SECOND,
    unit: 'milliseconds',
    description: 'Time without work after which the thread of the text index ends.',
  },
  threadTaskMs: {
    default: 5 * MINUTE,
    unit: 'milliseconds',
    description:
      'Time for one task of the thread of the text index: the texts or sources of a part of the index. After that, the thread is replaced, and the job is retried later.',
  },
} as const satisfies Record<string, Limit>
