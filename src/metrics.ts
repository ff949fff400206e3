/**
 * Counters, gauges and histograms, named as Prometheus recommends. All layers use them; /metrics serves them.
 *
 * There is one set per process, but it is created, not global: two servers in one test process must not share counters.
 */
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client'

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** @param collectProcess also collects CPU, memory and event-loop delay; off when several servers share a process */
export function createMetrics({ collectProcess = false } = {}) {
  const registry = new Registry()
  const registers = [registry]
  if (collectProcess) collectDefaultMetrics({ register: registry, prefix: 'martlet_' })

  return {
    registry,
    smtpConnections: new Gauge({ name: 'martlet_smtp_connections', help: 'Open SMTP connections', registers }),
    imapConnections: new Gauge({ name: 'martlet_imap_connections', help: 'Open IMAP connections', registers }),
    smtpRefusals: new Counter({
      name: 'martlet_smtp_refusals_total',
      help: 'SMTP commands and messages that were rejected, by reply code and reason',
      labelNames: ['code', 'reason'],
      registers,
    }),
    messagesReceived: new Counter({
      name: 'martlet_messages_received_total',
      help: 'Received messages that were stored, by source',
      labelNames: ['via'],
      registers,
    }),
    sendersChecked: new Counter({
      name: 'martlet_senders_checked_total',
      help: 'Messages from other servers, by what was found out about their senders',
      labelNames: ['result'],
      registers,
    }),
    receiveSeconds: new Histogram({
      name: 'martlet_receive_seconds',
      help: 'Time from the last byte of a message to its commit',
      buckets: SECONDS,
      registers,
    }),
    messagesParsedInPart: new Counter({
      name: 'martlet_messages_parsed_in_part_total',
      help: 'Messages of which only the header fields were read, by cause: time, memory, or error (a bug)',
      labelNames: ['cause'],
      registers,
    }),
    messagesSent: new Counter({
      name: 'martlet_messages_sent_total',
      help: 'Submissions accepted from clients',
      registers,
    }),
    recipientAttempts: new Counter({
      name: 'martlet_recipient_attempts_total',
      help: 'Delivery attempts per recipient, by outcome',
      labelNames: ['outcome'],
      registers,
    }),
    webhookAttempts: new Counter({
      name: 'martlet_webhook_attempts_total',
      help: 'Requests to webhooks, by outcome',
      labelNames: ['outcome'],
      registers,
    }),
    httpRequests: new Counter({
      name: 'martlet_http_requests_total',
      help: 'HTTP requests by dialect and status',
      labelNames: ['dialect', 'status'],
      registers,
    }),
    httpBodyBytes: new Gauge({
      name: 'martlet_http_body_bytes',
      help: 'Bytes of request bodies that are being received, by memory budget',
      labelNames: ['budget'],
      registers,
    }),
    httpResponseBytes: new Gauge({
      name: 'martlet_http_response_bytes',
      help: 'Bytes of large responses that are being rendered or sent',
      registers,
    }),
    httpComposingBytes: new Gauge({
      name: 'martlet_http_composing_bytes',
      help: 'Bytes of messages that requests compose from stored ones or from drafts',
      registers,
    }),
    httpResponsesWaiting: new Gauge({
      name: 'martlet_http_responses_waiting',
      help: 'Requests that wait for memory for a large response, or to compose a message',
      registers,
    }),
    sockets: new Gauge({ name: 'martlet_websockets', help: 'Open WebSocket subscribers', registers }),
    socketsClosed: new Counter({
      name: 'martlet_websockets_closed_total',
      help: 'WebSockets closed by us, by close code',
      labelNames: ['code'],
      registers,
    }),
    streams: new Gauge({ name: 'martlet_event_streams', help: 'Open streams of server-sent events', registers }),
    eventSubscriptions: new Gauge({
      name: 'martlet_event_subscriptions',
      help: 'Open event subscriptions: WebSockets, event streams and long polls',
      registers,
    }),
    eventBacklog: new Gauge({
      name: 'martlet_event_backlog_bytes',
      help: 'Memory used by events that WebSockets and event streams have not sent yet',
      registers,
    }),
    eventsSent: new Counter({ name: 'martlet_events_sent_total', help: 'Events written to subscribers', registers }),
    commitSeconds: new Histogram({
      name: 'martlet_commit_seconds',
      help: 'Duration of a group commit, from BEGIN until it is on disk',
      buckets: SECONDS,
      registers,
    }),
    commitMembers: new Histogram({
      name: 'martlet_commit_members',
      help: 'Transactions in one group commit',
      buckets: [1, 2, 5, 10, 20, 50, 100],
      registers,
    }),
    failedCommits: new Counter({
      name: 'martlet_failed_commits_total',
      help: 'Group commits that failed and were rolled back',
      registers,
    }),
    containedErrors: new Counter({
      name: 'martlet_contained_errors_total',
      help: 'Unhandled errors that ended one unit of work, by kind of unit (connection, request, delivery, job)',
      labelNames: ['unit'],
      registers,
    }),
    workSetAside: new Counter({
      name: 'martlet_work_set_aside_total',
      help: 'Recipients, webhook deliveries and jobs set aside after repeated interruptions',
      labelNames: ['work'],
      registers,
    }),
    backgroundErrors: new Counter({
      name: 'martlet_background_errors_total',
      help: 'Failures of background work; the loop continued',
      labelNames: ['loop'],
      registers,
    }),
  }
}

export type Metrics = ReturnType<typeof createMetrics>
