/** Turns a change of flags into a change of labels (docs/adr/0069). Pure. */
import type { Limits } from '../../../config/limits.ts'
import { MailError } from '../../../errors.ts'
import { FLAGGED, isOwnLabel, type LabelChange, parseUserLabels, REPLIED } from '../../messages/labels/label-rules.ts'
import { isKeyword, type Projection } from './mailbox-projection.ts'

export interface FlagChange {
  readonly how: 'add' | 'remove' | 'replace'
  /** System flags begin with "\". */
  readonly flags: readonly string[]
}

/** A change of flags whose flags are valid. */
export interface CheckedFlags {
  readonly how: FlagChange['how']
  readonly isSeen: boolean
  readonly isAnswered: boolean
  readonly isFlagged: boolean
  readonly isDeleted: boolean
  /** The labels of its keywords. */
  readonly labels: readonly string[]
}

/** What a change does to one message. */
export interface EntryChange {
  readonly labels: LabelChange
  /** undefined: \Deleted stays as it is. */
  readonly isDeleted: boolean | undefined
}

/**
 * Checks flags. `\Recent` and `\Draft` are left out: no client can change them (RFC 9051 §2.3.2).
 *
 * @throws flag_not_allowed for a keyword whose label means something else, or that is too long
 */
export function checkFlags(
  { how, flags }: FlagChange,
  projection: Pick<Projection, 'isRegistered'>,
  limits: Limits,
): CheckedFlags {
  const names = new Set(flags.map((flag) => flag.toLowerCase()))
  const labels: string[] = []
  for (const name of names) {
    if (name.startsWith('\\')) continue
    const isFree = isKeyword(name) && isOwnLabel(name) && !projection.isRegistered(name)
    if (!isFree || name.length > limits.messages.labelCharsMax) throw new MailError('flag_not_allowed', { flag: name })
    labels.push(...parseUserLabels([name], limits))
  }
  return {
    how,
    isSeen: names.has('\\seen'),
    isAnswered: names.has('\\answered'),
    isFlagged: names.has('\\flagged'),
    isDeleted: names.has('\\deleted'),
    labels,
  }
}

/** RFC 9051 §2.3.2. All other flags are keywords. */
export function isSystemFlag(flag: string): boolean {
  return flag.startsWith('\\')
}

/** Returns the keywords among flags, each once, in lower case. */
export function keywordsOf(flags: readonly string[]): string[] {
  return [...new Set(flags.filter((flag) => !isSystemFlag(flag)).map((flag) => flag.toLowerCase()))]
}

/** Returns the flags of a new message that can be stored; the others are left out. */
export function storableFlags(
  flags: readonly string[],
  projection: Pick<Projection, 'isRegistered'>,
  limits: Limits,
): CheckedFlags {
  const isStorable = (flag: string) => {
    const name = flag.toLowerCase()
    if (name.startsWith('\\')) return true
    const isFree = isKeyword(name) && isOwnLabel(name) && !projection.isRegistered(name)
    return isFree && name.length <= limits.messages.labelCharsMax
  }
  return checkFlags({ how: 'replace', flags: flags.filter(isStorable) }, projection, limits)
}

/** @param labels those of the message now */
export function changeOf(
  { how, isSeen, isAnswered, isFlagged, isDeleted, labels: keywords }: CheckedFlags,
  labels: readonly string[],
  projection: Pick<Projection, 'isRegistered'>,
): EntryChange {
  const set = [...(isAnswered ? [REPLIED] : []), ...(isFlagged ? [FLAGGED] : []), ...keywords]
  const unread = ['unread']
  switch (how) {
    case 'add':
      return { labels: { add: set, remove: isSeen ? unread : [] }, isDeleted: isDeleted || undefined }
    case 'remove':
      return { labels: { add: isSeen ? unread : [], remove: set }, isDeleted: isDeleted ? false : undefined }
    case 'replace': {
      const isShown = (label: string) =>
        label === REPLIED ||
        label === FLAGGED ||
        (isOwnLabel(label) && isKeyword(label) && !projection.isRegistered(label))
      const remove = labels.filter((label) => isShown(label) && !set.includes(label))
      return {
        labels: { add: [...set, ...(isSeen ? [] : unread)], remove: [...remove, ...(isSeen ? unread : [])] },
        isDeleted,
      }
    }
  }
}
