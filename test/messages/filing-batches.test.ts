/**
 * Tests that a batch of messages is filed as if each were filed by itself: same receipts, rows, events, and threads in
 * the events. Random messages repeat Message-IDs and refer to each other, in a few inboxes, in one store as a batch and in
 * another one by one. Ids are random, so the comparison replaces each by the order of its first occurrence.
 */
import type { Kysely } from 'kysely'
import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { createLog } from '../../src/log.ts'
import { createDiscardBlobs } from '../../src/mail/messages/content/discard-blobs.ts'
import { createPrepareContent, type PreparedContent } from '../../src/mail/messages/content/prepared-content.ts'
import { createFiling } from '../../src/mail/messages/filing/file-messages.ts'
import type { Filed } from '../../src/mail/messages/filing/filing.ts'
import { createFileReceived, type Received } from '../../src/mail/receiving/file-received.ts'
import type { Tx } from '../../src/store/handles.ts'
import type { Schema } from '../../src/store/schema/schema.ts'
import type { InboxRow } from '../../src/store/schema/tenant-rows.ts'
import { RUN_LATER } from '../../src/store/store.ts'
import { insertInbox } from '../store/rows.ts'
import { openTestStore, type TestStore } from '../store/test-store.ts'
import { amount } from '../support/amount.ts'
import { createParserHere } from '../support/parse-here.ts'
import { seededRandom } from '../support/seeded-random.ts'

const limits = withLimits({})
const NOW = Date.UTC(2026, 10, 29)

/** A message to one or more inboxes, or one that an inbox sends. */
interface Mail {
  readonly raw: Buffer
  /** Indexes of inboxes. */
  readonly to: readonly number[]
  readonly labels: readonly string[]
  /** The inbox that sends it: it is filed as sent, under this id. */
  readonly sentAs?: string
  /** What happens to it as a member of a group commit. */
  readonly fate?: 'fails' | 'waits'
}

type PreparedMail = Mail & { readonly content: PreparedContent }

/** Parts that are small enough that messages often have them in common. */
function randomMails(random: () => number, count: number): Mail[] {
  const pick = <T>(values: readonly T[]) => values[Math.floor(random() * values.length)]!
  const names = ['a', 'b', 'c', 'd', 'e', 'f', 'has space'].map((name) => `<${name}@example.test>`)
  return Array.from({ length: count }, (_, index) => {
    const isSent = random() < 0.2
    const own = isSent ? `<sent${index}@example.test>` : pick([...names, ...names, undefined])
    const refersTo = names.filter(() => random() < 0.3)
    const lines = [
      `From: ${pick(['Ann', 'Bob'])} <${pick(['ann', 'bob'])}@example.test>`,
      'To: ada@example.test',
      `Subject: ${pick(['one', 'Re: one', 'one', 'two'])}`,
      ...(own === undefined ? [] : [`Message-ID: ${own}`]),
      ...(refersTo.length > 0 ? [`In-Reply-To: ${refersTo[0]}`, `References: ${refersTo.join(' ')}`] : []),
      'MIME-Version: 1.0',
    ]
    const body =
      random() < 0.2
        ? 'Content-Type: application/pdf; name="a.pdf"\r\nContent-Disposition: attachment\r\n\r\nx'
        : `\r\n${pick(['hello', 'good bye'])}`
    const to = isSent ? [Math.floor(random() * 3)] : [0, 1, 2].filter(() => random() < 0.4)
    return {
      raw: Buffer.from(`${lines.join('\r\n')}\r\n${body}\r\n`),
      to: to.length === 0 ? [0] : to.length > 1 && random() < 0.3 ? [...to, to[0]!] : to,
      labels: random() < 0.2 ? ['spam'] : [],
      ...(isSent && { sentAs: `sent${index}@example.test` }),
    }
  })
}

