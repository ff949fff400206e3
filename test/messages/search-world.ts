/**
 * A store with one inbox with messages, and the text index of them. `add` resolves when they are committed; `index` runs the job that a server would run now.
 */
import { randomUUID } from 'node:crypto'
import { type LimitOverrides, type Limits, withLimits } from '../../src/config/limits.ts'
import { createLog } from '../../src/log.ts'
import { createReportDamage } from '../../src/mail/messages/content/damaged-content.ts'
import { createDiscardBlobs } from '../../src/mail/messages/content/discard-blobs.ts'
import { contentRows, inMemory } from '../../src/mail/messages/content/insert-content.ts'
import { type ParsedMail, parseMail } from '../../src/mail/messages/content/parsed-message.ts'
import { createFiling } from '../../src/mail/messages/filing/file-messages.ts'
import { createRemoval } from '../../src/mail/messages/removal.ts'
import { createIndexMessages } from '../../src/mail/messages/search/index-messages.ts'
import type { SearchColumn } from '../../src/mail/messages/search/message-text.ts'
import { type SearchPage, type SearchRequest, searchMessages } from '../../src/mail/messages/search/search.ts'
import { createSignatureThread } from '../../src/mail/messages/search/signature-thread.ts'
import { createTextCache } from '../../src/mail/messages/search/text-cache.ts'
import type { Tx } from '../../src/store/handles.ts'
import { rowStep } from '../../src/store/row-statements.ts'
import type { Store } from '../../src/store/store.ts'
import * as inboxes from '../../src/store/tables/inboxes-table.ts'
import * as messages from '../../src/store/tables/messages-table.ts'
import { type InboxIds, insertInbox, NO_UNREAD } from '../store/rows.ts'
import { openTestStore, type TestStore, type TestStoreOptions } from '../store/test-store.ts'
import { insertParsedMails } from '../support/parsed-mail-rows.ts'

export interface Mail {
  readonly subject?: string
  /** The display name of the sender. */
  readonly from?: string
  readonly text?: string
  readonly html?: string
}

const everywhere: readonly SearchColumn[] = ['subject', 'addresses', 'body']

export async function openSearchWorld({ limits: overrides, ...options }: TestStoreOptions = {}) {
  const limits = withLimits({ search: { indexPauseMs: 0 } }, overrides)
  const thread = createSignatureThread(limits)
  const logged: Record<string, unknown>[] = []
  const log = createLog('warn', { write: (line: string) => void logged.push(JSON.parse(line)) })
  const foldedTexts = createTextCache(limits, createReportDamage(log))
  const first = await openTestStore({ ...options, limits: overrides as LimitOverrides })
  const inbox = await first.transaction(insertInbox)
  const other = await first.transaction(insertInbox)
  let store: TestStore = first

  const world = {
    get store() {
      return store
    },
    /** Replaces the store: after a restart, for example. */
    use(next: TestStore) {
      store = next
    },
    inbox,
    other,
    limits,
    thread,
    logged,
    async add(...mails: readonly Mail[]): Promise<string[]> {
      return addMails(store, inbox, mails)
    },
    async addElsewhere(...mails: readonly Mail[]): Promise<string[]> {
      return addMails(store, other, mails)
    },
    async remove(...ids: readonly string[]): Promise<void> {
      const discard = createDiscardBlobs({ store, log: store.needs.log })
      const blobs = await store.transaction(async (tx) => {
        await inboxes.lockById(tx, inbox.inbox_id)
        const rows = await messages.listByIds(tx, ids)
        return createRemoval({ limits }).remove(tx, inbox.inbox_id, rows)
      })
      await discard(blobs)
    },
    /** Runs the job of the inbox on a store. */
    async index(on: Store = store, signal = new AbortController().signal): Promise<void> {
      const run = createIndexMessages({ store: on, thread, limits })
      await run({ kind: '', key: inbox.inbox_id, payload: {}, attempt: 1, signal })
    },
    async page(request: Omit<SearchRequest, 'inboxId'>, on: Store = store): Promise<SearchPage> {
      return searchMessages({ store: on, foldedTexts, log, limits }, { inboxId: inbox.inbox_id, ...request })
    },
    /** Returns the ids of all pages. */
    async search(request: Omit<SearchRequest, 'inboxId' | 'limit'> & { limit?: number }, on: Store = store) {
      const found: string[] = []
      let beforeNumber: number | undefined
      do {
        const page = await world.page({ limit: 50, ...request, beforeNumber }, on)
        found.push(...page.messages.map(({ id }) => id))
        beforeNumber = page.nextNumber
      } while (beforeNumber !== undefined)
      return found
    },
    find: (text: string, on: Store = store) => world.search({ anyOf: [{ columns: everywhere, allOf: [text] }] }, on),
    async blocks(): Promise<number> {
      const rows = await store.db.selectFrom('search_blocks').select('id').execute()
      return rows.length
    },
    async [Symbol.asyncDispose]() {
      await thread.stop()
      await first[Symbol.asyncDispose]()
    },
  }

  return world
}

