/**
 * How much a test does that depends on chance or on load: kills, outages, random input. `npm test` has the short form of
 * each, `npm run test:long` the long one.
 */
export function amount({ short, long }: { readonly short: number; readonly long: number }): number {
  return process.env.TEST_LONG ? long : short
}
