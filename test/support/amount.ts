/**
 * Returns how much a test does that depends on chance, load or size (kills, outages, random input): little in `npm test`,
 * much in `npm run test:long`.
 */
export function amount<Amount>({ short, long }: { readonly short: Amount; readonly long: Amount }): Amount {
  return process.env.TEST_LONG ? long : short
}

/**
 * Returns the first seed of a test: that of the environment variable, or `short` in `npm test`, which always does the same. In
 * `npm run test:long` it is another one each time, so the test must name it when it fails.
 */
export function firstSeed(variable: string, short: number): number {
  return Number(process.env[variable] ?? amount({ short, long: Math.floor(Math.random() * 1e6) }))
}
