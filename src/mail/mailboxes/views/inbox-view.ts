/**
 * What this node keeps in memory of the mailboxes of one inbox: a chain of snapshots for each that is open, shared by all
 * sessions that see the same messages. `refresh` brings the entries up to date in the database (../catch-up/catch-up.ts), and the chains
 * with them. While someone listens, the view follows the feed.
 *
 * Crash: nothing is lost; the next session loads the entries again. An error while it follows is logged, and it tries again.
 * Must not: decide which messages are in a mailbox.
 */
import { setImmediate } from 'node:timers/promises'
import type { Limits } from '../../../config/limits.ts'
import { isMailError, MailError } from '../../../errors.ts'
import type { Log } from '../../../log.ts'
import type { MailboxRow } from '../../../store/schema/mailbox-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as events from '../../../store/tables/events-table.ts'
import * as inboxes from '../../../store/tables/inboxes-table.ts'
import * as entriesTable from '../../../store/tables/mailbox-entries-table.ts'
import type { Feed } from '../../events/feed/feed.ts'
import { catchUp } from '../catch-up/catch-up.ts'
import { createProjection, type Projection } from '../projection/mailbox-projection.ts'
import { FlagSets, keywordsIn } from './flag-sets.ts'
import { indexOfUid, type MailboxSnapshot, SnapshotChain } from './mailbox-snapshot.ts'

export interface InboxViewNeeds {
  readonly store: Pick<Store, 'db' | 'transaction'>
  readonly feed: Pick<Feed, 'followInbox'>
  readonly log: Log
  readonly limits: Limits
}

/** The mailboxes as the last refresh found them. */
export interface KnownMailboxes {
  readonly rows: readonly MailboxRow[]
  readonly projection: Projection
}

/** One mailbox in memory, for sessions that may not see the same hidden classes. */
export class MailboxView {
  readonly mailboxId: string
  readonly hiddenMask: number
  /** Sessions that have it open. */
  users = 0
  chain: SnapshotChain | undefined
  loading: Promise<void> | undefined
  /** The last advance. The next one starts after it, so that it reads later data. */
  advancing: Promise<void> = Promise.resolve()
  /** The changes up to this event are in the chain. */
  throughSeq = 0
  /** Messages that were added after this event are not in the chain: this node has too many entries in memory. */
  heldSinceSeq: number | undefined
  /** The number of these messages. */
  heldCount = 0
  readonly listeners = new Set<() => void>()
  #isNotifying = false
  /** There is a newer snapshot than the one of which the listeners are being notified. */
  #isOutdated = false

  constructor(mailboxId: string, hiddenMask: number) {
    this.mailboxId = mailboxId
    this.hiddenMask = hiddenMask
  }

  latest(): MailboxSnapshot {
    return this.chain!.latest
  }

  /** Calls all listeners, in turns of the event loop if there are many. A listener may be called once for several snapshots. */
  async notify(): Promise<void> {
    this.#isOutdated = true
    if (this.#isNotifying) return
    this.#isNotifying = true
    try {
      while (this.#isOutdated) {
        this.#isOutdated = false
        for (const [index, listener] of [...this.listeners].entries()) {
          if (index > 0 && index % NOTIFIED_AT_ONCE === 0) await setImmediate()
          if (this.listeners.has(listener)) listener()
        }
      }
    } finally {
      this.#isNotifying = false
    }
  }
}

/** Each writes to a socket. */
const NOTIFIED_AT_ONCE = 50

export class InboxView {
  readonly inboxId: string
  readonly #needs: InboxViewNeeds
  readonly #checkSpace: (entries: number) => void
  readonly #views = new Map<string, MailboxView>()
  readonly #flagSets = new FlagSets()
  /** The keywords of mailboxes that were not open when a message was appended. */
  readonly #keywords = new Map<string, Set<string>>()
  #known: KnownMailboxes = { rows: [], projection: createProjection([]) }
  /** The entries in the database are right up to this event; undefined: unknown. */
  #seenSeq: number | undefined
  /** A refresh has failed: a chain may lack changes that the entries have. */
  #isBehind = false
  #running: Promise<void> | undefined
  #following: Promise<void> | undefined
  #stopFollowing: (() => void) | undefined
  #retry: NodeJS.Timeout | undefined

  /** @param checkSpace throws limit_exceeded if so many more entries are too many for this node */
  constructor(inboxId: string, needs: InboxViewNeeds, checkSpace: (entries: number) => void) {
    this.inboxId = inboxId
    this.#needs = needs
    this.#checkSpace = checkSpace
  }

  get known(): KnownMailboxes {
    return this.#known
  }

