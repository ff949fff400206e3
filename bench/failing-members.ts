/**
 * How many messages per second are filed while one in a hundred fails in its transaction, compared with none?
 *
 *   npm run bench -- failing-members       ROUNDS=5  MESSAGES=2000  DATABASE=postgres
 *
 * Varied messages of 5 KB for 50 inboxes are prepared before each round, and 50 callers then file them: the group commit, its
 * batches, savepoints and statements, in this process and without a server. A member that fails throws when all of its batch is
 * written, as one does whose rows the database refuses; its position in the batch varies. Rounds with and without alternate, because
 * a shared machine is never equally fast twice. Only what was stored counts.
 */
import { createLog } from '../src/log.ts'
import { createDiscardBlobs } from '../src/mail/messages/content/discard-blobs.ts'
import { createPrepareContent, type PreparedContent } from '../src/mail/messages/content/prepared-content.ts'
import { createFiling } from '../src/mail/messages/filing/file-messages.ts'
import type { Receipt } from '../src/mail/receiving/arrival.ts'
import { createFileReceived } from '../src/mail/receiving/file-received.ts'
import type { RecipientInboxRow } from '../src/store/tables/inboxes-table.ts'
import { createParserHere } from '../test/support/parse-here.ts'
import { insertInboxes } from './insert-inboxes.ts'
import { createMailPool } from './mail-pool.ts'
import { openBenchStore } from './open-store.ts'
import { atLeast, report } from './report.ts'

const ROUNDS = Number(process.env.ROUNDS ?? 5)
const MESSAGES = Number(process.env.MESSAGES ?? 2_000)
const CALLERS = 50
const INBOXES = 50
const FAILING_EVERY = 100
const GOAL = 0.5

interface Mail {
  readonly content: PreparedContent
  readonly inbox: RecipientInboxRow
  readonly isFailing: boolean
}

const bench = await openBenchStore()
const { store, limits } = bench
const discardBlobs = createDiscardBlobs({ store, log: createLog('warn') })
const prepareContent = createPrepareContent({ store, mailParser: createParserHere(limits), discardBlobs, limits })
const fileMessages = createFiling({ limits, domain: 'bench.test' })
const fileReceived = createFileReceived({ fileMessages, allowLists: 'any', senderChallenges: 'off', limits })
const nextMail = createMailPool()
let runs = 0
const file = store.batched<Mail, Receipt[]>({
  async run(tx, mails) {
    runs += mails.length
    const received = mails.map(({ content, inbox }) => ({
      sender: 'ann@example.test',
      verifiedDomain: undefined,
      recipients: [{ recipient: inbox.address, inbox, authentication: { result: 'unverified' as const } }],
      content,
      decision: { labels: [] },
      remoteAddress: undefined,
      isFromOwnDomain: false,
      isFromQueue: false,
    }))
    const receipts = await fileReceived(tx, received)
    if (mails.some(({ isFailing }) => isFailing)) throw new Error('planted')
    return receipts
  },
  sizeBytes: ({ content }) => content.sizeBytes,
})

try {
  const inboxes = await createInboxes()
  await bench.analyze()
  // Until the compiler has optimised the code, a message takes several times as long.
  await round(0)
  await round(FAILING_EVERY)
  const figures = { with: [] as number[], without: [] as number[] }
  let runsWith = 0
  for (let index = 0; index < ROUNDS; index += 1) {
    figures.without.push((await round(0)).perSecond)
    const failing = await round(FAILING_EVERY)
    figures.with.push(failing.perSecond)
    runsWith += failing.runs / MESSAGES / ROUNDS
  }
  const ratio = median(figures.with) / median(figures.without)
  report({
    what: `filing while 1 message in ${FAILING_EVERY} fails`,
    measured: `${rate(figures.with)}, each message ran ${runsWith.toFixed(2)} times`,
    beside: `none fails: ${rate(figures.without)}`,
    ratio,
    ...atLeast(ratio, GOAL),
  })

  async function round(failingEvery: number): Promise<{ perSecond: number; runs: number }> {
    const mails: Mail[] = []
    for (let index = 0; index < MESSAGES; index += 1) {
      const inbox = inboxes[index % INBOXES]!
      const raw = nextMail(inbox.address)
      const content = await prepareContent({ fairnessKey: 'bench', raw, bytesMax: raw.length })
      mails.push({ content, inbox, isFailing: failsAt(index, failingEvery) })
    }
    runs = 0
    let [next, stored] = [0, 0]
    const start = performance.now()
    await Promise.all(
      Array.from({ length: CALLERS }, async () => {
        while (next < mails.length) {
          const mail = mails[next++]!
          const isStored = await file(mail).then(
            () => true,
            () => false,
          )
          if (isStored === mail.isFailing) throw new Error('the wrong message failed')
          if (isStored) stored += 1
        }
      }),
    )
    return { perSecond: (stored * 1_000) / (performance.now() - start), runs }
  }
} finally {
  await bench.close()
}

async function createInboxes(): Promise<RecipientInboxRow[]> {
  await store.transaction((tx) => insertInboxes(tx, INBOXES))
  const rows = await store.db.selectFrom('inboxes').selectAll().execute()
  return rows.map((inbox) => ({ ...inbox, has_inbound_lists: 0, domain: 'bench.test' }))
}

/** One of each `failingEvery` messages fails, each time at another position. */
function failsAt(index: number, failingEvery: number): boolean {
  if (failingEvery === 0) return false
  const block = Math.floor(index / failingEvery)
  return index % failingEvery === (failingEvery / 2 + 37 * block) % failingEvery
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!
}

function rate(values: readonly number[]): string {
  return `${Math.round(median(values))}/s (${Math.round(Math.min(...values))}–${Math.round(Math.max(...values))})`
}
