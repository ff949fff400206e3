/**
 * How long does a page of a search take, in an inbox of 10,000 messages beside 100,000 in others?
 *
 *   MESSAGES=10000 OTHERS=100000 DATABASE=postgres npm run bench -- search
 *   DATA_DIR=folder ONLY='common word,Chinese word' npm run bench -- search   (the folder is used again)
 *
 * Per class of query: the page with up to 50 results and their highlights. The same store in the same process, as in the server; messages are
 * inserted as filing would leave them, and the index is made by its job. "kept": the texts that the search before has compared are
 * still in memory, as when an agent repeats a search; "read": each is read again. The first five queries of a class follow
 * their pages up to the end.
 */
import { withLimits } from '../src/config/limits.ts'
import { createLog } from '../src/log.ts'
import { type ParsedMail, parseMail } from '../src/mail/messages/content/parsed-message.ts'
import { createIndexMessages } from '../src/mail/messages/search/index-messages.ts'
import { type Match, searchMessages } from '../src/mail/messages/search/search.ts'
import { parseQuery } from '../src/mail/messages/search/search-query.ts'
import { createSignatureThread } from '../src/mail/messages/search/signature-thread.ts'
import { createTextCache, type FoldedTexts } from '../src/mail/messages/search/text-cache.ts'
import { insertParsedMails } from '../test/support/parsed-mail-rows.ts'
import { seededRandom } from '../test/support/seeded-random.ts'
import { insertInboxes } from './insert-inboxes.ts'
import { openBenchStore } from './open-store.ts'
import { atMost, report } from './report.ts'
import { createVariedMail } from './varied-mail.ts'

const MESSAGES = Number(process.env.MESSAGES ?? 10_000)
const OTHERS = Number(process.env.OTHERS ?? 100_000)
/** The others are copies of these. */
const DISTINCT = 1_000
const CHUNK = 100
const INBOXES = 11
const RUNS = 100

const bench = await openBenchStore()
const { store, limits } = bench
const thread = createSignatureThread(limits)
try {
  const inboxIds = (await existingInboxes()) ?? (await createInboxes())
  await bench.analyze()
  const [inboxId = ''] = inboxIds
  const indexing = performance.now()
  const job = createIndexMessages({ store, thread, limits: withLimits({ search: { indexPauseMs: 0 } }) })
  for (const key of inboxIds)
    await job({ kind: '', key, payload: {}, attempt: 1, signal: new AbortController().signal })
  const seconds = (performance.now() - indexing) / 1_000
  console.log(`${MESSAGES} and ${OTHERS} messages, indexed in ${seconds.toFixed(0)} s`)
  const only = process.env.ONLY?.split(',')

  const random = seededRandom(2)
  const words = ['the', 'message', 'server', 'database']
  const phrases = ['the message that the', 'and the store of', 'when the server is not', 'one of the rows that']
  await measure('common word', () => words[Math.floor(random() * words.length)]!)
  await measure('absent word', () => `zq${Math.floor(random() * 1e6)}vx`)
  await measure(
    'several common words',
    () => `${phrases[Math.floor(random() * phrases.length)]} ${words[Math.floor(random() * 4)]} there`,
  )
  const syllables = ['ation', 'message', 'there', 'server', 'ing', 'the', 'store', 'that']
  await measure('absent word of common syllables', () =>
    Array.from({ length: 4 }, () => syllables[Math.floor(random() * syllables.length)]!).join(''),
  )
  await measure('two ideographs', () => '坏怕')
  await measure('two other characters', () => '∀∃')
  await measure('Chinese word', () => '验证码')
  await measure('rare number', () => String(Math.floor(random() * 1e6)).padStart(6, '1'))

  async function measure(name: string, query: () => string): Promise<void> {
    if (only && !only.includes(name)) return
    await measureWith(`${name}, read`, query, (_contentId, make) => make())
    await measureWith(
      `${name}, kept`,
      query,
      createTextCache(limits, () => undefined),
    )
  }

  async function measureWith(name: string, query: () => string, foldedTexts: FoldedTexts): Promise<void> {
    const times: number[] = []
    let pages = 0
    let cpuMs = 0
    let results = 0
    for (let run = 0; run < RUNS; run += 1) {
      const parsed = parseQuery(query(), limits)
      const accept = async (match: Match) => ({ isResult: parsed.highlight(match) !== null, rowsRead: 0 })
      const { anyOf } = parsed
      let beforeNumber: number | undefined
      do {
        const start = performance.now()
        const cpuBefore = process.cpuUsage()
        const page = await searchMessages(
          { store, foldedTexts, log: createLog('silent'), limits },
          { inboxId, anyOf, beforeNumber, limit: 50, accept },
        )
        times.push(performance.now() - start)
        const { user, system } = process.cpuUsage(cpuBefore)
        cpuMs += (user + system) / 1_000
        beforeNumber = page.nextNumber
        pages += 1
        results += page.messages.length
        if (page.messages.length === 50) break
      } while (beforeNumber !== undefined && run < 5)
    }
    times.sort((a, b) => a - b)
    const at = (share: number) => times[Math.min(times.length - 1, Math.floor(times.length * share))]!
    report({
      what: `${name}, ${MESSAGES} messages beside ${OTHERS}`,
      measured: `p50 ${at(0.5).toFixed(1)} ms, p99 ${at(0.99).toFixed(1)} ms, ${(cpuMs / times.length).toFixed(1)} ms of CPU time per page; ${(pages / RUNS).toFixed(1)} pages and ${(results / RUNS).toFixed(1)} results per query`,
      ...atMost(at(0.99), 20, ' ms'),
    })
  }
} finally {
  await thread.stop()
  await bench.close()
}

/** Returns the inboxes of an earlier run on the same data, the large one first. */
async function existingInboxes(): Promise<string[] | undefined> {
  const rows = await store.db.selectFrom('inboxes').select('id').orderBy('address').execute()
  return rows.length === INBOXES ? rows.map(({ id }) => id) : undefined
}

async function createInboxes(): Promise<string[]> {
  const inboxIds = await store.transaction((tx) => insertInboxes(tx, INBOXES))
  const mail = createVariedMail(1, 2_000)
  const parsed: ParsedMail[] = []
  for (let at = 0, other = 0; at < MESSAGES; at += CHUNK) {
    if (parsed.length < DISTINCT) {
      const more = Array.from({ length: CHUNK }, (_, index) => mail(at + index, 'ann@mail.test'))
      parsed.push(...more.map(({ raw }) => parseMail(raw, limits)))
    }
    const first = at % parsed.length
    await insertMessages(inboxIds[0]!, parsed.slice(first, first + CHUNK))
    for (const end = ((at + CHUNK) / MESSAGES) * OTHERS; other < end; other += CHUNK) {
      const from = other % (parsed.length - CHUNK + 1)
      await insertMessages(inboxIds[1 + ((other / CHUNK) % (INBOXES - 1))]!, parsed.slice(from, from + CHUNK))
    }
  }
  return inboxIds
}

async function insertMessages(inbox: string, mails: readonly ParsedMail[]): Promise<void> {
  await store.transaction(async (tx) => {
    const { organization_id, pod_id } = await tx
      .selectFrom('inboxes')
      .select(['organization_id', 'pod_id'])
      .where('id', '=', inbox)
      .executeTakeFirstOrThrow()
    await insertParsedMails(tx, { organization_id, pod_id, inbox_id: inbox }, mails)
  })
}
