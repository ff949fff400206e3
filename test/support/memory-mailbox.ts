/** A mailbox in memory: messages, and the chain of snapshots that sessions follow. Part of memory-mail-store.ts. */

import type {
  FlagChange,
  Flags,
  MailboxStatus,
  Snapshot,
  SnapshotStep,
} from '../../src/edges/imap/session/mail-store.ts'
import type { ImapStructure } from '../../src/formats/imap/read-structure.ts'

export interface NewMessage {
  readonly raw: Buffer
  readonly flags?: readonly string[]
  readonly internalDate?: number
  readonly emailId?: string
  readonly threadId?: string
  readonly preview?: string
}

export interface MemoryMessage {
  readonly raw: Buffer
  readonly internalDate: number
  readonly saveDate: number
  readonly emailId: string
  readonly threadId: string
  readonly preview?: string
  structure?: ImapStructure
  /** No search and no FETCH can read it. */
  isDamaged?: boolean
}

interface MutableSnapshot extends Omit<Snapshot, 'next'> {
  next: SnapshotStep | undefined
}

let lastId = 0

export class MemoryMailbox {
  readonly uidValidity: number
  readonly mailboxId = `F${++lastId}`
  /** Those that exist. */
  readonly messages = new Map<number, MemoryMessage>()
  /** Those that have vanished too: an older snapshot may have them. */
  readonly everyMessage = new Map<number, MemoryMessage>()
  readonly vanished: { readonly uid: number; readonly at: number }[] = []
  readonly #listeners = new Set<() => void>()
  readonly #sets = new Map<string, Flags>()
  #snapshot: MutableSnapshot = { uids: [], flags: [], modseqs: [], uidNext: 1, highestModseq: 1, next: undefined }

  constructor(uidValidity: number) {
    this.uidValidity = uidValidity
  }

  get snapshot(): Snapshot {
    return this.#snapshot
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  get listenerCount(): number {
    return this.#listeners.size
  }

  flagsOf(uid: number): Flags {
    return this.#snapshot.flags[this.#positionOf(uid)]!
  }

  status(): MailboxStatus {
    const { flags, uidNext, highestModseq } = this.#snapshot
    const messages = [...this.messages.values()]
    const isDeleted = (at: number) => flags[at]!.includes('\\Deleted')
    const sizeOf = (some: readonly MemoryMessage[]) => some.reduce((sum, { raw }) => sum + raw.length, 0)
    return {
      messages: messages.length,
      unseen: flags.filter((set) => !set.includes('\\Seen')).length,
      deleted: messages.filter((_, at) => isDeleted(at)).length,
      deletedBytes: sizeOf(messages.filter((_, at) => isDeleted(at))),
      sizeBytes: sizeOf(messages),
      ...{ uidNext, highestModseq },
      uidValidity: this.uidValidity,
      mailboxId: this.mailboxId,
    }
  }

  /** @returns their UIDs */
  append(added: readonly NewMessage[]): number[] {
    if (added.length === 0) return []
    const { uids, flags, modseqs, uidNext, highestModseq } = this.#snapshot
    const modseq = highestModseq + 1
    const now = Date.now()
    const newUids = added.map((_, index) => uidNext + index)
    for (const [
      index,
      { raw, internalDate = now, emailId = `M${++lastId}`, threadId = `T${lastId}`, preview },
    ] of added.entries()) {
      const message = { raw, internalDate, saveDate: now, emailId, threadId, ...(preview !== undefined && { preview }) }
      this.messages.set(newUids[index]!, message)
      this.everyMessage.set(newUids[index]!, message)
    }
    this.#follow(
      {
        uids: [...Array.from(uids), ...newUids],
        flags: [...flags, ...added.map((message) => this.#set(message.flags ?? []))],
        modseqs: [...Array.from(modseqs), ...added.map(() => modseq)],
        uidNext: uidNext + added.length,
        highestModseq: modseq,
      },
      { vanished: [], changed: [], appendedCount: added.length },
    )
    return newUids
  }

  /** Which of the UIDs have not changed since, and which have. Those that do not exist are in neither. */
  split(uids: readonly number[], since: number): { unchanged: number[]; modified: number[] } {
    const existing = uids.filter((uid) => this.messages.has(uid))
    const isModified = (uid: number) => this.#snapshot.modseqs[this.#positionOf(uid)]! > since
    return { unchanged: existing.filter((uid) => !isModified(uid)), modified: existing.filter(isModified) }
  }

  change(uids: readonly number[], change: FlagChange): void {
    const { highestModseq, uids: all, uidNext } = this.#snapshot
    const flags = [...this.#snapshot.flags]
    const modseqs = Array.from(this.#snapshot.modseqs)
    const changed: number[] = []
    for (const uid of uids) {
      const at = this.#positionOf(uid)
      if (at === -1) continue
      const after = this.#set(changedFlags(flags[at]!, change))
      if (after === flags[at]) continue
      flags[at] = after
      modseqs[at] = highestModseq + 1
      changed.push(uid)
    }
    if (changed.length === 0) return
    this.#follow(
      { uids: all, flags, modseqs, uidNext, highestModseq: highestModseq + 1 },
      { vanished: [], changed, appendedCount: 0 },
    )
  }

  remove(uids: readonly number[]): void {
    const vanished = uids.filter((uid) => this.messages.delete(uid))
    if (vanished.length === 0) return
    const { uids: all, flags, modseqs, uidNext, highestModseq } = this.#snapshot
    for (const uid of vanished) this.vanished.push({ uid, at: highestModseq + 1 })
    const isLeft = Array.from(all, (uid) => this.messages.has(uid))
    this.#follow(
      {
        uids: Array.from(all).filter((_, at) => isLeft[at]),
        flags: flags.filter((_, at) => isLeft[at]),
        modseqs: Array.from(modseqs).filter((_, at) => isLeft[at]),
        ...{ uidNext, highestModseq: highestModseq + 1 },
      },
      { vanished, changed: [], appendedCount: 0 },
    )
  }

  #positionOf(uid: number): number {
    const { uids } = this.#snapshot
    let low = 0
    let high = uids.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (uids[middle]! < uid) low = middle + 1
      else high = middle
    }
    return uids[low] === uid ? low : -1
  }

  #set(flags: readonly string[]): Flags {
    const sorted = [...new Set(flags)].sort()
    const key = sorted.join(' ')
    const known = this.#sets.get(key) ?? sorted
    this.#sets.set(key, known)
    return known
  }

  #follow(snapshot: Omit<Snapshot, 'next'>, step: Omit<SnapshotStep, 'snapshot'>): void {
    const next = { ...snapshot, next: undefined }
    this.#snapshot.next = { ...step, snapshot: next }
    this.#snapshot = next
    for (const listener of [...this.#listeners]) listener()
  }
}

/** Flags without regard to case, in the spelling that came first. */
export function changedFlags(before: Flags, { how, flags }: FlagChange): readonly string[] {
  if (how === 'replace') return flags
  const named = new Set(flags.map((flag) => flag.toLowerCase()))
  if (how === 'remove') return before.filter((flag) => !named.has(flag.toLowerCase()))
  const has = new Set(before.map((flag) => flag.toLowerCase()))
  return [...before, ...flags.filter((flag) => !has.has(flag.toLowerCase()))]
}
