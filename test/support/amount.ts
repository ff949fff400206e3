/**
 * Returns how much a test does that depends on chance, load or size (kills, outages, random input): little in `npm test`,
 * much in `npm run test:long`.
 */
export function amount<Amount>({ short, long }: { readonly short: Amount; readonly long: Amount }): Amount {
  return process.env.TEST_LONG ? long : short
}
