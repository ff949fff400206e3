/** A real store with tenants and webhooks, their dispatch with readable bodies, and a worker that the test chooses. */
import type { LimitOverrides } from '../../src/config/limits.ts'
import { createLog } from '../../src/log.ts'
import type { KeyActor } from '../../src/mail/access/actor.ts'
import type { NewWebhook, WebhookChange } from '../../src/mail/webhooks/config/webhook.ts'
import { createWebhooks } from '../../src/mail/webhooks/config/webhooks.ts'
import type { WebhookProfile } from '../../src/mail/webhooks/delivery/webhook-profile.ts'
import type { WebhookWorker } from '../../src/mail/webhooks/delivery/webhook-worker.ts'
import { createDispatch, type Dispatch } from '../../src/mail/webhooks/dispatch/dispatch.ts'
import type { Store } from '../../src/store/store.ts'
import { earliestStart } from '../../src/store/tables/webhooks-table.ts'
import { FeedWorld, type TestInbox } from '../events/feed-world.ts'

export interface HookWorld extends AsyncDisposable {
  readonly feedWorld: FeedWorld
  readonly inbox: TestInbox
  /** A key with all permissions in the inbox's organization. */
  readonly owner: KeyActor
  readonly dispatch: Dispatch
  /** Creates a webhook with the given key, by default the owner's. */
  add(request?: Partial<NewWebhook>, actor?: KeyActor): Promise<string>
  update(id: string, change: WebhookChange, actor: KeyActor): Promise<void>
  /** Creates another node on the same store. */
  node(options?: NodeOptions): Dispatch
  /** Returns each delivery as "0 message.received", in event order. The number is the index of the webhook, in order of creation. */
  deliveries(): Promise<string[]>
  /** Resolves when all events have been dispatched. */
  settled(): Promise<void>
}

export interface NodeOptions {
  /** Wraps the node's store, to make it fail. */
  readonly disturb?: (store: Store) => Store
  readonly render?: WebhookProfile['render']
  readonly worker?: Pick<WebhookWorker, 'signalPending'>
}

/** A worker that does nothing, so that deliveries stay in the table. */
export const absentWorker: Pick<WebhookWorker, 'signalPending'> = { signalPending: () => undefined }

/** For the count of a replay that is not ended early. */
export const NO_END = { disconnected: new AbortController().signal, draining: new AbortController().signal }

export const testProfile: WebhookProfile = {
  name: 'test',
  render: async (event) => JSON.stringify({ seq: event.seq, type: event.type }),
  makeSecret: () => 'secret',
  isSecret: () => true,
  secretForm: '',
  renderTest: () => '{}',
  headers: () => ({}),
  timeoutMs: 1_000,
  retryAfterMs: [1_000, 2_000],
}

export async function openHookWorld(options: NodeOptions = {}, limits: LimitOverrides = {}): Promise<HookWorld> {
  const feedWorld = await FeedWorld.open(limits)
  const inbox = await feedWorld.addInbox()
  const owner = await feedWorld.addKey({ organizationId: inbox.organizationId })
  const dispatch = node(options)
  const webhooks = createWebhooks({
    store: feedWorld.store,
    profile: testProfile,
    allowPrivateNetworks: true,
    limits: feedWorld.limits,
    random: (bytes) => Buffer.alloc(bytes),
    enabled: dispatch.signalEnabled,
  })
  const made: string[] = []
  await dispatch.start()

  return {
    feedWorld,
    inbox,
    owner,
    dispatch,
    node,
    async add(request = {}, actor = owner) {
      const { id } = await webhooks.create(actor, {}, { url: 'http://127.0.0.1:1/', ...request })
      made.push(id)
      return id
    },
    async update(id, change, actor) {
      await webhooks.update(actor, {}, id, change)
    },
    async deliveries() {
      const rows = await feedWorld.store.db
        .selectFrom('webhook_deliveries')
        .select(['webhook_id', 'event_type'])
        .orderBy('seq')
        .orderBy('webhook_id')
        .execute()
      return rows.map((row) => `${made.indexOf(row.webhook_id)} ${row.event_type}`)
    },
    async settled() {
      const end = await feedWorld.lastSeq()
      const isSettled = async () => {
        const through = dispatch.readThrough()
        // Dispatch may be about to start for a webhook that was just created.
        return through === undefined ? (await earliestStart(feedWorld.store.db)) === undefined : through >= end
      }
      while (!(await isSettled())) await new Promise((resolve) => setImmediate(resolve))
    },
    async [Symbol.asyncDispose]() {
      await dispatch.stop()
      await feedWorld[Symbol.asyncDispose]()
    },
  }

  function node({ disturb = (store) => store, render = testProfile.render, worker }: NodeOptions = {}): Dispatch {
    return createDispatch({
      store: disturb(feedWorld.store),
      eventSubjects: { of: () => Promise.reject(new Error('no webhook here has a filter of senders')) },
      senderTrust: { isVerified: () => false },
      profiles: [{ ...testProfile, render }],
      worker: { ...absentWorker, ...worker },
      log: createLog('silent'),
      metrics: feedWorld.metrics,
      limits: feedWorld.limits,
    })
  }
}
