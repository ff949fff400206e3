/**
 * What a message adds to the counts of unread messages in the row of its inbox. The counts change with labels, in the same
 * transaction, so that no call counts messages.
 */
import type { InboxRow } from '../../../store/schema/tenant-rows.ts'
import { hiddenMask } from '../../access/permissions.ts'
import { ARCHIVED } from './label-rules.ts'

export type UnreadCounts = Pick<InboxRow, 'unread_count' | 'unread_shown_count' | 'unread_unauthenticated_count'>

const UNAUTHENTICATED = hiddenMask(['unauthenticated'])

/** @returns 0 or 1 for each count */
export function unreadCountsOf(labels: readonly string[]): UnreadCounts {
  const isUnread = labels.includes('unread')
  const isInInbox = isUnread && labels.includes('received') && !labels.includes(ARCHIVED)
  const hidden = hiddenMask(labels)
  return {
    unread_count: Number(isUnread),
    unread_shown_count: Number(isInInbox && hidden === 0),
    unread_unauthenticated_count: Number(isInInbox && hidden === UNAUTHENTICATED),
  }
}

/** Returns the difference of two sums. */
export function unreadCountsBetween(before: readonly string[], after: readonly string[]): UnreadCounts {
  const [old, now] = [unreadCountsOf(before), unreadCountsOf(after)]
  return {
    unread_count: now.unread_count - old.unread_count,
    unread_shown_count: now.unread_shown_count - old.unread_shown_count,
    unread_unauthenticated_count: now.unread_unauthenticated_count - old.unread_unauthenticated_count,
  }
}
