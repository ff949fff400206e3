/**
 * Estimates how many rows a change writes. Changes of more than `limits.messages.shortFilingRowsMax` are committed apart
 * from short ones, and those of more than `limits.messages.transactionRowsMax` are divided over several transactions: on
 * SQLite all other writes wait for the one that is running.
 */
import type { Limits } from '../../config/limits.ts'
import { addressCount } from './content/mail-addresses.ts'
import type { ParsedMail } from './content/parsed-message.ts'
import type { LabelChange } from './labels/label-rules.ts'
import { ANCESTORS_MAX } from './threads/threading.ts'

/** About how many rows a message with no addresses writes in an inbox. */
const ROWS_PER_INBOX = 10
/** About how many rows change with the labels of a message, and with each label. */
const ROWS_PER_LABELLED = 6
const ROWS_PER_LABEL = 3

/** Returns the rows that a content writes once, whatever the number of its inboxes. */
export function rowsOfContent(parsed: ParsedMail): number {
  return addressCount(parsed) + parsed.attachments.length
}

/** Returns the rows that a message writes in each of its inboxes. */
export function rowsOfFiling(parsed: ParsedMail, { messages: { participantsMax } }: Limits): number {
  const ancestors = Math.min(parsed.references.length + parsed.inReplyTo.length, ANCESTORS_MAX)
  return ROWS_PER_INBOX + Math.min(addressCount(parsed), participantsMax) + ancestors
}

/** Returns the rows that a change of labels writes for each message. */
export function rowsOfLabels({ add = [], remove = [] }: LabelChange): number {
  return ROWS_PER_LABELLED + ROWS_PER_LABEL * (add.length + remove.length)
}

/**
 * Divides items into parts for one transaction each, in their order. An item alone can exceed the limit.
 *
 * @param first rows that the first transaction writes besides its items
 */
export function inParts<T>(
  items: readonly T[],
  rows: { readonly perItem: number; readonly first: number; readonly max: number },
): T[][] {
  const parts: T[][] = []
  let left = rows.max - rows.first
  for (const item of items) {
    if (parts.length > 0 && left >= rows.perItem) parts.at(-1)!.push(item)
    else {
      if (parts.length > 0) left = rows.max
      parts.push([item])
    }
    left -= rows.perItem
  }
  return parts
}
