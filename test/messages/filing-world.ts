/**
 * Receives and sends mail in a store through `receive` and `fileSent`, as all mail does, and begins the transactions of a list at
 * the same time, so that they are members of one group commit. Checks and locks of other nodes are those that the test wants.
 */
import { withLimits } from '../../src/config/limits.ts'
import { createEventLoop } from '../../src/event-loop.ts'
import { createLog } from '../../src/log.ts'
import type { KeyActor } from '../../src/mail/access/actor.ts'
import { createDiscardBlobs } from '../../src/mail/messages/content/discard-blobs.ts'
import { createPrepareContent, type PrepareContent } from '../../src/mail/messages/content/prepared-content.ts'
import { createFiling } from '../../src/mail/messages/filing/file-messages.ts'
import { createRemoval } from '../../src/mail/messages/removal.ts'
import type { Checks, MessageChecks } from '../../src/mail/receiving/check-message.ts'
import { createFileReceived, type FileReceived } from '../../src/mail/receiving/file-received.ts'
import { createReceiving } from '../../src/mail/receiving/receiving.ts'
import { createRecipientInboxes, type RecipientInboxes } from '../../src/mail/receiving/recipient-inboxes.ts'
import { createFileSent } from '../../src/mail/sending/compose/file-sent.ts'
import { createMetrics } from '../../src/metrics.ts'
import type { Tx } from '../../src/store/handles.ts'
import type { InboxRow } from '../../src/store/schema/tenant-rows.ts'
import * as apiKeys from '../../src/store/tables/api-keys-table.ts'
import * as inboxesTable from '../../src/store/tables/inboxes-table.ts'
import { type InboxIds, insertInbox } from '../store/rows.ts'
import { codeOf, deferred, type TestStore } from '../store/test-store.ts'
import { createParserHere } from '../support/parse-here.ts'

const limits = withLimits({})
const MAIL_BYTES_MAX = 1_000_000

export const INBOXES = [0, 1, 2, 3]
/** The inbox that is deleted, and one that stays and whose second key is revoked. */
export const DELETED = 3
export const WITH_REVOKED_KEY = 1

/** What happens to an item as a member of a group commit. */
type Fate = 'fails' | 'waits'

export interface ReceivedItem {
  readonly kind: 'received'
  readonly raw: Buffer
  /** Indexes of inboxes: the first is that of the sender, if the queue delivers the message. */
  readonly to: readonly number[]
  readonly isSpam?: boolean
  readonly isFromQueue?: boolean
  readonly fate?: Fate
}

export interface SentItem {
  readonly kind: 'sent'
  readonly raw: Buffer
  readonly from: number
  /** undefined: a mail program has chosen the Message-ID in its header. */
  readonly messageId?: string
  readonly hasRevokedKey?: boolean
  readonly fate?: Fate
}

export type Item = ReceivedItem | SentItem | { readonly kind: 'inbox is deleted' | 'key is revoked' }

/** Inboxes, each with a key of its organization, and the key that is revoked. */
export interface Tenants {
  readonly inboxes: readonly InboxRow[]
  readonly keys: readonly KeyActor[]
  readonly revokedKey: KeyActor
}

/** What the checks of a message find in this test. */
type PlantedChecks = Checks & { readonly fate: string }

