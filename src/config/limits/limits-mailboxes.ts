/** Limits of mailboxes, as IMAP shows them. Part of ../limits.ts. */
import { HOUR, KIB, type Limit, MIB, MINUTE } from './limit.ts'

export const mailboxesLimits = {
  catchUpEvents: {
    default: 500,
    unit: 'count',
    description: 'Events that one transaction reads to bring the mailboxes of an inbox up to date.',
  },
  compareMessages: {
    default: 500,
    unit: 'count',
    description:
      'Messages, drafts and entries that one transaction compares, when an inbox is first opened for example.',
  },
  loadEntries: {
    default: 10_000,
    unit: 'count',
    description: 'Entries of a mailbox that one statement loads, before other work runs on the event loop.',
  },
  openMax: {
    default: 2_000,
    unit: 'count',
    description: 'Mailboxes of which a node keeps the entries in memory at the same time.',
  },
  openEntriesMax: {
    default: 20_000_000,
    unit: 'count',
    description:
      'Entries of all these mailboxes together. When there are as many, no further mailbox is opened (NO [LIMIT]), and new messages of those that are open are shown when others have left memory.',
  },
  perInboxMax: { default: 1_000, unit: 'count', description: 'Mailboxes that users of an inbox create.' },
  nameCharsMax: { default: 256, unit: 'count', description: 'Length of the name of a mailbox.' },
  keywordsMax: {
    default: 500,
    unit: 'count',
    description:
      'Different keywords in one mailbox. A mail program cannot store more: STORE answers NO [LIMIT], and APPEND leaves them out. Labels of the API count too, and are not refused.',
  },
  changeMessages: {
    default: 100,
    unit: 'count',
    description: 'Messages whose flags or mailbox one transaction changes. A command with more has several.',
  },
  refreshMessages: {
    default: 1_000,
    unit: 'count',
    description:
      'Messages of one command whose changes are shown to other sessions together, while the command continues.',
  },
  refreshesMax: {
    default: 200,
    unit: 'count',
    description:
      'Times that one command shows its changes while it continues. One on more messages than this many times `refreshMessages` shows more together: each time, flags and MODSEQs of the whole mailbox are copied.',
  },
  fetchMessages: { default: 200, unit: 'count', description: 'Messages that one statement reads for FETCH.' },
  searchMessages: { default: 500, unit: 'count', description: 'Messages that one statement reads for SEARCH.' },
  searchContentsMax: {
    default: 100_000,
    unit: 'count',
    description:
      'Messages whose header or text one SEARCH reads because the text index does not have what it asks for. A SEARCH that needs more is refused with NO [LIMIT].',
  },
  searchSourceBytesMax: {
    default: 512 * MIB,
    unit: 'bytes',
    description:
      'Bytes of messages that one SEARCH of TEXT or BODY reads, because neither the text index nor signatures in memory can tell. A SEARCH that needs more is refused with NO [LIMIT].',
  },
  searchSourcesMax: {
    default: 2,
    unit: 'count',
    description:
      'Large messages, and batches of small ones, whose whole text all SEARCH commands of a node compare at the same time: so many of each.',
  },
  searchesWaitingMax: {
    default: 2_000,
    unit: 'count',
    description:
      'SEARCH commands that wait for their turn to compare large messages, and as many to compare small ones. A further one is refused with NO [UNAVAILABLE], or replaces one of the organization that has the most.',
  },
  searchesPerOrganizationMax: { default: 500, unit: 'count', description: 'The same for one organization.' },
  searchSignaturesBytesMax: {
    default: 32 * MIB,
    unit: 'bytes',
    description:
      'Signatures in memory of messages that SEARCH has read as a whole: a later one reads only those that may match. A message of 5 KB has about 800 bytes.',
  },
  searchRowsMax: {
    default: 2_000_000,
    unit: 'count',
    description: 'Rows of messages that one SEARCH reads, for all of its keys together.',
  },
  searchKeysMax: { default: 1_000, unit: 'count', description: 'Keys of one SEARCH.' },
  structurePartsMax: {
    default: 100,
    unit: 'count',
    description:
      'Lines of a message that may begin a MIME part. FETCH reads the structure of a multipart message with more in a thread, as that of a large one.',
  },
  sourceBytesMax: {
    default: 256 * KIB,
    unit: 'bytes',
    description:
      'Largest message that is in memory as a whole while it is sent to a mail program. Larger ones are read in pieces, and in a thread when their structure or their texts are needed. Smaller ones with more parts than `mailboxes.structurePartsMax` are read in this thread too, for their structure.',
  },
  readsWaitingMax: {
    default: 500,
    unit: 'count',
    description:
      'Messages that wait for the thread that reads their structure or texts for mail programs: large ones, and those with many parts. A further one is refused with NO [UNAVAILABLE], or replaces one of the organization that has the most.',
  },
  readsPerOrganizationMax: {
    default: 50,
    unit: 'count',
    description: 'The same for one organization.',
  },
  readWaitMs: {
    default: MINUTE,
    unit: 'milliseconds',
    description:
      'Time for which a message may wait for this thread, or a SEARCH for its turn, before the command is refused.',
  },
  unreadableMs: {
    default: HOUR,
    unit: 'milliseconds',
    description:
      'Time for which a node does not try again to read a large message that has ended this thread. Meanwhile it is one file, and SEARCH compares its bytes. If it needs too much memory, its structure is not tried again at all.',
  },
  unreadableBytesMax: {
    default: 8 * MIB,
    unit: 'bytes',
    description:
      'Memory of a node for what it knows of such messages, once for structures and once for texts. When there are more, the oldest are tried again sooner.',
  },
  sliceMs: {
    default: 10,
    unit: 'milliseconds',
    description: 'Time after which a FETCH lets other work run.',
  },
} as const satisfies Record<string, Limit>
