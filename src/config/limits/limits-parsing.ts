/** Limits of parsing a message: MIME, bodies, reply text, codes, and the threads that do it. Part of ../limits.ts. */
import { KIB, type Limit, MIB, MINUTE, SECOND } from './limit.ts'

export const parsingLimits = {
  mimeDepthMax: { default: 50, unit: 'count', sentence: 'Nesting levels of MIME parts that are parsed.' },
  mimePartsMax: { default: 1_000, unit: 'count', sentence: 'Parts of one message that are parsed.' },
  mimeHeaderBytesMax: {
    default: 256 * KIB,
    unit: 'bytes',
    sentence: 'Bytes of the header of one part that are parsed.',
  },
  mimeHeaderFieldsMax: {
    default: 20_000,
    unit: 'count',
    sentence: 'Header fields of one mail that are read, those of its parts included.',
  },
  bodyBytesMax: {
    default: 4 * MIB,
    unit: 'bytes',
    sentence:
      'Text of one mail that is decoded, as the mail encodes it, and likewise its HTML; the rest is in the raw mail only.',
  },
  replyTextCharsMax: {
    default: 200_000,
    unit: 'count',
    sentence: 'Length of the longest body from which reply text is extracted; a longer body gets no reply text.',
  },
  searchTextCharsMax: { default: 32_768, unit: 'count', sentence: 'Characters of a body that are searchable.' },
  previewCharsMax: { default: 200, unit: 'count', sentence: 'Length of a preview.' },
  verificationCharsMax: {
    default: 10_000,
    unit: 'count',
    sentence: 'Characters of a body that are searched for one-time codes and verification links.',
  },
  verificationFindingsMax: {
    default: 3,
    unit: 'count',
    sentence: 'Codes returned for one message; the same limit applies to its links.',
  },
  verificationContextCharsMax: {
    default: 160,
    unit: 'count',
    sentence: 'Characters of context returned with a code or link.',
  },
  onLoopBytesMax: {
    default: 256 * KIB,
    unit: 'bytes',
    sentence: 'Largest message parsed on the event loop; larger ones are parsed in a worker thread.',
  },
  timeoutMs: {
    default: 10 * SECOND,
    unit: 'milliseconds',
    sentence:
      'Time for a worker thread to parse a large message; after that, only the beginning of the message is parsed.',
  },
  heapBytesMax: {
    default: 128 * MIB,
    unit: 'bytes',
    sentence:
      'JavaScript heap of the thread that parses large mails. A mail that needs more is read in part, and the thread is replaced.',
  },
  waitingMax: {
    default: 100,
    unit: 'count',
    sentence:
      'Large mails that wait for that thread; one more is refused for now, or takes the place of the peer that has most.',
  },
  waitingPerPeerMax: {
    default: 10,
    unit: 'count',
    sentence:
      'Of these, mails of one peer: an IPv4 address, an IPv6 /64, or the organization whose key sends; more are refused for now.',
  },
  waitMs: {
    default: MINUTE,
    unit: 'milliseconds',
    sentence: 'Time for a large mail to wait for that thread before it is refused for now.',
  },
  penaltyMs: {
    default: 30 * SECOND,
    unit: 'milliseconds',
    sentence:
      'Pause before the next large message of a peer is parsed, after one of its messages could be parsed in part only.',
  },
} as const satisfies Record<string, Limit>
