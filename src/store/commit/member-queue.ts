/**
 * The transactions that wait for a group commit (group-commit.ts): short ones in the order of their calls, and long ones
 * round robin over fairness keys. Of the short ones, those of different batches may change places: received messages, sends and
 * outcomes arrive in turns, and would be batches of one otherwise.
 *
 * A group has only short members or only long ones. After a group of long members, waiting short ones get as much time
 * as it took, and at least one group. So a short transaction waits for one group of long ones, however many there are,
 * and neither kind stops the other.
 */

export interface Queued {
  /** The peer or owner for which a long transaction runs; undefined: it is short. */
  readonly fairnessKey: string | undefined
  /** The batch that it may be part of. */
  readonly batch?: BatchPlace | undefined
}

/** Members with the same `key` may run as one batch. */
export interface BatchPlace {
  readonly key: object
  readonly sizeBytes: number
  /** The largest batch that the member may be part of: a smaller one after a batch with it has failed. */
  membersMax: number
  /** The batch that failed with the member, if it may be why (failing-member.ts). */
  suspects?: Suspects | undefined
  /** It was in a batch that failed because of a member before it. */
  hasRejoined?: true
  /** A batch has run without it, because it would have had to wait for another node. */
  wasLeftOut: boolean
}

/** The members of a batch that failed. */
export interface Suspects {
  /** In order. */
  readonly places: readonly BatchPlace[]
  /** The size of the first batch that failed with them. */
  readonly membersMax: number
}

export type GroupKind = 'short' | 'long'

export class MemberQueue<Member extends Queued> {
  readonly #short: Member[] = []
  /** The long members by fairness key, in the order of the keys' turns, each key with at least one. */
  readonly #long = new Map<string, Member[]>()
  #longCount = 0
  #longGroupMs = 0
  /** Time of the groups of short members since the last group of long ones. */
  #shortGroupsMs = 0

  get length(): number {
    return this.#short.length + this.#longCount
  }

  push(member: Member): void {
    const { fairnessKey } = member
    if (fairnessKey === undefined) this.#short.push(member)
    else {
      const ofKey = this.#long.get(fairnessKey)
      if (ofKey) ofKey.push(member)
      else this.#long.set(fairnessKey, [member])
      this.#longCount += 1
    }
  }

  /** Puts a member before all others of its kind. */
  unshift(member: Member): void {
    const { fairnessKey } = member
    if (fairnessKey === undefined) return void this.#short.unshift(member)
    const ofKey = this.#long.get(fairnessKey) ?? []
    this.#long.delete(fairnessKey)
    const others = [...this.#long]
    this.#long.clear()
    this.#long.set(fairnessKey, [member, ...ofKey])
    for (const [key, ofOther] of others) this.#long.set(key, ofOther)
    this.#longCount += 1
  }

  /** Returns what the next group consists of. */
  nextKind(): GroupKind {
    if (this.#longCount === 0) return 'short'
    return this.#short.length === 0 || this.#shortGroupsMs >= this.#longGroupMs ? 'long' : 'short'
  }

  /** Takes the next member of this kind. */
  shift(kind: GroupKind): Member | undefined {
    if (kind === 'short') return this.#short.shift()
    const [first] = this.#long
    if (!first) return undefined
    const [fairnessKey, ofKey] = first
    this.#long.delete(fairnessKey)
    if (ofKey.length > 1) this.#long.set(fairnessKey, ofKey.slice(1)) // after the other keys
    this.#longCount -= 1
    return ofKey[0]
  }

  /**
   * Takes the next member of this kind, and those behind it that may run with it as one batch, up to the next member of no batch.
   *
   * @param bytesMax size of a batch; one member may be larger
   */
  shiftBatch(kind: GroupKind, membersMax: number, bytesMax: number): Member[] {
    const first = this.shift(kind)
    if (!first) return []
    const batch = [first]
    let sizeBytes = first.batch?.sizeBytes ?? 0
    let max = Math.min(membersMax, first.batch?.membersMax ?? 1)
    for (let at = 0; kind === 'short' && batch.length < max; ) {
      const next = this.#short[at]?.batch
      if (!next) break
      if (next.key !== first.batch!.key) {
        at += 1
        continue
      }
      sizeBytes += next.sizeBytes
      if (batch.length >= next.membersMax || sizeBytes > bytesMax) break
      max = Math.min(max, next.membersMax)
      batch.push(...this.#short.splice(at, 1))
    }
    return batch
  }

  /** Call this after each group. */
  recordGroup(kind: GroupKind, timeMs: number): void {
    if (kind === 'short') this.#shortGroupsMs += timeMs
    else {
      this.#longGroupMs = timeMs
      this.#shortGroupsMs = 0
    }
  }

  takeAll(): Member[] {
    const all = [...this.#short.splice(0), ...[...this.#long.values()].flat()]
    this.#long.clear()
    this.#longCount = 0
    return all
  }
}
