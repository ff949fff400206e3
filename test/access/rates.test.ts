/** Tests the counts that limit how often something happens. */
import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { countRates, type Rate, refuseExceeded, sweepRates } from '../../src/mail/access/rates.ts'
import { openTestStore } from '../store/test-store.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const hourly: Rate = { key: 'a', what: 'tries', max: 2, period: 'hour' }
const daily: Rate = { key: 'b', what: 'tries', max: 5, period: 'day', amount: 2 }

test('counts start again with each hour and day, refused attempts do not count, and old rows are removed', async () => {
  let now = 10 * DAY + 5 * HOUR + 1
  const clock = () => now
  await using store = await openTestStore({ clock })
  const attempt = (...rates: Rate[]) =>
    store
      .transaction((tx) => countRates(tx, rates))
      .then(
        () => 'counted',
        (error) => error.params,
      )
  const rows = () => store.db.selectFrom('rate_counts').select(['key', 'count']).orderBy('key').execute()

  expect(await Promise.all([attempt(hourly, daily), attempt(hourly, daily)])).toEqual(['counted', 'counted'])
  await expect(refuseExceeded(store.db, [hourly], now)).rejects.toThrow('Too many tries: at most 2 per hour')
  const refused = { what: 'tries', max: 5, period: 'day', retryAfterSeconds: 19 * 3_600 }
  expect(await attempt({ ...hourly, max: 9 }, daily)).toEqual(refused) // the first count is rolled back too
  expect((await rows()).map(({ key, count }) => [key, Number(count)])).toEqual([
    ['a', 2],
    ['b', 4],
  ])

  now += HOUR
  await refuseExceeded(store.db, [hourly], now)
  expect(await attempt(hourly)).toBe('counted')
  const limits = withLimits({ jobs: { removalChunkRows: 1 } })
  await sweepRates({ store, clock, limits }, new AbortController().signal)
  expect((await rows()).map(({ key }) => key)).toEqual(['a', 'b']) // the row of the last hour is gone
  now += DAY
  await sweepRates({ store, clock, limits }, new AbortController().signal)
  expect(await rows()).toEqual([])
})
