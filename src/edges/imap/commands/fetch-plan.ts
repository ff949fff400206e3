/** What a FETCH needs of the store, found once per command. */
import type { BinaryItem, BodyItem, FetchCommand, FetchItem } from '../grammar/imap-command.ts'
import type { ImapSession } from '../session/imap-session.ts'
import type { WantedItems } from '../session/mail-store.ts'

export interface FetchPlan {
  readonly items: readonly FetchItem[]
  /** undefined: the snapshot has everything. */
  readonly wanted: WantedItems | undefined
  readonly needsStructure: boolean
  /** An item is a decoded part. */
  readonly hasDecoded: boolean
  /** There are several contents. */
  readonly hasSeveral: boolean
  /** An item sets \Seen (RFC 9051 §6.4.5: all but the .PEEK forms). */
  readonly marksSeen: boolean
}

export function planFetch(session: ImapSession, { items, isUid, changedSince }: FetchCommand): FetchPlan {
  const all: FetchItem[] = [...items]
  const has = (name: FetchItem['item']) => all.some(({ item }) => item === name)
  if (isUid && !has('UID')) all.unshift({ item: 'UID' }) // RFC 9051 §6.4.9
  // RFC 7162 §3.1.4.1: CHANGEDSINCE implies MODSEQ
  if (changedSince !== undefined && !has('MODSEQ')) all.push({ item: 'MODSEQ' })
  if (has('MODSEQ')) session.isCondstore = true // RFC 7162 §3.1
  // RFC 7162 §3.2.4: with QRESYNC, flags never come without UID; the modseq tells the client how new they are
  if (session.isQresync && has('FLAGS') && !has('UID')) all.unshift({ item: 'UID' })
  if (session.isQresync && has('FLAGS') && !has('MODSEQ')) all.push({ item: 'MODSEQ' })
  const contents = all.filter((item): item is BodyItem | BinaryItem => 'isPeek' in item)
  const isHead = contents.every(isHeader)
  const wanted: WantedItems = {
    ...(has('INTERNALDATE') && { internalDate: true }),
    ...(has('SAVEDATE') && { saveDate: true }),
    ...(has('RFC822.SIZE') && { size: true }),
    ...((has('EMAILID') || has('THREADID')) && { ids: true }),
    ...(has('PREVIEW') && { preview: true }),
    ...(has('ENVELOPE') && { envelope: true }),
    ...(has('BODY') && { body: true }),
    ...(has('BODYSTRUCTURE') && { bodyStructure: true }),
    ...(contents.length > 0 && { source: isHead ? ('head' as const) : ('whole' as const) }),
  }
  return {
    items: all,
    wanted: Object.keys(wanted).length === 0 ? undefined : wanted,
    hasDecoded: contents.some(isDecoded),
    hasSeveral: contents.length > 1,
    needsStructure: !isHead && !contents.every(isWholeMessage),
    marksSeen: contents.some(({ isPeek }) => !isPeek) && !session.requireSelected().isReadOnly,
  }
}

/** The header of the message itself. */
function isHeader(item: BodyItem | BinaryItem): boolean {
  return item.item === 'section' && item.section.path.length === 0 && item.section.of === 'header'
}

/** BINARY of a part: without its transfer encoding. */
export type DecodedItem = BinaryItem & { readonly path: readonly [number, ...number[]] }

export function isDecoded(item: FetchItem): item is DecodedItem {
  return (item.item === 'binary' || item.item === 'binary size') && item.path.length > 0
}

export function isWholeMessage(item: BodyItem | BinaryItem): boolean {
  return item.item === 'section'
    ? item.section.path.length === 0 && item.section.of === 'whole'
    : item.path.length === 0
}
