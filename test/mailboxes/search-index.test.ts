/**
 * Compares SEARCH TEXT and BODY with a comparison of all messages, while the index of whole messages is made, killed, damaged, outdated,
 * and restored from a backup, and messages are deleted, added again and moved: it never changes a result.
 *
 * SEARCH_SEED repeats a seed:
 *
 *   TEST_LONG=1 SEARCH_SEED=1 npx vitest run test/mailboxes/search-index.test.ts
 */
import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { sql } from 'kysely'
import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { createIndexSources, INDEX_SOURCES } from '../../src/mail/messages/search/index-sources.ts'
import { createSignatureThread } from '../../src/mail/messages/search/signature-thread.ts'
import { copyDatabase } from '../../src/store/sqlite/sqlite-backup.ts'
import * as inboxes from '../../src/store/tables/inboxes-table.ts'
import * as messages from '../../src/store/tables/messages-table.ts'
import { asKysely, openTestStore, temporaryFolder } from '../store/test-store.ts'
import { firstSeed } from '../support/amount.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { databaseName } from '../support/test-database.ts'
import { appendedMail, type MailboxNode, startMailboxes, startNode } from './mailbox-world.ts'

const isLong = process.env.TEST_LONG === '1'
const STEPS = isLong ? 300 : 16
const FIRST = firstSeed('SEARCH_SEED', 1)
const SEEDS = isLong && !process.env.SEARCH_SEED ? [0, 1, 2, 3, 4].map((more) => FIRST + more) : [FIRST]
const LIMITS = {
  search: { indexPauseMs: 0, sourceCheckMs: 0, purgeDelayMs: 0, sourceMessagesMin: 5, sourceSignaturesMax: 8 },
}
const WORDS = 'carousel needle 验证码 zürich alphabet beta straße received 重要邮件 ox boundary'.split(' ')

interface Model {
  readonly raw: string
  /** In lower case, with single spaces. BODY does not see the header. */
  readonly header: readonly string[]
  readonly body: readonly string[]
}

