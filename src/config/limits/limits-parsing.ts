/** Limits of parsing a message: MIME, bodies, reply text, codes, and the parse thread. Part of ../limits.ts. */
import { KIB, type Limit, MIB, MINUTE, SECOND } from './limit.ts'

export const parsingLimits = {
  mimeDepthMax: { default: 50, unit: 'count', description: 'Nesting levels of MIME parts that are parsed.' },
  mimePartsMax: { default: 1_000, unit: 'count', description: 'Parts of one message that are parsed.' },
  mimeHeaderBytesMax: {
    default: 256 * KIB,
    unit: 'bytes',
    description: 'Bytes of the header of one part that are parsed, or that FETCH and SEARCH read of it.',
  },
  mimeHeaderFieldsMax: {
    default: 20_000,
    unit: 'count',
    description: 'Header fields of one message that are parsed, including those of its parts.',
  },
  signaturesMax: {
    default: 8,
    unit: 'count',
    description: 'DKIM signatures of one message that are verified, from the first one on.',
  },
  arcSetsMax: {
    default: 10,
    unit: 'count',
    description: 'ARC sets of one message: one per server that has forwarded it. A longer chain fails.',
  },
  bodyBytesMax: {
    default: 4 * MIB,
    unit: 'bytes',
    description:
      'Encoded text of one message that is decoded; the same limit applies to its HTML. The rest is only in the raw message.',
  },
  bodyJsonBytesMax: {
    default: 8 * MIB,
    unit: 'bytes',
    description:
      'Size in JSON of the text of one message; the same limit applies to its HTML. Control characters take six bytes each. The rest is only in the raw message.',
  },
  replyTextCharsMax: {
    default: 200_000,
    unit: 'count',
    description: 'Longest body from which reply text is extracted. A longer body has no reply text.',
  },
  htmlTextCharsMax: {
    default: 200_000,
    unit: 'count',
    description: 'Characters of the text that is derived from the HTML of a message without text.',
  },
  searchTextCharsMax: {
    default: 32_768,
    unit: 'count',
    description: 'Characters of a body that a search compares.',
  },
  previewCharsMax: { default: 200, unit: 'count', description: 'Length of a preview.' },
  verificationCharsMax: {
    default: 10_000,
    unit: 'count',
    description: 'Characters of a body that are searched for one-time codes and verification links.',
  },
  verificationFindingsMax: {
    default: 3,
    unit: 'count',
    description: 'Codes returned for one message; the same limit applies to its links.',
  },
  verificationContextCharsMax: {
    default: 160,
    unit: 'count',
    description: 'Characters of context returned with a code or link.',
  },
  smallBytesMax: {
    default: 256 * KIB,
    unit: 'bytes',
    description: 'Largest message that counts as small. Small and large messages are parsed in threads of their own.',
  },
  smallThreadsMax: {
    default: 2,
    unit: 'count',
    description:
      'Threads that parse small messages. The first one starts with the first message, the others when many messages wait. With more than two, the event loop is what limits the rate.',
  },
  dividedMin: {
    default: 4,
    unit: 'count',
    description: 'Small messages that must wait before they are divided among several threads.',
  },
  batchMax: { default: 16, unit: 'count', description: 'Small messages that are parsed in one batch.' },
  batchBytesMax: { default: 256 * KIB, unit: 'bytes', description: 'Size of a batch of several small messages.' },
  smallTimeoutMs: {
    default: SECOND,
    unit: 'milliseconds',
    description:
      'CPU time to parse a small message in a batch. After that, it is parsed like a large one. Only Linux counts it; elsewhere it is time on the clock.',
  },
  timeoutMs: {
    default: 10 * SECOND,
    unit: 'milliseconds',
    description: 'The same for a large message. After that, only its header fields are read.',
  },
  stalledMs: {
    default: 2 * MINUTE,
    unit: 'milliseconds',
    description:
      'Time on the clock to parse a message, if its thread gets too little CPU time to use up those limits. After that, it is rejected temporarily.',
  },
  largeNiceLevels: {
    default: 10,
    unit: 'count',
    description:
      'How much is added to the nice value of the threads that read large messages, for arriving mail and for mail programs. With 10, such a thread gets about a tenth of the time of each busy thread on the same core, and all of an idle one. Only Linux gives threads a nice value of their own; elsewhere nothing changes.',
  },
  threadStartMs: {
    default: 30 * SECOND,
    unit: 'milliseconds',
    description:
      'Time for a parse thread to start, and to read a large message from its file. After that, the messages that wait for it are rejected temporarily.',
  },
  idleMs: {
    default: 4 * MINUTE,
    unit: 'milliseconds',
    description: 'Time without a message after which a parse thread ends.',
  },
  heapBytesMax: {
    default: 128 * MIB,
    unit: 'bytes',
    description:
      'JavaScript heap of a parse thread. If a message needs more, only its header fields are read, and the thread is replaced.',
  },
  youngHeapBytesMax: {
    default: 24 * MIB,
    unit: 'bytes',
    description:
      'The part of the heap of a parse thread that is for new objects. It stays in use while the thread exists.',
  },
  smallWaitingMax: {
    default: 2_000,
    unit: 'count',
    description: 'Small messages that wait for the parse thread. A further one is rejected temporarily.',
  },
  waitingBytesMax: {
    default: 64 * MIB,
    unit: 'bytes',
    description:
      'Memory of the small messages that arrive or wait to be parsed. A further one is spooled to disk, as large ones are.',
  },
  waitingMax: {
    default: 100,
    unit: 'count',
    description:
      'Large messages that wait for the parse thread. A further one is rejected temporarily, or replaces one of the sender that has the most.',
  },
  waitingPerSenderMax: {
    default: 10,
    unit: 'count',
    description:
      'Large messages of one sender that wait for the parse thread. A sender is an IPv4 address, an IPv6 /64, or the organization whose key sends. A further one is rejected temporarily, or replaces one of the pod that has the most.',
  },
  waitMs: {
    default: MINUTE,
    unit: 'milliseconds',
    description: 'Time for which a large message may wait for the parse thread before it is rejected temporarily.',
  },
  keyPauseMs: {
    default: 30 * SECOND,
    unit: 'milliseconds',
    description:
      'Pause before the next large message of a sender is parsed, after only the header fields of one could be read; and time for which the small messages of a sender are parsed like large ones, after one could not be parsed in a batch. An organization waits as long after a large message that could not be read for a mail program.',
  },
} as const satisfies Record<string, Limit>
