/**
 * Compares searches with a comparison of all messages, through random insertions, deletions, label changes, jobs that are
 * killed, restarts, damage, restored backups and a second node: the index and the order of events never change a result.
 *
 * SEARCH_SEED repeats a seed:
 *
 *   TEST_LONG=1 SEARCH_SEED=1 npx vitest run test/messages/search-property.test.ts
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { sql } from 'kysely'
import { expect, test } from 'vitest'
import type { SearchClause } from '../../src/mail/messages/search/search.ts'
import { copyDatabase } from '../../src/store/sqlite/sqlite-backup.ts'
import { asKysely, openTestStore, type TestStore, temporaryFolder } from '../store/test-store.ts'
import { firstSeed } from '../support/amount.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { databaseName } from '../support/test-database.ts'
import { openSearchWorld } from './search-world.ts'

const isLong = process.env.TEST_LONG === '1'
const STEPS = isLong ? 600 : 25
const FIRST = firstSeed('SEARCH_SEED', 1)
const SEEDS = isLong && !process.env.SEARCH_SEED ? [0, 1, 2, 3, 4].map((more) => FIRST + more) : [FIRST]
const WORDS = 'report invoice rapport 验证码 重要邮件 zürich straße alpha alphabet beta 🎉party needle x ne'.split(' ')

interface Model {
  readonly id: string
  readonly subject: string
  readonly text: string
  hidden: number
}

test.each(SEEDS)('searches are exact, with seed %i', { timeout: isLong ? 600_000 : 60_000 }, async (seed) => {
  const random = seededRandom(seed)
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!
  const upTo = (max: number) => 1 + Math.floor(random() * max)
  await using folder = await temporaryFolder({ isOnDisk: true })
  await using world = await openSearchWorld({
    dataDir: folder.path,
    limits: { search: { pageRowsMax: 60, purgeDelayMs: 0 } },
  })
  const isPostgres = databaseName() === 'postgres'
  const other = isPostgres ? await openTestStore({ dataDir: folder.path }) : undefined
  let damages = 0
  /** Oldest first. */
  let model: Model[] = []
  let backup: { file: string; model: Model[] } | undefined
  const nodes = (): TestStore[] => (other ? [world.store, other] : [world.store])

  const steps: readonly [weight: number, step: () => Promise<unknown>][] = [
    [6, () => insert(upTo(isLong ? 150 : 120))],
    [3, remove],
    [2, hide],
    [2, damage],
    [4, () => world.index(pick(nodes()))],
    [2, kill],
    [1, restart],
    [1, isPostgres ? twoJobs : save],
    [1, isPostgres ? twoJobs : restore],
  ]
  const bag = steps.flatMap(([weight, step]) => Array<() => Promise<unknown>>(weight).fill(step))
  try {
    await insert(600)
    await world.index()
    for (let count = 0; count < STEPS; count += 1) {
      // Each once, then any.
      await (steps[count]?.[1] ?? pick(bag))()
      for (let queries = 0; queries < 3; queries += 1) await compare(queries === 2 && random() < 0.5)
    }
  } finally {
    await other?.close()
    if (world.store.dataDir) await world.store.close()
  }

  async function insert(count: number): Promise<void> {
    const mails = Array.from({ length: count }, () => ({
      subject: `${pick(WORDS)} ${pick(WORDS)}`,
      text: `${pick(WORDS)} ${upTo(9_999)}${pick(WORDS)} ${pick(WORDS)}`,
    }))
    const ids = await world.add(...mails)
    model.push(...ids.map((id, at) => ({ id, ...mails[at]!, hidden: 0 })))
  }

  async function remove(): Promise<void> {
    const [from, length] = [Math.floor(random() * model.length), upTo(random() < 0.2 ? 300 : 10)]
    const gone = model.slice(from, from + length)
    model = [...model.slice(0, from), ...model.slice(from + length)]
    await world.remove(...gone.map(({ id }) => id))
  }

  async function hide(): Promise<void> {
    if (model.length === 0) return
    const one = pick(model)
    one.hidden = one.hidden === 0 ? 1 : 0
    const { id, hidden } = one
    await world.store.transaction((tx) => tx.updateTable('messages').set({ hidden }).where('id', '=', id).execute())
  }

  /** Ends the job somewhere in its work. */
  async function kill(): Promise<void> {
    const ending = new AbortController()
    let turns = upTo(20)
    const count = () => void (turns-- > 0 ? setImmediate(count) : ending.abort(new Error('killed')))
    count()
    await world
      .index(pick(nodes()), ending.signal)
      .catch((error: Error) => expect(error.message).toMatch(/killed|abort/))
  }

  async function damage(): Promise<void> {
    const statements = [
      `delete from search_chunks where id % 3 = ${upTo(3) - 1}`,
      `delete from search_chunks where id % 2 = ${upTo(2) - 1}`,
      `update search_blocks set text_function = 'another'`,
      'delete from search_blocks where id % 2 = 0',
    ]
    const statement = damages++ === 0 ? statements[0]! : pick(statements)
    await world.store.transaction((tx) => sql.raw(statement).execute(asKysely(tx)))
  }

  async function twoJobs(): Promise<void> {
    await Promise.all(nodes().map((node) => world.index(node)))
  }

  async function restart(): Promise<void> {
    await world.store.close()
    world.use(await openTestStore({ dataDir: folder.path }))
  }

  async function save(): Promise<void> {
    const file = join(folder.path, `backup-${model.length}`)
    await rm(file, { force: true })
    await copyDatabase(folder.path, file)
    backup = { file, model: structuredClone(model) }
  }

  async function restore(): Promise<void> {
    if (!backup) return
    await world.store.close()
    const { default: BetterSqlite } = await import('better-sqlite3')
    const saved = new BetterSqlite(backup.file)
    await rm(join(folder.path, 'martlet.db'))
    await saved.backup(join(folder.path, 'martlet.db'))
    saved.close()
    model = structuredClone(backup.model)
    world.use(await openTestStore({ dataDir: folder.path }))
  }

  /** @param isBusy whether a node indexes meanwhile */
  async function compare(isBusy: boolean): Promise<void> {
    const texts = Array.from({ length: upTo(2) }, () => {
      const word = pick(WORDS)
      return random() < 0.5 ? word : word.slice(Math.floor(random() * 3)) || word
    })
    const clause: SearchClause = { columns: random() < 0.5 ? ['subject', 'body'] : ['body'], allOf: texts }
    const hiddenMask = random() < 0.5 ? 1 : 0
    const wanted = model.filter(
      (one) =>
        (one.hidden & hiddenMask) === 0 &&
        texts.every((text) =>
          clause.columns.some((column) =>
            (column === 'body' ? one.text : one.subject).toLowerCase().includes(text.toLowerCase()),
          ),
        ),
    )
    const indexing = isBusy ? world.index(pick(nodes())) : undefined
    const found = await world.search({ anyOf: [clause], hiddenMask, limit: upTo(60) }, pick(nodes()))
    await indexing
    expect(found).toEqual(wanted.map(({ id }) => id).reverse())
  }
})