  /** The number of entries in memory. */
  get size(): number {
    return [...this.#views.values()].reduce((sum, view) => sum + (view.chain?.latest.uids.length ?? 0), 0)
  }

  /** The number of open mailboxes. */
  get openCount(): number {
    return this.#views.size
  }

  /**
   * Resolves when every change that was committed before the call is in the entries and in all chains, except new messages for which this node has no
   * memory: they are in no chain until others have left it. Messages that clients know can be changed, and deleted, all the same.
   *
   * @throws not_found when the inbox is deleted
   */
  async refresh(): Promise<void> {
    // One that runs already may have read the log before the change; the next one has not.
    if (this.#following) return this.#following
    if (!this.#running) return this.#run()
    const following = this.#running
      .catch(() => undefined)
      .then(() => {
        this.#following = undefined
        return this.#run()
      })
    this.#following = following
    return following
  }

  #run(): Promise<void> {
    const running = this.#bringUpToDate().finally(() => {
      if (this.#running === running) this.#running = undefined
    })
    this.#running = running
    return running
  }

  async #bringUpToDate(): Promise<void> {
    if (!this.#isBehind && (await this.#hasSeenAll())) {
      for (const view of this.#views.values()) {
        // Nothing has changed. Reading them again shows the held messages only if there is memory for all of them now.
        if (view.heldSinceSeq !== undefined && this.#fits(view.heldCount)) await this.#advance(view)
      }
      return
    }
    this.#isBehind = true
    await this.#catchUp()
    for (const view of this.#views.values()) if (view.chain) await this.#advance(view)
    this.#isBehind = false
  }

  async #hasSeenAll(): Promise<boolean> {
    const { db } = this.#needs.store
    const { last_seq, floor_seq } = await events.requireLog(db)
    const seen = this.#seenSeq
    if (seen === undefined || seen < floor_seq) return false
    if (seen === last_seq) return true
    const range = { inboxId: this.inboxId, afterSeq: seen, throughSeq: last_seq }
    if ((await events.listForMailboxes(db, range, 1)).length > 0) return false
    this.#seenSeq = last_seq
    return true
  }

  async #catchUp(): Promise<void> {
    const { store, limits } = this.#needs
    for (;;) {
      const step = await store.transaction(async (tx) => {
        if (!(await inboxes.lockById(tx, this.inboxId))) throw new MailError('not_found', { what: 'Inbox' })
        return catchUp(tx, this.inboxId, limits)
      })
      this.#known = { rows: step.mailboxes, projection: step.projection }
      this.#seenSeq = step.seenSeq
      if (step.isComplete) return
      await setImmediate()
    }
  }

  #advance(view: MailboxView): Promise<void> {
    const advanced = view.advancing.then(() => this.#advanceNow(view))
    view.advancing = advanced.catch(() => undefined)
    return advanced
  }

  async #advanceNow(view: MailboxView): Promise<void> {
    const { store, log } = this.#needs
    const through = this.#seenSeq!
    const since = view.heldSinceSeq ?? view.throughSeq
    // Entries first: one that vanishes before the second statement is among the tombstones.
    const changed = await entriesTable.listChanged(store.db, view.mailboxId, since)
    const { uids, isComplete } = await entriesTable.listVanished(store.db, view.mailboxId, since)
    const left = new Set(uids)
    if (!isComplete) for (const uid of await this.#listMissing(view)) left.add(uid)
    const before = view.latest()
    // A mailbox that was deleted has no tombstones any more.
    const isGone = !this.#known.rows.some(({ id }) => id === view.mailboxId)
    const vanished = isGone ? Array.from(before.uids) : [...left]
    const shown = isGone ? [] : changed.filter(({ hidden }) => (hidden & view.hiddenMask) === 0)
    const isKnown = (uid: number) => indexOfUid(before.uids, uid) !== undefined
    const known = shown.filter(({ uid }) => isKnown(uid))
    const more = shown.length - known.length - vanished.filter(isKnown).length
    const isHeld = shown.length > known.length && more > 0 && !this.#fits(more)
    if (isHeld && view.heldSinceSeq === undefined) {
      const { inboxId } = this
      log.warn({ inboxId, mailboxId: view.mailboxId }, 'new messages of an open mailbox are not shown: openEntriesMax')
    }
    // Not the tombstone of a message that was held: its UID would raise UIDNEXT above those that are still held.
    view.chain!.advance(isHeld ? known : shown, isHeld ? vanished.filter(isKnown) : vanished, through)
    view.heldSinceSeq = isHeld ? since : undefined
    view.heldCount = isHeld ? shown.length - known.length : 0
    view.throughSeq = through
    this.#flagSets.sweep(() => [...this.#views.values()].flatMap(({ chain }) => (chain ? [chain.latest.flags] : [])))
    // Not for a step without changes.
    if (view.latest().flags !== before.flags) void view.notify()
  }

