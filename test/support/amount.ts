/**
 * Returns the number of repetitions for a test that depends on chance or load (kills, outages, random input): a few in
 * `npm test`, many in `npm run test:long`.
 */
export function amount({ short, long }: { readonly short: number; readonly long: number }): number {
  return process.env.TEST_LONG ? long : short
}