function filingIn(store: TestStore) {
  const discardBlobs = createDiscardBlobs({ store, log: createLog('silent') })
  const mailParser = createParserHere(limits)
  const prepareContent = createPrepareContent({ store, mailParser, discardBlobs, limits })
  const fileMessages = createFiling({ limits, domain: 'mail.test' })
  const fileReceived = createFileReceived({ fileMessages, allowLists: 'any', senderChallenges: 'off', limits })

  return {
    async createInboxes() {
      const inboxes: InboxRow[] = []
      for (let index = 0; index < 3; index += 1) {
        const { inbox_id } = await store.transaction((tx) => insertInbox(tx))
        inboxes.push(
          await store.db.selectFrom('inboxes').selectAll().where('id', '=', inbox_id).executeTakeFirstOrThrow(),
        )
      }
      return inboxes
    },

    /**
     * Files received mails as members of a group commit, which may put them into batches. Those that fail throw when all
     * of their batch are filed, and those that wait are left for later.
     *
     * @returns the results of the others, in the order of the mails
     */
    async fileEach(inboxes: readonly InboxRow[], mails: readonly Mail[], isTogether: boolean): Promise<unknown[]> {
      const results: unknown[] = []
      const toItem = async (mail: Mail) => ({ mail, received: receivedIn(inboxes)(await prepare(mail)) })
      const items = await Promise.all(mails.map(toItem))
      const fileOne = store.batched<(typeof items)[number], unknown>({
        async run(tx, batch) {
          const ready = batch.filter(({ mail }) => batch.length === 1 || mail.fate !== 'waits')
          const receipts = await fileReceived(
            tx,
            ready.map(({ received }) => received),
          )
          if (ready.some(({ mail }) => mail.fate === 'fails')) throw new Error('planted')
          const byItem = new Map(ready.map((item, index) => [item, receipts[index]!]))
          return batch.map((item) => byItem.get(item) ?? RUN_LATER)
        },
        sizeBytes: ({ mail }) => mail.raw.length,
      })
      if (isTogether) results.push(...(await Promise.allSettled(items.map(fileOne))))
      else for (const item of items) results.push(...(await Promise.allSettled([fileOne(item)])))
      return (results as PromiseSettledResult<unknown>[]).map((each) =>
        each.status === 'fulfilled' ? each.value : 'failed',
      )
    },

    /** Files all mails in one transaction. @returns what each call returned */
    async file(inboxes: readonly InboxRow[], mails: readonly Mail[]): Promise<unknown[]> {
      const prepared = await Promise.all(mails.map(prepare))
      const receivedOf = receivedIn(inboxes)
      const filingOf = ({ to, content, sentAs }: PreparedMail) => ({
        inbox: inboxes[to[0]!]!,
        content,
        labels: ['sent'],
        apiMessageId: sentAs!,
        authentication: { result: 'own' as const },
        threadMask: 0,
      })
      return store.transaction(async (tx: Tx) => {
        const results: unknown[] = []
        // Received ones, and then sent ones, as their callers file them.
        const received = prepared.filter(({ sentAs }) => sentAs === undefined)
        results.push(...(await fileReceived(tx, received.map(receivedOf))))
        const sent = prepared.filter(({ sentAs }) => sentAs !== undefined)
        const filed: Filed[] = await fileMessages(tx, sent.map(filingOf))
        results.push(...filed)
        return results
      })
    },
  }

  async function prepare(mail: Mail): Promise<PreparedMail> {
    const content = await prepareContent({ fairnessKey: 'x', raw: mail.raw, bytesMax: mail.raw.length })
    return { ...mail, content }
  }
}

function receivedIn(inboxes: readonly InboxRow[]): (mail: PreparedMail) => Received {
  return ({ to, labels, content }) => ({
    sender: 'ann@example.test',
    verifiedDomain: undefined,
    recipients: to.map((index) => ({
      recipient: inboxes[index]!.address,
      inbox: { ...inboxes[index]!, has_inbound_lists: 0, domain: 'mail.localhost' },
      authentication: { result: 'unverified' as const },
    })),
    content,
    decision: { labels },
    remoteAddress: undefined,
    isFromOwnDomain: false,
    isFromQueue: false,
  })
}

