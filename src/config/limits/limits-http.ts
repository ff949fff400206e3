/** Limits of requests and pages: bodies, connections, filters and waits. Part of ../limits.ts. */
import { HOUR, KIB, type Limit, MIB, MINUTE, SECOND } from './limit.ts'

export const httpLimits = {
  httpBodyBytesMax: { default: MIB, unit: 'bytes', sentence: 'JSON body of a request that does not send a message.' },
  httpSendBodyBytesMax: {
    default: 70 * MIB,
    unit: 'bytes',
    sentence: 'JSON body of a request that sends a message; it contains the attachments as base64.',
  },
  httpBodyTokensMax: {
    default: 50_000,
    unit: 'count',
    sentence: 'Strings, arrays, objects and commas in a JSON body; a body with more is rejected before it is parsed.',
  },
  httpSmallBodyBytesMax: {
    default: 64 * KIB,
    unit: 'bytes',
    sentence:
      'Largest body that counts as small. Small bodies have their own budget, so that large bodies cannot block them.',
  },
  httpSmallBodiesBytesMax: {
    default: 64 * MIB,
    unit: 'bytes',
    sentence:
      'Total size of small request bodies in memory at once; further requests get 503. One API key may use half of it, all keys of one pod three quarters.',
  },
  httpLargeBodiesBytesMax: {
    default: 140 * MIB,
    unit: 'bytes',
    sentence:
      'Total size of all other request bodies in memory at once: two of the largest. Further requests get 503. One API key may use half of it, all keys of one pod three quarters.',
  },
  httpListItemsMax: {
    default: 1_000,
    unit: 'count',
    sentence: 'Items of one list in a request body or query string; most lists have a smaller limit.',
  },
  httpObjectMembersMax: {
    default: 1_000,
    unit: 'count',
    sentence: 'Members of one object in a request, and parameters in its query string.',
  },
  httpTextCharsMax: {
    default: 65_536,
    unit: 'count',
    sentence: 'Length of one string in a request, except the text, HTML and attachments of a message.',
  },
  httpRequestMs: {
    default: 60 * SECOND,
    unit: 'milliseconds',
    sentence: 'Time for a client to send a complete request including its body, even if data keeps arriving.',
  },
  httpLingerMs: {
    default: 2 * SECOND,
    unit: 'milliseconds',
    sentence:
      'Time for which the server reads and discards the rest of a refused body, so that the client receives the response.',
  },
  httpConnectionsMax: { default: 20_000, unit: 'count', sentence: 'Open HTTP and WebSocket connections.' },
  httpPipelinedMax: {
    default: 100,
    unit: 'count',
    sentence: 'Pipelined requests that wait on one connection; if a client sends more, the connection is closed.',
  },
  pathParameterCharsMax: { default: 2_048, unit: 'count', sentence: 'Length of one id in a path.' },
  pageDefault: { default: 50, unit: 'count', sentence: 'Items per page when the client gives no limit.' },
  pageMax: { default: 500, unit: 'count', sentence: 'Maximum items per page.' },
  filteredPageMax: {
    default: 100,
    unit: 'count',
    sentence: 'Maximum items per page of a list that is filtered by substring.',
  },
  threadPageDefault: {
    default: 100,
    unit: 'count',
    sentence: 'Messages returned with a thread when the client gives no limit.',
  },
  threadPageBytesMax: {
    default: 8 * MIB,
    unit: 'bytes',
    sentence:
      'Size of the messages returned with a thread; the page ends before it is exceeded, but not before its first message.',
  },
  filterValuesMax: { default: 100, unit: 'count', sentence: 'Values of one filter of a list.' },
  listScanRowsMax: {
    default: 5_000,
    unit: 'count',
    sentence:
      'Rows that one page of a filtered list may read; the page can be empty and still have a token for the next page.',
  },
  threadParticipantsMax: { default: 100, unit: 'count', sentence: 'Senders and recipients returned with a thread.' },
  threadAttachmentMessagesMax: {
    default: 100,
    unit: 'count',
    sentence: 'Newest messages of a thread whose attachments are returned with it.',
  },
  threadPartMessagesMax: {
    default: 500,
    unit: 'count',
    sentence: 'Newest messages read to show a thread in which some messages are hidden.',
  },
  messageWaitMs: {
    default: MINUTE,
    unit: 'milliseconds',
    sentence: 'Time for which a request waits for a message when the client gives no time.',
  },
  messageWaitMsMax: {
    default: 10 * MINUTE,
    unit: 'milliseconds',
    sentence: 'Longest time for which a request may wait for a message.',
  },
  downloadUrlMs: { default: HOUR, unit: 'milliseconds', sentence: 'Time for which a download link is valid.' },
} as const satisfies Record<string, Limit>
