/** A real store with tenants and a running feed, a clock that the test sets, and readers that record their events. */

import { randomBytes } from 'node:crypto'
import { type LimitOverrides, type Limits, withLimits } from '../../src/config/limits.ts'
import { createLog } from '../../src/log.ts'
import type { KeyActor } from '../../src/mail/access/actor.ts'
import type { Permission } from '../../src/mail/access/permissions.ts'
import { newDomain } from '../../src/mail/domains/domains.ts'
import { createFeed, type RunningFeed } from '../../src/mail/events/feed/feed.ts'
import { SubscriptionEnded } from '../../src/mail/events/feed/subscription.ts'
import type { EventFilter } from '../../src/mail/events/feed/subscription-filter.ts'
import type { Event } from '../../src/mail/events/log/event.ts'
import { messageSent } from '../../src/mail/events/log/message-events.ts'
import { createMetrics, type Metrics } from '../../src/metrics.ts'
import type { NewEvent } from '../../src/store/handles.ts'
import { openStore, type Store } from '../../src/store/store.ts'
import * as apiKeys from '../../src/store/tables/api-keys-table.ts'
import * as inboxes from '../../src/store/tables/inboxes-table.ts'
import * as tenants from '../../src/store/tables/tenants-table.ts'
import { databaseUrlOf, temporaryFolder } from '../store/test-store.ts'

export class Time {
  now = Date.UTC(2026, 0, 1)
  readonly clock = () => this.now
}

/** An inbox with the ids of its tenants. */
export interface TestInbox {
  readonly organizationId: string
  readonly podId: string
  readonly inboxId: string
  readonly address: string
}

export class FeedWorld implements AsyncDisposable {
  readonly time = new Time()
  readonly metrics: Metrics = createMetrics()
  readonly limits: Limits
  readonly #folder: Awaited<ReturnType<typeof temporaryFolder>>
  store!: Store
  feed!: RunningFeed
  /** Wraps the store that the feed gets; the world itself uses the real store. */
  readonly disturb: (store: Store) => Store

  private constructor(
    folder: Awaited<ReturnType<typeof temporaryFolder>>,
    limits: LimitOverrides,
    disturb: (store: Store) => Store,
  ) {
    this.#folder = folder
    // The poll interval is long: events that a test waits for must arrive by the commit signal.
    this.limits = withLimits({ events: { pollMs: 60_000 } }, limits)
    this.disturb = disturb
  }

  static async open(limits: LimitOverrides = {}, disturb = (store: Store) => store): Promise<FeedWorld> {
    const world = new FeedWorld(await temporaryFolder(), limits, disturb)
    await world.start()
    return world
  }

  get dataDir(): string {
    return this.#folder.path
  }

  async start(): Promise<void> {
    const { limits, metrics, time } = this
    const log = createLog('silent')
    const { dataDir } = this
    const config = { dataDir, databaseUrl: databaseUrlOf(dataDir), limits }
    // At its start the store compares its clock with the database's, which a test cannot set.
    let isOpen = false
    const clock = () => (isOpen ? time.now : Date.now())
    this.store = await openStore({ config, log, metrics, clock, leaseClock: clock, random: randomBytes })
    isOpen = true
    const store = this.disturb(this.store)
    this.feed = createFeed({ store, limits, metrics, log, clock: time.clock })
    await this.feed.start()
  }

  async stop(): Promise<void> {
    await this.feed.stop()
    await this.store.close()
  }

  /** Simulates a restart: same folder, new store and feed. */
  async restart(): Promise<void> {
    await this.stop()
    await this.start()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
    await this.#folder[Symbol.asyncDispose]()
  }

  /** Appends the events in one transaction. */
  async append(...events: readonly NewEvent[]): Promise<void> {
    await this.store.transaction(async (tx) => {
      for (const event of events) tx.append(event)
    })
  }

  async lastSeq(): Promise<number> {
    return (await this.store.db.selectFrom('event_log').select('last_seq').executeTakeFirstOrThrow()).last_seq
  }

  async addOrganization(): Promise<string> {
    return this.store.transaction(async (tx) => {
      const id = tx.newId()
      await tenants.insertOrganization(tx, { id, name: null, created_at: tx.now, updated_at: tx.now })
      return id
    })
  }

  async addPod(organizationId: string): Promise<string> {
    return this.store.transaction(async (tx) => {
      const id = tx.newId()
      const times = { created_at: tx.now, updated_at: tx.now }
      const row = { id, organization_id: organizationId, name: 'pod', client_id: `client-${id}` }
      await tenants.insertPod(tx, { ...row, is_default: 0, inbox_count: 0, deleting_at: null, ...times })
      return id
    })
  }

