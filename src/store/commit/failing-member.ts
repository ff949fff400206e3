/**
 * Divides a batch that failed, so that its members run again in smaller ones, and at last each by itself. Part of run-batch.ts.
 *
 *   a quarter of the members → if it succeeds, a quarter of those that are left, … → if a part fails, it is divided in the same
 *   way, and those behind it run together again
 *
 * Usually exactly one member fails. While no part has failed, this member is among those that are left: they would fail as a whole, so
 * only a quarter of them runs. Once a part has failed, the members behind it probably succeed, so they run together. If they fail
 * too, several members are at fault: then each quarter runs by itself, because joining the rest again after each failing member would
 * take quadratic time. All members keep their order.
 */
import type { BatchPlace } from './member-queue.ts'

/** With two parts instead of four, the members of a batch would run one more time than they do if one of them fails. */
const PARTS_AFTER_FAILURE = 4

/** Call this when a batch of several members has failed, with the places of all of them. */
export function divideFailedBatch(places: readonly BatchPlace[]): void {
  const membersMax = places[0]!.suspects?.membersMax ?? places.length
  rejoinMembersBehind(places.at(-1)!)
  const suspects = places.some(({ hasRejoined }) => hasRejoined) ? undefined : { places, membersMax }
  for (let at = 0; at < places.length; ) {
    const size = Math.ceil((suspects ? places.length - at : places.length) / PARTS_AFTER_FAILURE)
    for (const place of places.slice(at, at + size)) {
      place.membersMax = size
      place.suspects = suspects
    }
    at += size
  }
}

/** Call this when a part of a batch has failed, with the place of its last member: those behind it are no longer suspected. */
export function rejoinMembersBehind(last: BatchPlace): void {
  const { suspects } = last
  if (!suspects) return
  for (const place of suspects.places.slice(suspects.places.indexOf(last) + 1)) {
    if (place.suspects !== suspects) continue
    place.suspects = undefined
    place.hasRejoined = true
    place.membersMax = suspects.membersMax
  }
}