/** Returns all rows of the inboxes, with ids replaced. */
async function dump(store: TestStore, inboxes: readonly InboxRow[], results: unknown): Promise<unknown> {
  const ids = inboxes.map(({ id }) => id)
  const db = store.db as unknown as Kysely<Schema>
  const events = await db.selectFrom('events').selectAll().where('inbox_id', 'in', ids).orderBy('seq').execute()
  const messages = await db.selectFrom('messages').selectAll().where('inbox_id', 'in', ids).orderBy('id').execute()
  const messageIds = messages.map(({ id }) => id)
  const contentIds = messages.map(({ content_id }) => content_id)
  const threads = await db.selectFrom('threads').selectAll().where('inbox_id', 'in', ids).execute()
  const threadIds = threads.map(({ id }) => id)
  const unordered = {
    threads,
    threadLabels: await db.selectFrom('thread_labels').selectAll().where('thread_id', 'in', threadIds).execute(),
    participants: await db.selectFrom('thread_participants').selectAll().where('thread_id', 'in', threadIds).execute(),
    references: await db.selectFrom('thread_references').selectAll().where('inbox_id', 'in', ids).execute(),
    labels: await db.selectFrom('message_labels').selectAll().where('message_id', 'in', messageIds).execute(),
    contents: await db.selectFrom('contents').selectAll().where('id', 'in', contentIds).execute(),
    attachments: await db.selectFrom('attachments').selectAll().where('content_id', 'in', contentIds).execute(),
    addresses: await db.selectFrom('content_addresses').selectAll().where('content_id', 'in', contentIds).execute(),
    inboxes: await db.selectFrom('inboxes').selectAll().where('id', 'in', ids).execute(),
  }
  const firstSeq = events[0]?.seq ?? 0
  const numbered = events.map(({ event_id: _event, seq, payload, ...event }) => ({
    ...event,
    seq: seq - firstSeq,
    payload: JSON.parse(payload) as unknown,
  }))
  const ordered = {
    inboxes: ids,
    messages: messages.map(({ number: _number, modseq, ...message }) => ({
      ...message,
      modseq: modseq === 0 ? 0 : modseq - firstSeq,
    })),
    events: numbered,
    results,
  }
  const names = new Map<string, string>()
  const withoutIds = (value: unknown) =>
    JSON.stringify(value).replace(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, (id) => {
      if (!names.has(id)) names.set(id, `id${names.size}`)
      return names.get(id)!
    })
  const first = withoutIds(ordered)
  // Hashes of generated Message-IDs are as random as these.
  const generated = new Set(
    messages
      .filter((message) => /^<[0-9a-f]{8}-/.test(message.api_message_id))
      .map((message) => message.api_message_id_hash),
  )
  const withoutHashes = (text: string) =>
    text.replace(/[\w-]{24}/g, (hash) => (generated.has(hash) ? 'generated' : hash))
  return {
    ordered: JSON.parse(withoutHashes(first)) as unknown,
    unordered: Object.fromEntries(
      Object.entries(unordered).map(([table, rows]) => [
        table,
        (rows as unknown[]).map((row) => withoutHashes(withoutIds(row))).sort(),
      ]),
    ),
  }
}

test('a batch has the same result as its messages one by one', async () => {
  const clock = () => NOW
  await using together = await openTestStore({ clock })
  await using single = await openTestStore({ clock })
  const [batch, oneByOne] = [filingIn(together), filingIn(single)]
  const seeds = amount({ short: 10, long: 1_000 })
  const firstSeed = Number(process.env.FILING_SEED ?? Math.floor(Math.random() * 1e6))
  let duplicates = 0
  let replies = 0

  for (let seed = firstSeed; seed < firstSeed + seeds; seed += 1) {
    const mails = randomMails(seededRandom(seed), 14)
    const inOrder = [
      ...mails.filter(({ sentAs }) => sentAs === undefined),
      ...mails.filter(({ sentAs }) => sentAs !== undefined),
    ]
    const [ofBatch, ofSingle] = [await batch.createInboxes(), await oneByOne.createInboxes()]
    const results = await batch.file(ofBatch, inOrder)
    const singleResults: unknown[] = []
    for (const mail of inOrder) singleResults.push(...(await oneByOne.file(ofSingle, [mail])))

    const expected = await dump(single, ofSingle, singleResults)
    expect(await dump(together, ofBatch, results), `FILING_SEED=${seed}`).toEqual(expected)
    duplicates += JSON.stringify(results).split('"isDuplicate":true').length - 1
    replies += JSON.stringify(results).split(/"messageCount":[2-9]/).length - 1
  }
  // The comparison means something only if messages had something to do with each other.
  expect(duplicates).toBeGreaterThan(0)
  expect(replies).toBeGreaterThan(0)
}, 900_000)

/** A thread shows one message more with each of its events, so the order in which messages are filed must be the same. */
test('members that fail or wait change nothing for the others of their batch', async () => {
  const clock = () => NOW
  await using together = await openTestStore({ clock })
  await using single = await openTestStore({ clock })
  const [batch, oneByOne] = [filingIn(together), filingIn(single)]
  const seeds = amount({ short: 5, long: 500 })
  const firstSeed = Number(process.env.FILING_SEED ?? Math.floor(Math.random() * 1e6))
  let failed = 0

  for (let seed = firstSeed; seed < firstSeed + seeds; seed += 1) {
    const random = seededRandom(seed)
    const mails = randomMails(random, 14)
      .filter(({ sentAs }) => sentAs === undefined)
      .map((mail): Mail => (random() < 0.2 ? { ...mail, fate: 'fails' } : mail))
    // The last one, because it is filed after the others.
    const inOrder = mails.map((mail, index): Mail => (index === mails.length - 1 ? { ...mail, fate: 'waits' } : mail))
    const [ofBatch, ofSingle] = [await batch.createInboxes(), await oneByOne.createInboxes()]
    const results = await batch.fileEach(ofBatch, inOrder, true)
    const expected = await oneByOne.fileEach(ofSingle, inOrder, false)
    expect(await dump(together, ofBatch, results), `FILING_SEED=${seed}`).toEqual(
      await dump(single, ofSingle, expected),
    )
    failed += results.filter((result) => result === 'failed').length
  }
  expect(failed).toBeGreaterThan(0)
}, 900_000)
