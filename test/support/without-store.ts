/**
 * Test files in folders whose other files use a database. These do not, so they run once; `tidy.test.ts` checks this.
 */
export const WITHOUT_STORE: readonly string[] = [
  'test/domains/domain-name.test.ts',
  'test/domains/domain-records.test.ts',
  'test/domains/observe-records.test.ts',
  'test/events/subscription-index.test.ts',
  'test/events/event-types.test.ts',
  'test/jobs/interrupted-work.test.ts',
  'test/events/bounded-cache.test.ts',
  'test/messages/compressed-bodies.test.ts',
  'test/messages/mail-list.test.ts',
  'test/messages/parse-queue.test.ts',
  'test/messages/mail-parser.test.ts',
  'test/receiving/receive-queue.test.ts',
  'test/sending/draft-schedule.test.ts',
  'test/sending/remote-target.test.ts',
  'test/sending/suppress-bounced.test.ts',
  'test/store/lru-cache.test.ts',
  'test/webhooks/endpoint.test.ts',
  'test/webhooks/sender-filter.test.ts',
  'test/webhooks/webhook-limits.test.ts',
  'test/webhooks/webhook-retry.test.ts',
]