async function addMails(to: TestStore, ids: InboxIds, mails: readonly Mail[]): Promise<string[]> {
  const { limits } = to.needs.config
  const parsed = mails.map((mail) => parseOnce(mail, limits))
  return to.transaction(async (tx) => {
    await inboxes.lockById(tx, ids.inbox_id)
    const added = { message_count: mails.length, ...NO_UNREAD, thread_count: 1, size_bytes: 0 }
    await tx.runRows([rowStep(inboxes.addCounts, [{ id: ids.inbox_id, ...added }])])
    return insertParsedMails(tx, ids, parsed)
  })
}

/** By message: the fillers of all tests are the same, and to parse thousands of them took half of the time. */
const parsedMails = new WeakMap<Mail, ParsedMail>()

function parseOnce(mail: Mail, limits: Limits): ParsedMail {
  const known = parsedMails.get(mail)
  if (known) return known
  const parsed = parseMail(rawMail(mail), limits)
  parsedMails.set(mail, parsed)
  return parsed
}

/** Files a message as a server does. */
export async function fileMail(store: TestStore, ids: InboxIds, mail: Mail, limits: Limits): Promise<void> {
  const raw = rawMail(mail)
  const parsed = parseMail(raw, limits)
  await store.transaction(async (tx) => {
    const inbox = (await inboxes.lockById(tx, ids.inbox_id))!
    const bodies = { bytes: parsed.compressedBodies.bytes, blobKey: null }
    const rows = (of: Tx) => contentRows(of, inMemory(raw), parsed, bodies)
    const content = {
      parsed,
      sizeBytes: raw.length,
      mailBytes: raw.length,
      checked: undefined,
      rows,
      discard: async () => undefined,
    }
    const filing = { inbox, content, labels: ['received'], authentication: { result: 'unverified' as const } }
    await createFiling({ limits, domain: 'search.test' })(tx, [filing])
  })
}

const fillerMails: Mail[] = []

/** A number of messages that hold nothing that a test looks for. */
export function fillers(count: number): readonly Mail[] {
  for (let index = fillerMails.length; index < count; index += 1) {
    fillerMails.push({ subject: `filler ${index}`, text: `this is number ${index}` })
  }
  return fillerMails.slice(0, count)
}

function rawMail({ subject = '', from = '', text, html }: Mail): Buffer {
  const encoded = (value: string) => (value === '' ? '' : `=?utf-8?B?${Buffer.from(value).toString('base64')}?=`)
  const part = (type: string, content: string) =>
    `Content-Type: text/${type}; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n${Buffer.from(content).toString('base64')}`
  return Buffer.from(
    [
      `From: ${encoded(from)} <sender@example.test>`,
      `Subject: ${encoded(subject)}`,
      `Message-ID: <${randomUUID()}@example.test>`,
      'MIME-Version: 1.0',
      html === undefined ? part('plain', text ?? '') : part('html', html),
    ].join('\r\n'),
  )
}
