/**
 * Bounds of every body, queue, buffer, wait and retry, once: default, unit, and the sentence that documents it. A number
 * that bounds something is here, or in limits-outbound.ts where it bounds what leaves, and nowhere else;
 * docs/configuration.md is generated from both.
 */
import { DAY, HOUR, KIB, type Limit, MIB, MINUTE, SECOND } from './limit.ts'
import { outboundLimits } from './limits-outbound.ts'

/** Bounds of every body, queue, buffer, wait and retry. Tests and embedders may override them; the environment cannot. */
export const limits = {
  // SMTP, inbound
  smtpConnectionsMax: {
    default: 1_000,
    unit: 'count',
    sentence:
      'Open SMTP connections. A new one takes the place of one that is not in use; where all are in use it is answered 421.',
  },
  smtpConnectionsPerAddressMax: {
    default: 100,
    unit: 'count',
    sentence: 'Open SMTP connections of one IPv4 address or one IPv6 /64; more are answered 421.',
  },
  smtpIdleMs: {
    default: 5 * MINUTE,
    unit: 'milliseconds',
    sentence: 'Silence after which an SMTP connection that has begun a mail is closed (RFC 5321 §4.5.3.2.7).',
  },
  smtpIdleBeforeMailMs: {
    default: MINUTE,
    unit: 'milliseconds',
    sentence: 'Silence after which an SMTP connection that has not begun a mail yet is closed.',
  },
  smtpStalledMs: {
    default: MINUTE,
    unit: 'milliseconds',
    sentence:
      'Time without progress after which a connection in the middle of a mail counts as not in use, when a new one needs its place.',
  },
  smtpProgressBytes: {
    default: 64 * KIB,
    unit: 'bytes',
    sentence: 'Bytes from an SMTP peer that count as progress; a mail that was taken counts as well.',
  },
  smtpRecipientsMax: {
    default: 100,
    unit: 'count',
    sentence: 'Recipients of one SMTP transaction (RFC 5321 §4.5.3.1.8).',
  },
  smtpCommandsMax: { default: 10_000, unit: 'count', sentence: 'Commands of one SMTP connection.' },
  smtpErrorsMax: {
    default: 20,
    unit: 'count',
    sentence: 'Refused commands of one SMTP connection before it is closed.',
  },
  smtpCommandBytesMax: {
    default: 4_096,
    unit: 'bytes',
    sentence: 'One SMTP command line, extensions included (RFC 5321 §4.5.3.1.4).',
  },
  // MIME
  mimeDepthMax: { default: 50, unit: 'count', sentence: 'Levels of nested parts that are read.' },
  mimePartsMax: { default: 1_000, unit: 'count', sentence: 'Parts of one mail that are read.' },
  mimeHeaderBytesMax: { default: 256 * KIB, unit: 'bytes', sentence: 'Header of one part that is read.' },
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
    sentence: 'Characters of a body from which reply text is extracted; a longer one has none.',
  },
  searchTextCharsMax: { default: 32_768, unit: 'count', sentence: 'Characters of a body that search looks at.' },
  previewCharsMax: { default: 200, unit: 'count', sentence: 'Characters of a preview.' },
  verificationCharsMax: {
    default: 10_000,
    unit: 'count',
    sentence: 'Characters of a body in which one-time codes and verification links are looked for.',
  },
  verificationFindingsMax: { default: 3, unit: 'count', sentence: 'Codes of one mail that are shown, and links.' },
  verificationContextCharsMax: {
    default: 160,
    unit: 'count',
    sentence: 'Characters around a code or link that are shown with it.',
  },
  parseOnLoopBytesMax: {
    default: 256 * KIB,
    unit: 'bytes',
    sentence: 'Largest mail parsed on the event loop; larger ones are parsed in a worker thread.',
  },
  parseMs: {
    default: 10 * SECOND,
    unit: 'milliseconds',
    sentence: 'Time for the worker thread to parse a large mail, before only its beginning is read.',
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
    sentence: 'Pause before the next large mail of a peer is parsed, when one of its mails could be read in part only.',
  },
  // HTTP
  httpBodyBytesMax: { default: MIB, unit: 'bytes', sentence: 'JSON body of a request that sends no message.' },
  httpSendBodyBytesMax: {
    default: 70 * MIB,
    unit: 'bytes',
    sentence: 'JSON body of a request that sends a message; attachments travel in it as base64.',
  },
  httpBodyTokensMax: {
    default: 50_000,
    unit: 'count',
    sentence: 'Strings, lists, objects and commas of a JSON body; one with more is refused before it is parsed.',
  },
  httpSmallBodyBytesMax: {
    default: 64 * KIB,
    unit: 'bytes',
    sentence:
      'Largest body that counts as small: small bodies share a budget of their own, so that large ones block none.',
  },
  httpSmallBodiesBytesMax: {
    default: 64 * MIB,
    unit: 'bytes',
    sentence:
      'Small bodies under way at once, all together; more are answered 503. One API key gets at most half, and one pod three quarters.',
  },
  httpLargeBodiesBytesMax: {
    default: 140 * MIB,
    unit: 'bytes',
    sentence:
      'Other bodies under way at once, all together: two of the largest. More are answered 503. One API key gets at most half, and one pod three quarters.',
  },
  httpListItemsMax: {
    default: 1_000,
    unit: 'count',
    sentence: 'Items of one list in a request, in its body or its query string; most lists have a smaller limit.',
  },
  httpObjectMembersMax: {
    default: 1_000,
    unit: 'count',
    sentence: 'Members of one object in a request, and parameters of its query string.',
  },
  httpTextCharsMax: {
    default: 65_536,
    unit: 'count',
    sentence: 'Length of one text in a request; not of the text, HTML and attachments of a message.',
  },
  httpRequestMs: {
    default: 60 * SECOND,
    unit: 'milliseconds',
    sentence: 'Time for a client to send its whole request, body included, however slowly it arrives.',
  },
  httpLingerMs: {
    default: 2 * SECOND,
    unit: 'milliseconds',
    sentence: 'Time for which the rest of a refused body is read and thrown away, so that its client sees the answer.',
  },
  httpConnectionsMax: { default: 20_000, unit: 'count', sentence: 'Open HTTP and WebSocket connections.' },
  httpPipelinedMax: {
    default: 100,
    unit: 'count',
    sentence: 'Requests of one connection that wait for the answers before theirs; more of them end it.',
  },
  pathParameterCharsMax: { default: 2_048, unit: 'count', sentence: 'Length of one id in a path.' },
  pageDefault: { default: 50, unit: 'count', sentence: 'Items of a page when the client names no limit.' },
  pageMax: { default: 500, unit: 'count', sentence: 'Items of a page at most.' },
  filteredPageMax: { default: 100, unit: 'count', sentence: 'Items of a page of a list filtered by substring.' },
  threadPageDefault: {
    default: 100,
    unit: 'count',
    sentence: 'Messages shown with a thread when the client names no limit.',
  },
  filterValuesMax: { default: 100, unit: 'count', sentence: 'Values of one filter of a list.' },
  listScanRowsMax: {
    default: 5_000,
    unit: 'count',
    sentence: 'Rows that one page of a filtered list may look at; the page may then be empty and still have a token.',
  },
  threadParticipantsMax: { default: 100, unit: 'count', sentence: 'Senders and recipients shown with a thread.' },
  threadAttachmentMessagesMax: {
    default: 100,
    unit: 'count',
    sentence: 'Newest messages of a thread whose attachments are shown with it.',
  },
  threadPartMessagesMax: {
    default: 500,
    unit: 'count',
    sentence: 'Newest messages looked at to show a thread of which some messages are hidden.',
  },
  messageWaitMs: {
    default: MINUTE,
    unit: 'milliseconds',
    sentence: 'Time that a request waits for a message when the client names none.',
  },
  messageWaitMsMax: {
    default: 10 * MINUTE,
    unit: 'milliseconds',
    sentence: 'Time that a request may wait for a message.',
  },
  downloadUrlMs: { default: HOUR, unit: 'milliseconds', sentence: 'Validity of a download link.' },
  // Live
  socketsPerKeyMax: {
    default: 1_000,
    unit: 'count',
    sentence: 'Open WebSockets of one API key on one server; more are answered 429.',
  },
  streamsPerKeyMax: {
    default: 1_000,
    unit: 'count',
    sentence: 'Open streams of server-sent events of one API key on one server; more are answered 429.',
  },
  backlogBytesMax: {
    default: 64 * MIB,
    unit: 'bytes',
    sentence:
      'Memory for what all WebSockets and event streams of a server have not sent yet; beyond it the slowest are closed.',
  },
  socketBufferEventsMax: {
    default: 1_000,
    unit: 'count',
    sentence: 'Events waiting for one subscriber before it is closed as too slow (1013).',
  },
  socketBufferBytesMax: {
    default: MIB,
    unit: 'bytes',
    sentence: 'Bytes waiting in one WebSocket or event stream before no more are written to it.',
  },
  socketBufferFramesMax: {
    default: 100,
    unit: 'count',
    sentence: 'Frames waiting in one WebSocket or event stream before no more are written to it.',
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
      'Time in which a WebSocket or event stream whose buffer is full must read something before it is closed (1013).',
  },
  socketPingMs: {
    default: 30 * SECOND,
    unit: 'milliseconds',
    sentence: 'Interval of protocol pings; two without an answer close the socket.',
  },
  socketCloseMs: {
    default: 500,
    unit: 'milliseconds',
    sentence: 'Time for the peers of WebSockets to answer the close of a server that stops.',
  },
  socketFrameBytesMax: {
    default: 1_000_000,
    unit: 'bytes',
    sentence: 'One event frame; bodies are left out of a larger one (Python clients close at 1 MiB).',
  },
  socketMessageBytesMax: { default: 64 * KIB, unit: 'bytes', sentence: 'One frame from a client.' },
  socketMessagePartsMax: {
    default: 1_000,
    unit: 'count',
    sentence: 'Fragments of one frame from a client, and reads from the network in which it arrives.',
  },
  socketFramesPerSecondMax: {
    default: 10,
    unit: 'count',
    sentence: 'Frames per second from one WebSocket, pings and pongs included, that are handled; more are refused.',
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
    sentence: 'Frames of one WebSocket that are refused with an error frame before it is closed (1008).',
  },
  subscriptionIdsMax: { default: 1_000, unit: 'count', sentence: 'Ids of one kind in a subscription.' },
  eventPollMs: {
    default: SECOND,
    unit: 'milliseconds',
    sentence: 'Interval at which the log is read when no commit rang.',
  },
  eventBatchMax: { default: 500, unit: 'count', sentence: 'Events read from the log at once.' },
  backfillBatchMax: {
    default: 50,
    unit: 'count',
    sentence: 'Events read at once for a subscriber that reads the past.',
  },
  eventPageDefault: { default: 50, unit: 'count', sentence: 'Events of a page when the client names no limit.' },
  eventPageMax: { default: 500, unit: 'count', sentence: 'Events of a page at most.' },
  eventPageBytesMax: {
    default: 4 * MIB,
    unit: 'bytes',
    sentence: 'Events of a page together; the first of them is told however large it is.',
  },
  eventWaitMsMax: {
    default: 60 * SECOND,
    unit: 'milliseconds',
    sentence: 'Time that a request for events may wait for the first of them.',
  },
  eventDisorderMs: {
    default: 5 * MINUTE,
    unit: 'milliseconds',
    sentence: 'How far times may be out of the order of the log; a list by time looks that much further.',
  },
  streamHeartbeatMs: {
    default: 15 * SECOND,
    unit: 'milliseconds',
    sentence: 'Interval of comments on a stream of events, so that nobody on the way takes it for dead.',
  },
  streamRetryMs: {
    default: 2 * SECOND,
    unit: 'milliseconds',
    sentence: 'Time after which clients of a stream of events are told to come back.',
  },
  newsKeptMax: {
    default: 64,
    unit: 'count',
    sentence: 'Messages of events kept in memory for the subscribers that are sent them next.',
  },
  newsKeptBytesMax: {
    default: 16 * MIB,
    unit: 'bytes',
    sentence: 'Bodies of those messages together; a larger one is not kept.',
  },
  framesKeptMax: {
    default: 256,
    unit: 'count',
    sentence: 'Rendered events kept in memory for the connections that send them next.',
  },
  framesKeptBytesMax: { default: 8 * MIB, unit: 'bytes', sentence: 'Those rendered events together.' },
  eventRetentionMs: { default: 30 * DAY, unit: 'milliseconds', sentence: 'Age at which events leave the log.' },
  labelEventRetentionMs: {
    default: 90 * DAY,
    unit: 'milliseconds',
    sentence: 'Age at which label events leave the log.',
  },
  eventSweepRows: { default: 100, unit: 'count', sentence: 'Old events removed in one transaction.' },
  eventSweepRestMs: {
    default: 5,
    unit: 'milliseconds',
    sentence: 'Pause of a sweep of events after each transaction, for those who write.',
  },
  rollupRetentionMs: { default: 90 * DAY, unit: 'milliseconds', sentence: 'Age at which hourly counts are removed.' },
  // Inboxes and messages
  labelsPerMessageMax: { default: 64, unit: 'count', sentence: 'Labels on one message.' },
  labelCharsMax: { default: 256, unit: 'count', sentence: 'Length of a label.' },
  metadataKeysMax: { default: 256, unit: 'count', sentence: "Keys in an inbox's metadata." },
  metadataCharsMax: { default: 256, unit: 'count', sentence: 'Length of a metadata key or text value.' },
  displayNameCharsMax: {
    default: 256,
    unit: 'count',
    sentence: "Length of a display name or of a key's or pod's name.",
  },
  threadLabelMessagesMax: {
    default: 100,
    unit: 'count',
    sentence: "Messages from which a thread's labels cannot be changed in one call.",
  },
  sendRecipientsMax: {
    default: 50,
    unit: 'count',
    sentence: 'Recipients of one sent message in to, cc and bcc together.',
  },
  sendTextCharsMax: {
    default: 10_000_000,
    unit: 'count',
    sentence:
      'Length of the text of a sent message, and of its HTML; longer ones would stall the server while they are encoded.',
  },
  headersPerSendMax: { default: 100, unit: 'count', sentence: 'Extra header fields of one sent message.' },
  attachmentsPerSendMax: { default: 100, unit: 'count', sentence: 'Attachments of one sent message.' },
  idempotencyMs: {
    default: DAY,
    unit: 'milliseconds',
    sentence: 'Time for which an Idempotency-Key answers with the first result.',
  },
  idempotencyLeaseMs: {
    default: 2 * MINUTE,
    unit: 'milliseconds',
    sentence: 'Time after which a first attempt that never finished frees its Idempotency-Key.',
  },
  ...outboundLimits,
  // Jobs
  jobPollMs: {
    default: 5 * SECOND,
    unit: 'milliseconds',
    sentence: 'Interval at which background jobs are looked at when no commit rang.',
  },
  jobConcurrencyMax: { default: 4, unit: 'count', sentence: 'Background jobs under way at once.' },
  removalChunkRows: {
    default: 200,
    unit: 'count',
    sentence: 'Messages removed in one transaction when an inbox is deleted.',
  },
  usedAtFlushMs: {
    default: MINUTE,
    unit: 'milliseconds',
    sentence: 'Interval at which the last use of API keys is written.',
  },
  // Store
  clockSkewMaxMs: {
    default: 30 * SECOND,
    unit: 'milliseconds',
    sentence: "How far this server's clock may be from PostgreSQL's at the start; leases are times.",
  },
  transactionGroupMax: { default: 100, unit: 'count', sentence: 'Transactions committed together.' },
  transactionQueueMax: {
    default: 10_000,
    unit: 'count',
    sentence: 'Transactions waiting for the writer; more are refused as unavailable.',
  },
  transactionMs: { default: 5 * SECOND, unit: 'milliseconds', sentence: "Time for one transaction's statements." },
  transactionRerunsMax: {
    default: 3,
    unit: 'count',
    sentence: 'Times that a transaction is run again because another server was in its way, before it is unavailable.',
  },
  lockWaitMs: {
    default: 2 * SECOND,
    unit: 'milliseconds',
    sentence: 'Time to wait for a row that another server is changing, on PostgreSQL.',
  },
  groupLockWaitMs: {
    default: 10,
    unit: 'milliseconds',
    sentence:
      'The same for a transaction that shares its commit with earlier ones, which keep their own rows from others; then it goes into the next commit.',
  },
  statementMs: {
    default: 10 * SECOND,
    unit: 'milliseconds',
    sentence: 'Time that PostgreSQL is given for one statement.',
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
      'Time after which a connection to PostgreSQL that does not answer is given up, and after which PostgreSQL gives up a server that fell silent in a transaction.',
  },
  databaseReadersMax: {
    default: 10,
    unit: 'count',
    sentence: 'Connections to PostgreSQL that read; one more writes and one listens.',
  },
  databaseRetryMaxMs: {
    default: 2 * SECOND,
    unit: 'milliseconds',
    sentence: 'Longest wait between two tries to reach a PostgreSQL that went away.',
  },
  inlineBytesMax: {
    default: 256 * KIB,
    unit: 'bytes',
    sentence: 'Largest message kept in the database; larger ones are blobs.',
  },
  diskFreeBytesMin: {
    default: 64 * MIB,
    unit: 'bytes',
    sentence: 'Free disk space below which no mail is taken, neither from outside nor from clients.',
  },
  diskCheckMs: {
    default: 2 * SECOND,
    unit: 'milliseconds',
    sentence: 'Interval at which free disk space is looked at.',
  },
  blobSweepAgeMs: {
    default: DAY,
    unit: 'milliseconds',
    sentence: 'Age at which a blob that nothing refers to is removed.',
  },
  blobSweepMs: {
    default: HOUR,
    unit: 'milliseconds',
    sentence: 'Interval of that sweep, and of the one of old events and counts.',
  },
  checkpointPages: {
    default: 4_000,
    unit: 'count',
    sentence: "Pages in SQLite's write-ahead log at which it is written back.",
  },
  // Stop
  shutdownGraceMs: {
    default: 30 * SECOND,
    unit: 'milliseconds',
    sentence: 'Time for what runs to finish when the server stops.',
  },
} as const satisfies Record<string, Limit>

export type Limits = { readonly [K in keyof typeof limits]: number }

export function defaultLimits(): Limits {
  return Object.fromEntries(Object.entries(limits).map(([name, limit]) => [name, limit.default])) as unknown as Limits
}
