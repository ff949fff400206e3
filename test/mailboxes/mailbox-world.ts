/**
 * One inbox with its mailboxes at the level of the services: a real store, the parts of a server that receive, send and relabel
 * mail, and logins through the interface that IMAP's sessions use. No socket, and no worker.
 */
import { randomBytes } from 'node:crypto'
import { type LimitOverrides, withLimits } from '../../src/config/limits.ts'
import { createMartletStore } from '../../src/edges/imap/martlet/martlet-store.ts'
import type { AppendedMessage, AppendResult, MailAccount } from '../../src/edges/imap/session/mail-store.ts'
import { createEventLoop } from '../../src/event-loop.ts'
import { createLog } from '../../src/log.ts'
import type { KeyActor } from '../../src/mail/access/actor.ts'
import { keyColumns } from '../../src/mail/access/keys/api-keys.ts'
import { createCredentials } from '../../src/mail/access/keys/credentials.ts'
import { createLogins } from '../../src/mail/access/keys/logins.ts'
import type { Permission } from '../../src/mail/access/permissions.ts'
import { createFeed } from '../../src/mail/events/feed/feed.ts'
import { createMailboxes } from '../../src/mail/mailboxes/mailboxes.ts'
import { createContents } from '../../src/mail/messages/content/contents.ts'
import { createDiscardBlobs } from '../../src/mail/messages/content/discard-blobs.ts'
import type { MailReader } from '../../src/mail/messages/content/mail-reader.ts'
import { createPrepareBytes } from '../../src/mail/messages/content/prepared-bytes.ts'
import { createPrepareContent } from '../../src/mail/messages/content/prepared-content.ts'
import { createFiling } from '../../src/mail/messages/filing/file-messages.ts'
import { createLabels } from '../../src/mail/messages/labels/labels.ts'
import { createRemoval } from '../../src/mail/messages/removal.ts'
import { createFileReceived } from '../../src/mail/receiving/file-received.ts'
import { createComposeMail } from '../../src/mail/sending/compose/compose-mail.ts'
import { createAppendDraft } from '../../src/mail/sending/drafts/append-draft.ts'
import { createPrepareRevision } from '../../src/mail/sending/drafts/draft-content.ts'
import { createDraftParts } from '../../src/mail/sending/drafts/draft-parts.ts'
import { createDrafts } from '../../src/mail/sending/drafts/drafts.ts'
import { createUpdateDraft } from '../../src/mail/sending/drafts/update-draft.ts'
import { createMetrics } from '../../src/metrics.ts'
import type { Store } from '../../src/store/store.ts'
import * as apiKeys from '../../src/store/tables/api-keys-table.ts'
import * as inboxes from '../../src/store/tables/inboxes-table.ts'
import { type InboxIds, insertInbox } from '../store/rows.ts'
import { openTestStore, type TestStore, type TestStoreOptions } from '../store/test-store.ts'
import { createParserHere, createReaderHere } from '../support/parse-here.ts'

export interface MailboxWorld extends AsyncDisposable {
  readonly store: TestStore
  readonly node: MailboxNode
  readonly inboxId: string
  readonly address: string
  /** Logs in with a new key. @param permissions undefined: all */
  logIn(permissions?: readonly Permission[], node?: MailboxNode): Promise<MailAccount>
  /** A key with all permissions, for calls that a client of REST would make. */
  readonly actor: KeyActor
  /** Receives a message. @returns its id */
  receive(mail?: Mail): Promise<string>
}

export interface Mail {
  readonly subject?: string
  readonly messageId?: string
  readonly text?: string
  /** Those that a check of the message has given it. */
  readonly labels?: readonly ('spam' | 'unauthenticated' | 'blocked')[]
}

/** What a server builds of a store. */
export type MailboxNode = Awaited<ReturnType<typeof startNode>>

const NO_SOURCE = { kind: 'new' as const, columns: { source_id: null, source_message_id: null } }

export async function startNode(
  store: Store,
  limits = withLimits({}),
  mailReader: Pick<MailReader, 'readStructure' | 'readTexts'> = createReaderHere(limits),
) {
  const log = createLog((process.env.TEST_LOG_LEVEL as 'silent') ?? 'silent')
  const metrics = createMetrics()
  const clock = Date.now
  const feed = createFeed({ store, clock, log, metrics, limits })
  await feed.start()
  const contents = createContents({ store })
  const discardBlobs = createDiscardBlobs({ store, log })
  const prepareContent = createPrepareContent({ store, mailParser: createParserHere(limits), discardBlobs, limits })
  const fileMessages = createFiling({ limits, domain: 'mail.test' })
  const fileReceived = createFileReceived({
    ...{ allowLists: 'authenticated', senderChallenges: 'off' },
    ...{ fileMessages, limits },
  })
  const removal = createRemoval({ limits })
  const composeMail = createComposeMail({
    ...{ config: { messageBytesMax: 100_000 }, random: randomBytes },
    eventLoop: createEventLoop(limits),
  })
  const prepareBytes = createPrepareBytes({ store, discardBlobs })
  const draftParts = createDraftParts({ contents, prepareBytes, limits })
  const config = { inboxBytesMax: 0, inboxMessagesMax: 0, messageBytesMax: 100_000, limits }
  const composed = { config, composeMail, prepareContent, wallClock: clock, random: randomBytes }
  const draftNeeds = {
    ...{ store, discardBlobs, draftParts, clock, limits, signalScheduled: () => undefined },
    prepareRevision: createPrepareRevision(composed),
    resolveAttachments: async () => [],
  }
  const drafts = createDrafts({
    ...draftNeeds,
    sources: { find: async () => NO_SOURCE, openForward: async () => async (message) => message },
    updateDraft: createUpdateDraft(draftNeeds),
    downloads: { link: async () => ({ token: '', expiresAt: 0 }) } as never,
  })
  const appendDraft = createAppendDraft({ ...composed, store, draftParts, discardBlobs })
  const mailboxes = createMailboxes({
    ...{ store, feed, contents, log, limits, removal, discardBlobs, prepareContent, fileMessages, clock, config },
    appendDraft,
    mailReader,
  })
  const credentials = createCredentials({ store, clock, requestRates: { count: async () => undefined } })
  const logins = createLogins({ store, credentials, limits })
  const mailStore = createMartletStore({ logins, mailboxes, feed, log })
  const labels = createLabels({ store, limits })
  return {
    feed,
    contents,
    prepareContent,
    fileReceived,
    mailboxes,
    mailStore,
    labels,
    drafts,
    removal,
    discardBlobs,
    store,
  }
}

