/** A real store with tenants and webhooks, their dispatch with bodies that a test can read, and a worker of the test's choice. */
import type { Limits } from '../../src/limits.ts'
import { createLog } from '../../src/log.ts'
import type { KeyActor } from '../../src/mail/access/actor.ts'
import type { WebhookWorker } from '../../src/mail/webhooks/deliver.ts'
import { createDispatch, type Dispatch } from '../../src/mail/webhooks/dispatch.ts'
import type { WebhookProfile } from '../../src/mail/webhooks/profile.ts'
import type { NewWebhook, WebhookChange } from '../../src/mail/webhooks/webhook.ts'
import { createWebhooks } from '../../src/mail/webhooks/webhooks.ts'
import type { Store } from '../../src/store/store.ts'
import { earliestCursor } from '../../src/store/tables/webhooks.ts'
import { FeedWorld, type Place } from '../events/feed-world.ts'

export interface HookWorld extends AsyncDisposable {
  readonly feedWorld: FeedWorld
  readonly inbox: Place
  /** A key that may everything in the inbox's organization. */
  readonly owner: KeyActor
  readonly dispatch: Dispatch
  /** Makes one in the name of a key, by default one that may everything. */
  add(request?: Partial<NewWebhook>, actor?: KeyActor): Promise<string>
  update(id: string, change: WebhookChange, actor: KeyActor): Promise<void>
  /** Another node on the same store. */
  node(options?: NodeOptions): Dispatch
  /** What was written so far, as "webhook type" in order of events; the webhook by the order in which it was made. */
  deliveries(): Promise<string[]>
  /** Resolves when all events are dealt with. */
  settled(): Promise<void>
}

export interface NodeOptions {
  readonly disturb?: (store: Store) => Store
  readonly render?: WebhookProfile['render']
  readonly worker?: Partial<Pick<WebhookWorker, 'reserve' | 'release' | 'begin' | 'noticeWaiting'>>
}

/** Takes nothing on: what is written waits. */
export const absentWorker: Pick<WebhookWorker, 'reserve' | 'release' | 'begin' | 'noticeWaiting'> = {
  reserve: () => undefined,
  release: () => undefined,
  begin: () => undefined,
  noticeWaiting: () => undefined,
}

export const testProfile: WebhookProfile = {
  name: 'test',
  render: async (event) => JSON.stringify({ seq: event.seq, type: event.type }),
  makeSecret: () => 'secret',
  isSecret: () => true,
  renderTest: () => '{}',
  headers: () => ({}),
  timeoutMs: 1_000,
  retryAfterMs: [1_000, 2_000],
}

export async function openHookWorld(options: NodeOptions = {}, limits: Partial<Limits> = {}): Promise<HookWorld> {
  const feedWorld = await FeedWorld.open(limits)
  const inbox = await feedWorld.addInbox()
  const owner = await feedWorld.addKey({ organizationId: inbox.organizationId })
  const dispatch = node(options)
  const webhooks = createWebhooks({
    ...{ store: feedWorld.store, profile: testProfile, allowPrivateNetworks: true, limits: feedWorld.limits },
    ...{ random: (bytes) => Buffer.alloc(bytes), enabled: dispatch.nudge },
  })
  const made: string[] = []
  await dispatch.start()

  return {
    ...{ feedWorld, inbox, owner, dispatch, node },
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
        // It may be about to wake up for a webhook that was made a moment ago.
        return through === undefined ? (await earliestCursor(feedWorld.store.db)) === undefined : through >= end
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
      ...{ store: disturb(feedWorld.store), profiles: [{ ...testProfile, render }] },
      ...{ worker: { ...absentWorker, ...worker }, log: createLog('silent') },
      ...{ metrics: feedWorld.metrics, limits: feedWorld.limits },
    })
  }
}