  /** Creates an inbox, in a new organization and pod unless they are given. */
  async addInbox(within: { organizationId?: string; podId?: string } = {}): Promise<TestInbox> {
    const organizationId = within.organizationId ?? (await this.addOrganization())
    const podId = within.podId ?? (await this.addPod(organizationId))
    return this.store.transaction(async (tx) => {
      const domainId = tx.newId()
      const times = { deleting_at: null, created_at: tx.now, updated_at: tx.now }
      const domain = { ...newDomain(`${domainId}.test`, 'martlet'), id: domainId, organization_id: organizationId }
      await tx
        .insertInto('domains')
        .values({ ...domain, status: 'VERIFIED', holds_name: 1, ...times })
        .execute()
      const address = `agent@${domain.domain}`
      const ids = { organization_id: organizationId, pod_id: podId, domain_id: domainId }
      const inbox = { ...ids, address, display_name: null, client_id: null, metadata: null }
      const { id: inboxId } = await inboxes.insert(tx, { ...inbox, status: 'active', created_by: 'system:test' })
      return { organizationId, podId, inboxId, address }
    })
  }

  async addKey(
    scope: { organizationId: string; podId?: string; inboxId?: string },
    options: { permissions?: readonly Permission[]; expiresAt?: number } = {},
  ): Promise<KeyActor> {
    const { permissions, expiresAt } = options
    const id = await this.store.transaction(async (tx) => {
      const id = tx.newId()
      await apiKeys.insert(tx, {
        id,
        kind: 'bearer',
        organization_id: scope.organizationId,
        pod_id: scope.podId ?? null,
        inbox_id: scope.inboxId ?? null,
        name: 'key',
        prefix: 'am_us_',
        key_hash: id,
        permissions: permissions === undefined ? null : JSON.stringify(permissions),
        is_root: 0,
        created_by: 'system:test',
        expires_at: expiresAt ?? null,
        used_at: null,
        created_at: tx.now,
        updated_at: tx.now,
      })
      return id
    })
    const { organizationId, podId, inboxId } = scope
    return {
      ...{ kind: 'key', apiKeyId: id, organizationId },
      ...(podId !== undefined && { podId }),
      ...(inboxId !== undefined && { inboxId }),
      ...(permissions !== undefined && { permissions: new Set(permissions) }),
    } as KeyActor
  }

  async listen(actor: KeyActor, eventFilter: EventFilter = {}): Promise<Listener> {
    const abort = new AbortController()
    return new Listener(await this.feed.subscribe(actor, eventFilter, abort.signal), abort)
  }
}

/** Reads events as fast as it can and records them. */
export class Listener {
  readonly collected: Event[] = []
  readonly abort: AbortController
  /** The error that the iteration threw; undefined when it ended without one. */
  readonly ended: Promise<unknown>
  #check: (() => void) | undefined

  constructor(events: AsyncIterable<Event>, abort: AbortController) {
    this.abort = abort
    this.ended = this.#read(events)
  }

  get seqs(): number[] {
    return this.collected.map((event) => event.seq)
  }

  get types(): string[] {
    return this.collected.map((event) => event.type)
  }

  /** Resolves when `count` events were received, or the iteration has ended. */
  async count(count: number): Promise<void> {
    await this.#met(() => this.collected.length >= count)
  }

  /** Resolves when the last received event matches, or the iteration has ended. */
  async until(isLast: (event: Event) => boolean): Promise<void> {
    await this.#met(() => this.collected.length > 0 && isLast(this.collected.at(-1)!))
  }

  async #met(condition: () => boolean): Promise<void> {
    const met = new Promise<void>((resolve) => {
      this.#check = () => condition() && resolve()
      this.#check()
    })
    await Promise.race([met, this.ended])
  }

  /** The reason why the subscription ended. */
  async reason(): Promise<SubscriptionEnded['reason'] | undefined> {
    const error = await this.ended
    if (error !== undefined && !(error instanceof SubscriptionEnded)) throw error
    return error?.reason
  }

  async #read(events: AsyncIterable<Event>): Promise<unknown> {
    try {
      for await (const event of events) {
        this.collected.push(event)
        this.#check?.()
      }
      return undefined
    } catch (error) {
      return error
    }
  }
}

/** Returns a `message.sent` event of this inbox. */
export function sent(inbox: TestInbox, labels: readonly string[] = ['sent']): NewEvent {
  return messageSent({ actor: 'system:test', message: messageIn(inbox, labels), timestamp: 0, recipients: [] })
}

export function messageIn({ organizationId, podId, inboxId, address }: TestInbox, labels: readonly string[]) {
  const ids = { id: 'message', threadId: 'thread', messageId: '<id@test>' }
  return { ...ids, organizationId, podId, inboxId, inboxAddress: address, labels }
}

/** Deterministic numbers in [0, 1): mulberry32. */
export function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
