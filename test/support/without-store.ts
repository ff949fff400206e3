/**
 * Test files in folders whose other files use a database. These do not, so they run once; `tidy.test.ts` checks this.
 */
export const WITHOUT_STORE: readonly string[] = [
  'test/events/audience.test.ts',
  'test/events/event-types.test.ts',
  'test/events/interrupted-work.test.ts',
  'test/events/recent.test.ts',
  'test/sending/remote-target.test.ts',
  'test/webhooks/endpoint.test.ts',
  'test/webhooks/lanes.test.ts',
  'test/webhooks/retry.test.ts',
]