/** Receives and sends in a store, as a server does. */
export function mailIn(store: TestStore) {
  const log = createLog('silent')
  const metrics = createMetrics()
  const discardBlobs = createDiscardBlobs({ store, log })
  const mailParser = createParserHere(limits)
  const gate = createGate()
  const prepare = createPrepareContent({ store, mailParser, discardBlobs, limits })
  const prepareContent: PrepareContent = (source) => gate.enter(prepare(source))
  const fileMessages = createFiling({ limits, domain: 'mail.test' })
  const fileAll = createFileReceived({ fileMessages, allowLists: 'any', senderChallenges: 'off', limits })
  /** The numbers of messages of all batches. */
  const batches: number[] = []
  const fileReceived: FileReceived = async (tx, all) => {
    batches.push(all.length)
    const receipts = await fileAll(tx, all)
    if (all.some(({ content }) => (content.checked as PlantedChecks).fate === 'fails')) throw new Error('planted')
    return receipts
  }
  const config = {
    ...{ domain: 'mail.localhost', messageBytesMax: MAIL_BYTES_MAX, pausedInboxes: 'defer' as const },
    ...{ inboxBytesMax: 0, inboxMessagesMax: 0, limits },
  }
  const receiving = createReceiving({
    ...{ store, config, prepareContent, fileReceived, log, metrics },
    inboxes: withLockedAddresses(createRecipientInboxes({ store, domain: config.domain })),
    rates: { refusalOf: () => undefined, countInboxes: () => undefined },
    refusals: { record: () => undefined },
    recordComplaint: async () => undefined,
    messageChecks: plantedChecks,
    eventLoop: createEventLoop(limits),
  })
  const fileSent = createFileSent({
    ...{ store, fileMessages, discardBlobs, log, metrics, wallClock: Date.now },
    ...{
      config: { threadRepliesMax: 'off', limits },
      countSends: async (_tx, inboxes) => inboxes.map(() => undefined),
    },
    removal: createRemoval({ limits }),
  })

  function receive({ inboxes }: Tenants, { raw, to, isSpam, isFromQueue, fate }: ReceivedItem) {
    const recipients = to.map((index, at) => {
      const tag = to.indexOf(index) < at ? '+again' : fate === 'waits' ? LOCKED_TAG : ''
      return inboxes[index]!.address.replace('@', `${tag}@`)
    })
    const { address, organization_id: organizationId } = inboxes[to[0]!]!
    const helo = isSpam ? SPAMMER : 'peer.test'
    const traceId = fate ?? 'ordinary'
    return receiving.receive(
      isFromQueue
        ? { protocol: 'local', traceId, organizationId }
        : { protocol: 'ESMTP', traceId, remoteAddress: '192.0.2.1', helo },
      { sender: isFromQueue ? address : 'ann@example.test', recipients },
      chunksOf(raw),
    )
  }

  async function send({ inboxes, keys, revokedKey }: Tenants, item: SentItem) {
    const { raw, from, messageId, hasRevokedKey, fate } = item
    const content = await prepareContent({ fairnessKey: 'x', raw, bytesMax: raw.length })
    const inbox = inboxes[from]!
    return fileSent(hasRevokedKey ? revokedKey : keys[from]!, {
      ...{ inbox, permission: 'message_send', keyClaim: undefined, content, selector: 's1', messageId },
      ...{ envelopeSender: inbox.address, recipients: [inbox.address, 'zoe@elsewhere.test'], bcc: [], labels: [] },
      beganAt: 0,
      async last() {
        if (fate === 'fails') throw new Error('planted')
      },
    })
  }

  async function change({ inboxes, revokedKey }: Tenants, isInbox: boolean): Promise<void> {
    await gate.enter(Promise.resolve())
    await store.transaction((tx) =>
      isInbox
        ? inboxesTable.update(tx, inboxes[DELETED]!.id, { deleting_at: tx.now, updated_at: tx.now })
        : apiKeys.remove(tx, revokedKey.apiKeyId),
    )
  }

  return {
    batches,

    async addTenants(): Promise<Tenants> {
      return store.transaction(async (tx) => {
        const all: { inbox: InboxRow; key: KeyActor; ids: InboxIds }[] = []
        for (const _index of INBOXES) {
          const ids = await insertInbox(tx)
          all.push({ ids, inbox: (await inboxesTable.lockById(tx, ids.inbox_id))!, key: await insertKey(tx, ids) })
        }
        return {
          inboxes: all.map(({ inbox }) => inbox),
          keys: all.map(({ key }) => key),
          revokedKey: await insertKey(tx, all[WITH_REVOKED_KEY]!.ids),
        }
      })
    },

    /**
     * Begins the transactions of all items at the same time, in their order.
     *
     * @returns what each call returned, or the code of its error
     */
    async run(tenants: Tenants, items: readonly Item[]): Promise<unknown[]> {
      const results = Promise.allSettled(
        items.map((item): Promise<unknown> => {
          if (item.kind === 'received') return receive(tenants, item)
          if (item.kind === 'sent') return send(tenants, item)
          return change(tenants, item.kind === 'inbox is deleted')
        }),
      )
      await gate.open()
      return (await results).map((each) => (each.status === 'fulfilled' ? each.value : (codeOf(each) ?? 'failed')))
    },
  }
}

/** Holds messages until all are prepared, and then lets them continue in the order in which they came. */
function createGate() {
  let held: { readonly work: Promise<unknown>; readonly passes: { resolve(): void } }[] = []
  return {
    async enter<T>(work: Promise<T>): Promise<T> {
      const passes = deferred()
      held.push({ work, passes })
      const result = await work
      await passes.promise
      return result
    },

    async open(): Promise<void> {
      const all = held
      held = []
      await Promise.allSettled(all.map(({ work }) => work))
      for (const { passes } of all) passes.resolve()
    },
  }
}

const SPAMMER = 'spammer.test'

const plantedChecks: MessageChecks = {
  begin({ protocol, helo, traceId }) {
    const isLocal = protocol === 'local'
    const sender = {
      ...{
        authentication: { result: isLocal ? ('local' as const) : ('unverified' as const) },
        owners: new Set<never>(),
      },
      ...(isLocal && { isTrusted: true as const }),
    }
    const checked: PlantedChecks = { sender, decision: { labels: helo === SPAMMER ? ['spam'] : [] }, fate: traceId }
    return { head: Buffer.alloc(0), check: async () => ({ checked }) }
  },
}

/** Inboxes of recipients with this tag seem to be locked by another node. */
const LOCKED_TAG = '+waits'

function withLockedAddresses(inboxes: RecipientInboxes): RecipientInboxes {
  return {
    ...inboxes,
    async lock(tx, recipients, options) {
      const found = await inboxes.lock(tx, recipients, options)
      const isLeftOut = (recipient: string) => options.skipLocked && recipient.includes(`${LOCKED_TAG}@`)
      return new Map([...found].filter(([recipient]) => !isLeftOut(recipient)))
    },
  }
}

async function* chunksOf(raw: Buffer): AsyncGenerator<Buffer> {
  yield raw
}

async function insertKey(tx: Tx, { organization_id }: InboxIds): Promise<KeyActor> {
  const id = tx.newId()
  const scope = { organization_id, pod_id: null, inbox_id: null }
  await apiKeys.insert(tx, {
    ...{ id, kind: 'bearer', ...scope, name: 'key', prefix: 'am_us_', key_hash: id, permissions: null, is_root: 0 },
    ...{ created_by: 'system:test', expires_at: null, used_at: null, created_at: tx.now, updated_at: tx.now },
  })
  return { kind: 'key', apiKeyId: id, organizationId: organization_id }
}