export async function startMailboxes(
  overrides: LimitOverrides = {},
  options: Omit<TestStoreOptions, 'limits'> = {},
): Promise<MailboxWorld> {
  const limits = withLimits({ access: { failedLoginDelayMs: 0 } }, overrides)
  const store = await openTestStore({ ...options, limits: overrides })
  const node = await startNode(store, limits)
  const ids = await store.transaction((tx) => insertInbox(tx))
  const inbox = (await inboxes.getById(store.db, ids.inbox_id))!
  const { actor } = await createKey(store, ids)
  return {
    ...{ store, node, inboxId: inbox.id, address: inbox.address, actor },

    async logIn(permissions, at = node) {
      const { password } = await createKey(at.store, ids, permissions)
      const login = { user: inbox.address, password, remoteAddress: '127.0.0.1' }
      return at.mailStore.logIn(login, new AbortController().signal)
    },

    receive: (mail = {}) => receive(node, ids, mail),

    async [Symbol.asyncDispose]() {
      await node.feed.stop()
      await store[Symbol.asyncDispose]()
    },
  }
}

async function createKey(store: Store, ids: InboxIds, permissions?: readonly Permission[]) {
  const password = `app_${randomBytes(20).toString('hex')}`
  const { inbox_id, organization_id, pod_id } = ids
  const id = await store.transaction(async (tx) => {
    const id = tx.newId()
    await apiKeys.insert(tx, {
      ...{ id, kind: 'bearer', organization_id, pod_id, inbox_id, name: 'test', ...keyColumns(password), is_root: 0 },
      ...{ permissions: permissions ? JSON.stringify(permissions) : null, created_by: 'test' },
      ...{ expires_at: null, used_at: null, created_at: tx.now, updated_at: tx.now },
    })
    return id
  })
  const actor: KeyActor = {
    ...{ kind: 'key', apiKeyId: id, organizationId: organization_id, podId: pod_id, inboxId: inbox_id },
    ...(permissions && { permissions: new Set(permissions) }),
  }
  return { password, actor }
}

/** @param raw with LF line ends */
export function appendedMail(raw: string, more: Partial<AppendedMessage> = {}): AppendedMessage {
  const data = Buffer.from(raw.replaceAll('\n', '\r\n'))
  async function* chunks() {
    yield data
  }
  return { flags: [], internalDate: undefined, sizeBytes: data.length, data: chunks(), isUtf8: false, ...more }
}

/** As APPEND, for a message that stays where it is. */
export async function append(account: MailAccount, name: string, message: AppendedMessage): Promise<AppendResult> {
  const appended = await account.append(name, message)
  if (!appended) throw new Error('the message has left the mailbox')
  return appended
}

let count = 0

export async function receive(
  { store, prepareContent, fileReceived }: MailboxNode,
  ids: InboxIds,
  { subject = 'hello', messageId = `m${count++}@x.test`, text = 'hello', labels = [] }: Mail = {},
): Promise<string> {
  const inbox = (await inboxes.getById(store.db, ids.inbox_id))!
  const raw = `From: Ann <ann@x.test>\r\nTo: ${inbox.address}\r\nMessage-ID: <${messageId}>\r\nSubject: ${subject}\r\n\r\n${text}\r\n`
  const content = await prepareContent({ fairnessKey: 'x', raw: Buffer.from(raw), bytesMax: 100_000 })
  return store.transaction(async (tx) => {
    const locked = (await inboxes.lockById(tx, inbox.id))!
    const [receipts] = await fileReceived(tx, [
      {
        ...{ sender: 'ann@x.test', verifiedDomain: undefined, content, decision: { labels }, isFromQueue: false },
        ...{ remoteAddress: undefined, isFromOwnDomain: false },
        recipients: [
          {
            recipient: inbox.address,
            inbox: { ...locked, has_inbound_lists: 0, domain: 'mail.localhost' },
            authentication: { result: 'unverified' as const },
          },
        ],
      },
    ])
    return receipts![0]!.id
  })
}