  /** Returns the UIDs in the chain that have no entry any more. */
  async #listMissing(view: MailboxView): Promise<Set<number>> {
    const missing = new Set(view.latest().uids)
    await this.#readEntries(view.mailboxId, (page) => {
      for (const { uid } of page) missing.delete(uid)
    })
    return missing
  }

  /** Whether this node has memory for so many more entries. */
  #fits(entries: number): boolean {
    try {
      this.#checkSpace(entries)
      return true
    } catch (error) {
      if (!isMailError(error, 'limit_exceeded')) throw error
      return false
    }
  }

  /** @param hiddenMask classes that the session may not see. The caller closes the view. */
  async open(mailbox: MailboxRow, hiddenMask: number): Promise<MailboxView> {
    const key = `${mailbox.id} ${hiddenMask}`
    const view = this.#views.get(key) ?? new MailboxView(mailbox.id, hiddenMask)
    this.#views.set(key, view)
    view.users += 1
    try {
      view.loading ??= this.#load(view, mailbox)
      await view.loading
      // A refresh during the loading has left it out.
      if (view.throughSeq < this.#seenSeq!) await this.#advance(view)
      return view
    } catch (error) {
      view.loading = undefined
      this.close(view)
      throw error
    }
  }

  /**
   * Whether mail programs may store these keywords, in lower case, in a mailbox. Others may add some meanwhile, so that a few more than
   * limits.mailboxes.keywordsMax are possible.
   */
  async hasSpaceFor(mailboxId: string, keywords: readonly string[]): Promise<boolean> {
    const max = this.#needs.limits.mailboxes.keywordsMax
    if (keywords.length === 0) return true
    const view = [...this.#views.values()].find((each) => each.mailboxId === mailboxId && each.chain)
    const isWithin = (used: ReadonlySet<string>) =>
      used.size + keywords.filter((keyword) => !used.has(keyword)).length <= max
    // Those of all open mailboxes are at least those of this one, and need no look at each message.
    if (view) return isWithin(this.#flagSets.keywords) || isWithin(keywordsIn(view.latest().flags))
    const used = this.#keywords.get(mailboxId) ?? (await this.#readKeywords(mailboxId))
    this.#keywords.set(mailboxId, used)
    if (!isWithin(used)) return false
    for (const keyword of keywords) used.add(keyword)
    return true
  }

  async #readKeywords(mailboxId: string): Promise<Set<string>> {
    const sets = await entriesTable.listFlags(this.#needs.store.db, mailboxId)
    return keywordsIn(sets.map((flags) => flags.split(' ').filter(Boolean)))
  }

  close(view: MailboxView): void {
    view.users -= 1
    const key = `${view.mailboxId} ${view.hiddenMask}`
    if (view.users === 0 && this.#views.get(key) === view) this.#views.delete(key)
  }

  async #load(view: MailboxView, mailbox: MailboxRow): Promise<void> {
    const highestModseq = this.#seenSeq!
    const entries: entriesTable.ShownEntryRow[] = []
    await this.#readEntries(view.mailboxId, (page) => {
      for (const entry of page) if ((entry.hidden & view.hiddenMask) === 0) entries.push(entry)
      this.#checkSpace(entries.length)
    })
    view.throughSeq = highestModseq
    view.chain = new SnapshotChain(entries, { uidNext: mailbox.uid_next, highestModseq }, this.#flagSets)
  }

  /** In pages, because SQLite runs a statement on the event loop. */
  async #readEntries(mailboxId: string, take: (page: readonly entriesTable.ShownEntryRow[]) => void): Promise<void> {
    const { store, limits } = this.#needs
    const limit = limits.mailboxes.loadEntries
    for (let afterUid = 0; ; ) {
      const page = await entriesTable.listAfter(store.db, mailboxId, afterUid, limit)
      take(page)
      if (page.length < limit) return
      afterUid = page.at(-1)!.uid
      await setImmediate()
    }
  }

  /** Calls the listener when `latest()` has changed. @returns stops it */
  listen(view: MailboxView, listener: () => void): () => void {
    view.listeners.add(listener)
    this.#stopFollowing ??= this.#needs.feed.followInbox(this.inboxId, () => this.#follow())
    return () => {
      view.listeners.delete(listener)
      if ([...this.#views.values()].some(({ listeners }) => listeners.size > 0)) return
      this.#stopFollowing?.()
      this.#stopFollowing = undefined
      clearTimeout(this.#retry)
    }
  }

  #follow(): void {
    this.refresh().catch((error: unknown) => {
      const { log, limits } = this.#needs
      if (error instanceof MailError && error.code === 'not_found') return // the sessions of a deleted inbox end by themselves
      log.error(
        { err: error, inboxId: this.inboxId },
        'the mailboxes of an inbox could not be brought up to date; will retry',
      )
      clearTimeout(this.#retry)
      this.#retry = setTimeout(() => this.#stopFollowing && this.#follow(), limits.store.retryMsMax).unref()
    })
  }
}
