/** Limits of webhooks: their number, requests, retries and history. Part of ../limits.ts. */
import { DAY, KIB, type Limit, MIB, MINUTE, SECOND } from './limit.ts'

export const webhooksLimits = {
  perOrganizationMax: { default: 100, unit: 'count', description: 'Webhooks of one organization.' },
  perPodMax: { default: 50, unit: 'count', description: 'Webhooks of one pod, including those of its inboxes.' },
  idsMax: {
    default: 10,
    unit: 'count',
    description: 'Inboxes that one webhook can list; the same limit applies to pods.',
  },
  urlCharsMax: { default: 2_048, unit: 'count', description: "Length of a webhook's URL." },
  headersMax: { default: 20, unit: 'count', description: 'Custom header fields of one webhook.' },
  headerCharsMax: {
    default: 8_192,
    unit: 'count',
    description: 'Total length of the custom header fields of one webhook, names and values together.',
  },
  bodyBytesMax: {
    default: 1_000_000,
    unit: 'bytes',
    description: 'Body of a webhook request. Larger ones are sent without the text and HTML of the message.',
  },
  batchBytesMax: {
    default: 8 * MIB,
    unit: 'bytes',
    description:
      'Total size of webhook bodies, before compression, that one transaction inserts, not counting the last body.',
  },
  replayEventsMax: {
    default: 100_000,
    unit: 'count',
    description: 'Events in one replay.',
  },
  replayRowsMax: {
    default: 5_000_000,
    unit: 'count',
    description:
      'Events of the log, of all tenants of the server, in the time range of one replay: on a busy server, a range has to be shorter.',
  },
  replayCountsMax: {
    default: 10,
    unit: 'count',
    description:
      'Requests for replays that count their events at the same time. They are divided among pods and organizations.',
  },
  testsMax: {
    default: 10,
    unit: 'count',
    description: 'Concurrent test requests to webhooks. They are divided among pods and organizations in the same way.',
  },
  oldSecretMs: {
    default: DAY,
    unit: 'milliseconds',
    description: 'Time for which a replaced secret of a webhook continues to sign beside the new one.',
  },
  oldSecretsMax: {
    default: 10,
    unit: 'count',
    description: 'Replaced secrets of one webhook that sign at the same time.',
  },
  failingMsMax: {
    default: 5 * DAY,
    unit: 'milliseconds',
    description: 'Time after which a webhook is disabled if every request to it has failed.',
  },
  quietMs: {
    default: 2 * DAY,
    unit: 'milliseconds',
    description:
      'Pause between failed requests to a webhook after which that time starts again at zero. It is longer than any wait between retries.',
  },
  concurrencyMax: {
    default: 200,
    unit: 'count',
    description:
      'Concurrent requests to all webhooks. At most half of them go to webhooks whose last request failed. An organization may begin another one while it runs fewer than seven times as many as are free (one alone gets seven eighths), a pod while it runs fewer than its organization may still begin (one alone gets half of that).',
  },
  endpointConcurrencyMax: {
    default: 10,
    unit: 'count',
    description:
      'Concurrent requests to one webhook. Fewer if less than half of the last requests succeeded, and one at a time if none did.',
  },
  timeoutMs: {
    default: 15 * SECOND,
    unit: 'milliseconds',
    description: 'Time for a request to a webhook, from the DNS lookup to the end of the response.',
  },
  longTimeoutMs: {
    default: 30 * SECOND,
    unit: 'milliseconds',
    description: 'The same for webhooks of AgentPost, whose receivers may take this long to answer.',
  },
  leaseMs: {
    default: 2 * MINUTE,
    unit: 'milliseconds',
    description: 'Lease of a claimed webhook delivery. It is longer than a request can take.',
  },
  pollMs: {
    default: 5 * SECOND,
    unit: 'milliseconds',
    description: 'Interval at which pending webhook deliveries are polled when no signal arrives.',
  },
  probeMsMin: {
    default: SECOND,
    unit: 'milliseconds',
    description:
      'Wait before a failed delivery of an ordered webhook is sent again, since others wait for it. It doubles each time, and the retry schedule continues.',
  },
  probeMsMax: { default: MINUTE, unit: 'milliseconds', description: 'Longest such wait.' },
  pauseMsMax: {
    default: MINUTE,
    unit: 'milliseconds',
    description: 'Longest pause between requests to a webhook that keeps failing while deliveries are due.',
  },
  errorPauseMs: {
    default: 10 * SECOND,
    unit: 'milliseconds',
    description: 'Pause of a webhook whose deliveries could not be claimed because of an internal error. Others go on.',
  },
  retryAfterMsMax: {
    default: DAY,
    unit: 'milliseconds',
    description: 'Longest `Retry-After` of a webhook. A longer one is shortened to this.',
  },
  responseBytesMax: {
    default: 64 * KIB,
    unit: 'bytes',
    description: "Bytes of a webhook's response that are read before the connection is closed.",
  },
  responseKeptCharsMax: {
    default: 1_024,
    unit: 'count',
    description: "Characters of a webhook's response that are stored with the attempt.",
  },
  idleSocketMs: {
    default: 10 * SECOND,
    unit: 'milliseconds',
    description: 'Time for which an idle connection to a webhook stays open.',
  },
  retentionMs: {
    default: 7 * DAY,
    unit: 'milliseconds',
    description: 'Age at which webhook deliveries and their attempts are deleted.',
  },
  chunkRows: {
    default: 500,
    unit: 'count',
    description: 'Webhook deliveries that one transaction cancels or deletes.',
  },
} as const satisfies Record<string, Limit>
