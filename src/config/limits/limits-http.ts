/** Limits of the HTTP listener: bodies, requests, connections. Part of ../limits.ts. */
import { HOUR, KIB, type Limit, MIB, SECOND } from './limit.ts'

export const httpLimits = {
  bodyBytesMax: {
    default: MIB,
    unit: 'bytes',
    description: 'JSON body of a request that does not send a message (`MARTLET_BODY_BYTES_MAX`).',
  },
  oneTurnBodyBytesMax: {
    default: MIB,
    unit: 'bytes',
    description:
      'Largest JSON body that is parsed in one turn of the event loop. A larger one is parsed in several steps.',
  },
  sendBodyBytesMax: {
    default: 70 * MIB,
    unit: 'bytes',
    description: 'JSON body of a request that sends a message. It contains the attachments as base64.',
  },
  bodyTokensMax: {
    default: 50_000,
    unit: 'count',
    description:
      'Strings, arrays, objects and commas in a JSON body. A body with more is rejected before it is parsed.',
  },
  bodyDepthMax: {
    default: 100,
    unit: 'count',
    description: 'Arrays and objects inside each other in a JSON body. A deeper body is rejected before it is parsed.',
  },
  smallBodyBytesMax: {
    default: 64 * KIB,
    unit: 'bytes',
    description:
      'Largest body that counts as small. Small bodies have a separate budget, so that large bodies cannot block them.',
  },
  smallBodiesBytesMax: {
    default: 64 * MIB,
    unit: 'bytes',
    description:
      'Total size of small request bodies in memory. Further requests get 503. One API key can use half of it, and all keys of one pod three quarters.',
  },
  largeBodiesBytesMax: {
    default: 140 * MIB,
    unit: 'bytes',
    description:
      'Total size of large request bodies in memory: two of the maximum size. Further requests get 503. One API key can use half of it, and all keys of one pod three quarters.',
  },
  smallResponseBytesMax: {
    default: 64 * KIB,
    unit: 'bytes',
    description: 'Largest response that does not count into the memory budget for responses.',
  },
  responsesBytesMax: {
    default: 64 * MIB,
    unit: 'bytes',
    description:
      'Total size of larger responses, from before their messages are loaded until they are sent. Messages that requests compose count apart (`sending.composedBytesMax`). Further requests wait. One API key can use half of it, and all keys of one pod three quarters; a single response may be larger.',
  },
  responsesWaitingMax: {
    default: 200,
    unit: 'count',
    description:
      'Requests that wait for memory for their responses, and as many that wait for memory to compose a message. One organization can use seven eighths of these places, and one pod half of that. Further requests get 503 unless their response fits at once.',
  },
  responsesWaitingPerKeyMax: {
    default: 50,
    unit: 'count',
    description:
      'Requests of one API key that wait for memory for their responses, and as many to compose a message. Further ones get 503.',
  },
  responseWaitMs: {
    default: 30 * SECOND,
    unit: 'milliseconds',
    description:
      'Time for which a request waits for memory for its response, or to compose a message, before it gets 503. A request with a large body gets 503 at once.',
  },
  responseStallMs: {
    default: 120 * SECOND,
    unit: 'milliseconds',
    description:
      'Time within which the operating system must accept more of a response or download; otherwise the connection is closed. Linux accepts more when the client has read up to 1.4 MB, so a client needs at least 12 KB/s. A small response must be accepted as a whole.',
  },
  responseStallBusyMs: {
    default: 15 * SECOND,
    unit: 'milliseconds',
    description:
      'The same time while requests of other API keys wait for the memory: at least 100 KB/s. The client that has read nothing for longest is disconnected first.',
  },
  listItemsMax: {
    default: 1_000,
    unit: 'count',
    description: 'Items of one array in a request body or query string. Most arrays have a smaller limit.',
  },
  objectMembersMax: {
    default: 1_000,
    unit: 'count',
    description: 'Members of one object in a request, and parameters in its query string.',
  },
  textCharsMax: {
    default: 65_536,
    unit: 'count',
    description: 'Length of one string in a request, except the text, HTML and attachments of a message.',
  },
  requestMs: {
    default: 60 * SECOND,
    unit: 'milliseconds',
    description: 'Time for a client to send a complete request including its body, even if data keeps arriving.',
  },
  lingerMs: {
    default: 2 * SECOND,
    unit: 'milliseconds',
    description:
      'Time for which the server reads and discards the rest of a rejected body, so that the client receives the response.',
  },
  connectionsMax: { default: 20_000, unit: 'count', description: 'Open HTTP and WebSocket connections.' },
  waitsPerKeyMax: {
    default: 1_000,
    unit: 'count',
    description:
      'Requests of one API key on one node that wait for a message or an event. Further ones are refused with 429.',
  },
  pipelinedMax: {
    default: 100,
    unit: 'count',
    description: 'Pipelined requests that wait on one connection. If a client sends more, the connection is closed.',
  },
  preflightHeadersCharsMax: {
    default: 4 * KIB,
    unit: 'count',
    description:
      'Length of the list of header fields that a page of another origin wants to send. A longer one is not allowed.',
  },
  preflightCacheMs: {
    default: 2 * HOUR,
    unit: 'milliseconds',
    description:
      'Time for which browsers may remember what pages of another origin may send. Chromium has the same limit.',
  },
  pathParameterCharsMax: { default: 2_048, unit: 'count', description: 'Length of one id in a path.' },
} as const satisfies Record<string, Limit>
