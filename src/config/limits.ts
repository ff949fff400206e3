/**
 * Every limit of a body, queue, buffer, wait or retry, once: default, unit, and the sentence that documents it. Limits
 * of outgoing mail and webhooks are in limits-outbound.ts; no other file defines a limit. docs/configuration.md is
 * generated from both.
 */
import { DAY, HOUR, KIB, type Limit, MIB, MINUTE, SECOND } from './limits/limit.ts'
import { outboundLimits } from './limits-outbound.ts'

/** Tests and embedders may override these limits; environment variables cannot. */
export const limits = {
  // SMTP, inbound
  smtpConnectionsMax: {
    default: 1_000,
    unit: 'count',
    sentence:
      'Open SMTP connections. A new connection replaces one that is not in use; if all are in use, the new one is refused with 421.',
  },
  smtpConnectionsPerAddressMax: {
    default: 100,
    unit: 'count',
    sentence: 'Open SMTP connections from one IPv4 address or one IPv6 /64; further ones are refused with 421.',
  },
  smtpIdleMs: {
    default: 5 * MINUTE,
    unit: 'milliseconds',
    sentence: 'Idle timeout of an SMTP connection after its first accepted MAIL command (RFC 5321 §4.5.3.2.7).',
  },
  smtpIdleBeforeMailMs: {
    default: MINUTE,
    unit: 'milliseconds',
    sentence: 'Idle timeout of an SMTP connection before its first accepted MAIL command.',
  },
  smtpStalledMs: {
    default: MINUTE,
    unit: 'milliseconds',
    sentence:
      'Time without progress after which a connection with a mail transaction under way counts as not in use, when a new connection needs its slot.',
  },
  smtpProgressBytes: {
    default: 64 * KIB,
    unit: 'bytes',
    sentence: 'Bytes from an SMTP peer that count as progress; an accepted message counts as well.',
  },
  smtpRecipientsMax: {
    default: 100,
    unit: 'count',
    sentence: 'Recipients in one SMTP transaction (RFC 5321 §4.5.3.1.8).',
  },
  smtpCommandsMax: { default: 10_000, unit: 'count', sentence: 'Commands on one SMTP connection.' },
  smtpErrorsMax: {
    default: 20,
    unit: 'count',
    sentence: 'Commands with a 5xx reply on one SMTP connection before it is closed.',
  },
  smtpCommandBytesMax: {
    default: 4_096,
    unit: 'bytes',
    sentence: 'Length of one SMTP command line, extensions included (RFC 5321 §4.5.3.1.4).',
  },
  // MIME
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
  parseOnLoopBytesMax: {
    default: 256 * KIB,
    unit: 'bytes',
    sentence: 'Largest message parsed on the event loop; larger ones are parsed in a worker thread.',
  },
  parseMs: {
    default: 10 * SECOND,
    unit: 'milliseconds',
    sentence:
      'Time for a worker thread to parse a large message; after that, only the beginning of the message is parsed.',
  },
  parseHeapBytesMax: {
    default: 128 * MIB,
    unit: 'bytes',
    sentence:
      'JavaScript heap of the thread that parses large mails. A mail that needs more is read in part, and the thread is replaced.',
  },
  parseWaitingMax: {
    default: 100,
    unit: 'count',
    sentence:
      'Large mails that wait for that thread; one more is refused for now, or takes the place of the peer that has most.',
  },
  parseWaitingPerPeerMax: {
    default: 10,
    unit: 'count',
    sentence:
      'Of these, mails of one peer: an IPv4 address, an IPv6 /64, or the organization whose key sends; more are refused for now.',
  },
  parseWaitMs: {
    default: MINUTE,
    unit: 'milliseconds',
    sentence: 'Time for a large mail to wait for that thread before it is refused for now.',
  },
  parsePenaltyMs: {
    default: 30 * SECOND,
    unit: 'milliseconds',
    sentence:
      'Pause before the next large message of a peer is parsed, after one of its messages could be parsed in part only.',
  },
  // HTTP
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
  // Live
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
  // Inboxes and messages
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
  ...outboundLimits,
  // Jobs
  jobPollMs: {
    default: 5 * SECOND,
    unit: 'milliseconds',
    sentence: 'Interval at which background jobs are polled when no commit signal arrives.',
  },
  jobConcurrencyMax: { default: 4, unit: 'count', sentence: 'Background jobs that run at once.' },
  removalChunkRows: {
    default: 200,
    unit: 'count',
    sentence: 'Messages deleted in one transaction when an inbox is deleted.',
  },
  usedAtFlushMs: {
    default: MINUTE,
    unit: 'milliseconds',
    sentence: 'Interval at which the last-used times of API keys are written.',
  },
  // Store
  clockSkewMaxMs: {
    default: 30 * SECOND,
    unit: 'milliseconds',
    sentence: 'Largest difference between the clocks of this node and of PostgreSQL at the start; leases are times.',
  },
  transactionGroupMax: { default: 100, unit: 'count', sentence: 'Transactions in one group commit.' },
  transactionQueueMax: {
    default: 10_000,
    unit: 'count',
    sentence: 'Transactions that wait for the writer; further ones fail as unavailable.',
  },
  transactionMs: { default: 5 * SECOND, unit: 'milliseconds', sentence: 'Time for the statements of one transaction.' },
  transactionRerunsMax: {
    default: 3,
    unit: 'count',
    sentence:
      'Times that a transaction is run again after a conflict with another node, before it fails as unavailable.',
  },
  lockWaitMs: {
    default: 2 * SECOND,
    unit: 'milliseconds',
    sentence: 'Time to wait for a row that another node has locked, on PostgreSQL.',
  },
  groupLockWaitMs: {
    default: 10,
    unit: 'milliseconds',
    sentence:
      'The same for a transaction that shares its commit with earlier ones, whose rows stay locked meanwhile; then it moves to the next commit.',
  },
  statementMs: {
    default: 10 * SECOND,
    unit: 'milliseconds',
    sentence: 'Time for PostgreSQL to run one statement.',
  },
  databaseConnectMs: {
    default: 5 * SECOND,
    unit: 'milliseconds',
    sentence: 'Time to connect to PostgreSQL, and for a read to wait for a free connection.',
  },
  databaseSilenceMs: {
    default: 15 * SECOND,
    unit: 'milliseconds',
    sentence:
      'Time after which an unresponsive connection to PostgreSQL is closed, and after which PostgreSQL ends the session of a node that falls silent in a transaction.',
  },
  databaseReadersMax: {
    default: 10,
    unit: 'count',
    sentence: 'Connections to PostgreSQL that read; one more connection writes and one listens.',
  },
  databaseRetryMaxMs: {
    default: 2 * SECOND,
    unit: 'milliseconds',
    sentence: 'Longest wait between two attempts to reconnect to PostgreSQL.',
  },
  inlineBytesMax: {
    default: 256 * KIB,
    unit: 'bytes',
    sentence: 'Largest message stored in the database; larger ones are stored as blobs.',
  },
  diskFreeBytesMin: {
    default: 64 * MIB,
    unit: 'bytes',
    sentence: 'Free disk space below which no mail is accepted, neither over SMTP nor from API clients.',
  },
  diskCheckMs: {
    default: 2 * SECOND,
    unit: 'milliseconds',
    sentence: 'Interval at which free disk space is checked.',
  },
  blobSweepAgeMs: {
    default: DAY,
    unit: 'milliseconds',
    sentence: 'Age at which an unreferenced blob is deleted.',
  },
  blobSweepMs: {
    default: HOUR,
    unit: 'milliseconds',
    sentence:
      'Interval of that sweep, and of the sweeps of old events, counts, idempotency keys and webhook deliveries.',
  },
  checkpointPages: {
    default: 4_000,
    unit: 'count',
    sentence: "Pages in SQLite's write-ahead log at which a checkpoint runs.",
  },
  // Stop
  shutdownGraceMs: {
    default: 30 * SECOND,
    unit: 'milliseconds',
    sentence: 'Time for running work to finish when the server stops.',
  },
} as const satisfies Record<string, Limit>

export type Limits = { readonly [K in keyof typeof limits]: number }

export function defaultLimits(): Limits {
  return Object.fromEntries(Object.entries(limits).map(([name, limit]) => [name, limit.default])) as unknown as Limits
}
