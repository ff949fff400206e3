/** Limits of WebSockets. Part of ../limits.ts. */
import { KIB, type Limit, MIB, SECOND } from './limit.ts'

export const socketsLimits = {
  perKeyMax: {
    default: 1_000,
    unit: 'count',
    description: 'Open WebSockets per API key on one node. Further ones are refused with 429.',
  },
  bufferEventsMax: {
    default: 1_000,
    unit: 'count',
    description: 'Events queued for one subscriber before it is closed as too slow (1013).',
  },
  bufferBytesMax: {
    default: MIB,
    unit: 'bytes',
    description: 'Bytes buffered for one WebSocket or event stream before writing to it pauses.',
  },
  bufferFramesMax: {
    default: 100,
    unit: 'count',
    description: 'Frames buffered for one WebSocket or event stream before writing to it pauses.',
  },
  stallMs: {
    default: 20 * SECOND,
    unit: 'milliseconds',
    description:
      'Time within which the client of a WebSocket or event stream with a full buffer must read something; otherwise the connection is closed (1013).',
  },
  pingMs: {
    default: 30 * SECOND,
    unit: 'milliseconds',
    description: 'Interval of WebSocket pings. After two unanswered pings the socket is closed.',
  },
  heartbeatMs: {
    default: 30 * SECOND,
    unit: 'milliseconds',
    description: 'Interval of the heartbeats in JSON that some services send; nobody has to answer them.',
  },
  closeMs: {
    default: 500,
    unit: 'milliseconds',
    description: 'Time for WebSocket clients to respond to the close frame when the server stops.',
  },
  frameBytesMax: {
    default: 1_000_000,
    unit: 'bytes',
    description:
      'Size of one event frame. Larger ones are sent without the bodies of the message (Python clients close the socket at 1 MiB).',
  },
  messageBytesMax: { default: 64 * KIB, unit: 'bytes', description: 'Size of one frame from a client.' },
  messagePartsMax: {
    default: 1_000,
    unit: 'count',
    description: 'Fragments of one frame from a client, and network reads in which it arrives.',
  },
  framesPerSecondMax: {
    default: 10,
    unit: 'count',
    description: 'Frames per second that one WebSocket may send, pings and pongs included. Further frames are refused.',
  },
  frameUnitBytes: {
    default: 4 * KIB,
    unit: 'bytes',
    description: 'Part of a frame from a client that counts as one frame: a frame of 64 KiB counts as 16.',
  },
  framesBurstMax: {
    default: 50,
    unit: 'count',
    description: 'Frames that one WebSocket may send at once after a pause.',
  },
  framesRefusedMax: {
    default: 20,
    unit: 'count',
    description:
      'Frames from one WebSocket that are refused with an error frame. The next refused frame closes the socket (1008).',
  },
} as const satisfies Record<string, Limit>