test.each(SEEDS)('SEARCH is exact, with seed %i', { timeout: isLong ? 600_000 : 60_000 }, async (seed) => {
  const random = seededRandom(seed)
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!
  const upTo = (max: number) => 1 + Math.floor(random() * max)
  await using folder = await temporaryFolder({ isOnDisk: true })
  await using world = await startMailboxes(LIMITS, { dataDir: folder.path })
  const limits = withLimits(LIMITS)
  const thread = createSignatureThread(limits)
  let node = world.node
  let account = await world.logIn()
  let inbox = await account.open('INBOX')
  /** By UID in INBOX. */
  let model = new Map<number, Model>()
  let backup: { file: string; model: typeof model } | undefined
  const removed: Model[] = []
  let count = 0
  let damages = 0

  const steps: readonly [weight: number, step: () => Promise<unknown>][] = [
    [5, () => add(upTo(20))],
    [3, remove],
    [1, addAgain],
    [2, move],
    [4, index],
    [2, kill],
    [2, damage],
    [2, restart],
    [1, databaseName() === 'sqlite' ? save : index],
    [1, databaseName() === 'sqlite' ? restore : restart],
  ]
  const bag = steps.flatMap(([weight, step]) => Array<() => Promise<unknown>>(weight).fill(step))
  try {
    await account.create('Work')
    await add(300)
    await index()
    await compare()
    expect(await blocks()).toBeGreaterThan(2)
    await damage() // one between two others
    await compare()
    for (let turn = 0; turn < STEPS; turn += 1) {
      await (steps[turn]?.[1] ?? pick(bag))()
      const indexing = random() < 0.3 ? index() : undefined
      for (let queries = 0; queries < 3; queries += 1) await compare()
      await indexing
    }
  } finally {
    await thread.stop()
    if (node !== world.node) await close()
  }

  function makeMail(): Model {
    const [field, text, shown, attached] = [`x${count++} ${pick(WORDS)}`, pick(WORDS), pick(WORDS), pick(WORDS)]
    const long = random() < 0.3 ? `${'filler of a long text '.repeat(upTo(3_000))}${pick(WORDS)}` : 'short'
    const header = [`from: ann@x.test`, `message-id: <${count}@x.test>`, `x-field: ${field}`]
    const types = ['multipart/mixed; boundary=b', 'text/plain; charset=utf-8', 'text/html; charset=utf-8']
    const html = `<p title="${attached}">see <b>${shown}</b></p>`
    const raw = [
      ...header,
      `Content-Type: ${types[0]}`,
      ...['', '--b', `Content-Type: ${types[1]}`, '', `${text} ${long}`],
      ...['--b', `Content-Type: ${types[2]}`, 'Content-Disposition: attachment', '', html, '--b--', ''],
    ].join('\n')
    const contentTypes = types.map((type) => `content-type: ${type}`)
    return {
      raw,
      header: [...header, ...contentTypes, 'content-disposition: attachment'],
      body: [`${text} ${long}`, `see ${shown}`, html],
    }
  }

  async function append(mails: readonly Model[]): Promise<void> {
    const added = await Promise.all(mails.map((mail) => account.append('INBOX', appendedMail(mail.raw))))
    for (const [at, mail] of mails.entries()) model.set(added[at]!.uid, mail)
  }

  async function add(many: number): Promise<void> {
    await append(Array.from({ length: many }, makeMail))
  }

  /** The same bytes: the message has another number, and its content may be the same. */
  async function addAgain(): Promise<void> {
    await append(removed.splice(0, 3))
  }

  async function remove(): Promise<void> {
    const from = Math.floor(random() * model.size)
    const uids = [...model.keys()].slice(from, from + upTo(random() < 0.3 ? 60 : 4))
    const ids = await idsOf(uids)
    const blobs = await node.store.transaction(async (tx) => {
      await inboxes.lockById(tx, world.inboxId)
      return node.removal.remove(tx, world.inboxId, await messages.listByIds(tx, ids))
    })
    await node.discardBlobs(blobs)
    for (const uid of uids) {
      removed.unshift(model.get(uid)!)
      model.delete(uid)
    }
  }

  async function idsOf(uids: readonly number[]): Promise<string[]> {
    const rows = await node.store.db
      .selectFrom('mailbox_entries')
      .select('item_id')
      .where('mailbox_id', '=', inbox.mailboxId)
      .where('uid', 'in', uids)
      .execute()
    return rows.map(({ item_id }) => item_id)
  }

  async function move(): Promise<void> {
    const uids = [...model.keys()].filter(() => random() < 0.05)
    await inbox.move(uids, 'Work')
    for (const uid of uids) model.delete(uid)
  }

  async function index(signal = new AbortController().signal): Promise<void> {
    const run = createIndexSources({ store: node.store, contents: node.contents, thread, limits })
    await run({ kind: INDEX_SOURCES, key: world.inboxId, payload: {}, attempt: 1, signal })
  }

  /** Ends the job somewhere in its work. */
  async function kill(): Promise<void> {
    const ending = new AbortController()
    let turns = upTo(20)
    const countTurns = () => void (turns-- > 0 ? setImmediate(countTurns) : ending.abort(new Error('killed')))
    countTurns()
    await index(ending.signal).catch((error: Error) => expect(error.message).toMatch(/killed|abort/))
  }

  async function damage(): Promise<void> {
    const statements = [
      'delete from search_blocks where id in (select id from search_blocks order by last_number limit 1 offset 1)',
      'delete from search_chunks where id % 3 = 1',
      'update search_chunks set bytes = substr(bytes, 1, 10) where id % 5 = 1',
      `update search_blocks set text_function = 'another'`,
    ]
    const statement = statements[damages++ % statements.length]!
    await node.store.transaction((tx) => sql.raw(statement).execute(asKysely(tx)))
  }

  /** What a node has in memory is lost. */
  async function restart(): Promise<void> {
    await use(await startNode(node.store, limits))
  }

  async function use(next: MailboxNode): Promise<void> {
    inbox.close()
    await node.feed.stop()
    node = next
    account = await world.logIn(undefined, node)
    inbox = await account.open('INBOX')
  }

  async function close(): Promise<void> {
    await node.feed.stop()
    if (node.store !== world.node.store) await node.store.close()
  }

  async function save(): Promise<void> {
    const file = join(folder.path, `backup-${count}`)
    await rm(file, { force: true })
    await copyDatabase(folder.path, file)
    backup = { file, model: new Map(model) }
  }

  async function restore(): Promise<void> {
    if (!backup) return
    await node.feed.stop()
    await node.store.close()
    const { default: BetterSqlite } = await import('better-sqlite3')
    const saved = new BetterSqlite(backup.file)
    await rm(join(folder.path, 'martlet.db'))
    await saved.backup(join(folder.path, 'martlet.db'))
    saved.close()
    model = new Map(backup.model)
    await use(await startNode(await openTestStore({ dataDir: folder.path, limits: LIMITS }), limits))
  }

  async function blocks(): Promise<number> {
    const rows = await node.store.db.selectFrom('search_blocks').select('id').where('kind', '=', 'source').execute()
    return rows.length
  }

  async function compare(): Promise<void> {
    const word = pick(WORDS)
    const value =
      random() < 0.3 ? word : random() < 0.5 ? `: x${upTo(count)} ${word}` : word.slice(Math.floor(random() * 3))
    const target = random() < 0.7 ? 'text' : 'body'
    const latest = await inbox.refresh()
    const found = await inbox.search({ key: 'text', in: target, value }, latest, [], new AbortController().signal)
    const wanted = [...model].filter(([, { header, body }]) =>
      [...(target === 'text' ? header : []), ...body].some((text) => text.toLowerCase().includes(value.toLowerCase())),
    )
    expect(found, `${target} ${value}`).toEqual(wanted.map(([uid]) => uid).sort((a, b) => a - b))
  }
})
