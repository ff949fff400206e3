/** Limits of events: connections that stay open, what they buffer, and how long the log keeps events. Part of ../limits.ts. */
import { DAY, KIB, type Limit, MIB, MINUTE, SECOND } from './limit.ts'

export const eventLimits = {
  socketsPerKeyMax: {
    default: 1_000,
    unit: 'count',
    sentence: 'Open WebSockets per API key on one node; further ones are refused with 429.',
  },
  streamsPerKeyMax: {
    default: 1_000,
    unit: 'count',
    sentence: 'Open event streams (SSE) per API key on one node; further ones are refused with 429.',
  },
  backlogBytesMax: {
    default: 64 * MIB,
    unit: 'bytes',
    sentence:
      'Memory for unsent data of all WebSockets and event streams of one node; above it, the slowest connections are closed.',
  },
  socketBufferEventsMax: {
    default: 1_000,
    unit: 'count',
    sentence: 'Events queued for one subscriber before it is closed as too slow (1013).',
  },
  socketBufferBytesMax: {
    default: MIB,
    unit: 'bytes',
    sentence: 'Bytes buffered for one WebSocket or event stream before writing to it pauses.',
  },
  socketBufferFramesMax: {
    default: 100,
    unit: 'count',
    sentence: 'Frames buffered for one WebSocket or event stream before writing to it pauses.',
  },
  eventTurnBytesMax: {
    default: 8 * MIB,
    unit: 'bytes',
    sentence: 'Events written to all subscribers before everything else gets a turn of the event loop.',
  },
  socketStallMs: {
    default: 20 * SECOND,
    unit: 'milliseconds',
    sentence:
      'Time within which the client of a WebSocket or event stream with a full buffer must read something; otherwise the connection is closed (1013).',
  },
  socketPingMs: {
    default: 30 * SECOND,
    unit: 'milliseconds',
    sentence: 'Interval of WebSocket pings; after two unanswered pings the socket is closed.',
  },
  socketCloseMs: {
    default: 500,
    unit: 'milliseconds',
    sentence: 'Time for WebSocket clients to answer the close frame of a server that stops.',
  },
  socketFrameBytesMax: {
    default: 1_000_000,
    unit: 'bytes',
    sentence:
      'Size of one event frame; bodies are left out of a larger one (Python clients close the socket at 1 MiB).',
  },
  socketMessageBytesMax: { default: 64 * KIB, unit: 'bytes', sentence: 'Size of one frame from a client.' },
  socketMessagePartsMax: {
    default: 1_000,
    unit: 'count',
    sentence: 'Fragments of one frame from a client, and network reads in which it arrives.',
  },
  socketFramesPerSecondMax: {
    default: 10,
    unit: 'count',
    sentence:
      'Frames per second from one WebSocket that are handled, pings and pongs included; further frames are refused.',
  },
  socketFrameUnitBytes: {
    default: 4 * KIB,
    unit: 'bytes',
    sentence: 'Part of a frame from a client that counts as one frame: a frame of 64 KiB counts as 16.',
  },
  socketFramesBurstMax: {
    default: 50,
    unit: 'count',
    sentence: 'Frames that one WebSocket may send at once after a pause.',
  },
  socketFramesRefusedMax: {
    default: 20,
    unit: 'count',
    sentence:
      'Frames from one WebSocket that are refused with an error frame; the next refused frame closes the socket (1008).',
  },
  subscriptionIdsMax: { default: 1_000, unit: 'count', sentence: 'Ids of one kind in a subscription.' },
  eventPollMs: {
    default: SECOND,
    unit: 'milliseconds',
    sentence: 'Interval at which the event log is polled when no commit signal arrives.',
  },
  eventBatchMax: { default: 500, unit: 'count', sentence: 'Events read from the log in one batch.' },
  backfillBatchMax: {
    default: 50,
    unit: 'count',
    sentence: 'Events read in one batch for a subscriber that reads past events.',
  },
  eventPageDefault: { default: 50, unit: 'count', sentence: 'Events per page when the client gives no limit.' },
  eventPageMax: { default: 500, unit: 'count', sentence: 'Maximum events per page.' },
  eventPageBytesMax: {
    default: 4 * MIB,
    unit: 'bytes',
    sentence: 'Total size of the events of a page; the first event is always included, whatever its size.',
  },
  eventWaitMsMax: {
    default: 60 * SECOND,
    unit: 'milliseconds',
    sentence: 'Longest time for which a request for events may wait for the first one.',
  },
  eventDisorderMs: {
    default: 5 * MINUTE,
    unit: 'milliseconds',
    sentence: 'How far event times may differ from the order of the log; a list by time reads that much further.',
  },
  streamHeartbeatMs: {
    default: 15 * SECOND,
    unit: 'milliseconds',
    sentence: 'Interval of comments on an event stream, so that proxies do not treat it as dead.',
  },
  streamRetryMs: {
    default: 2 * SECOND,
    unit: 'milliseconds',
    sentence: 'Reconnection time that an event stream sends to its client (SSE `retry`).',
  },
  newsKeptMax: {
    default: 64,
    unit: 'count',
    sentence: 'Messages of events cached in memory for the next subscribers that need them.',
  },
  newsKeptBytesMax: {
    default: 16 * MIB,
    unit: 'bytes',
    sentence: 'Total size of the bodies of those messages; a larger one is not cached.',
  },
  framesKeptMax: {
    default: 256,
    unit: 'count',
    sentence: 'Rendered events cached in memory for the next connections that send them.',
  },
  framesKeptBytesMax: { default: 8 * MIB, unit: 'bytes', sentence: 'Total size of those rendered events.' },
  eventRetentionMs: {
    default: 30 * DAY,
    unit: 'milliseconds',
    sentence: 'Age at which events are deleted from the log.',
  },
  labelEventRetentionMs: {
    default: 90 * DAY,
    unit: 'milliseconds',
    sentence: 'Age at which label events are deleted from the log.',
  },
  eventSweepRows: { default: 100, unit: 'count', sentence: 'Old events deleted in one transaction.' },
  eventSweepRestMs: {
    default: 5,
    unit: 'milliseconds',
    sentence: 'Pause after each transaction of an event sweep, so that other writers can run.',
  },
  rollupRetentionMs: { default: 90 * DAY, unit: 'milliseconds', sentence: 'Age at which hourly counts are deleted.' },
} as const satisfies Record<string, Limit>
