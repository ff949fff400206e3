/** Which labels put a message into a mailbox, and which take it out (docs/adr/0069). Pure. */
import { MailError } from '../../../errors.ts'
import type { MailboxRow } from '../../../store/schema/mailbox-rows.ts'
import { ARCHIVED, type LabelChange } from '../../messages/labels/label-rules.ts'
import { HIDING_AS_SPAM, type Projection } from './mailbox-projection.ts'

type Place = Pick<MailboxRow, 'kind' | 'label' | 'name' | 'renamed_from'>

/** Returns the labels by which a message is in a mailbox that a user has created: while it is renamed, the old one too. */
export function labelsOfMailbox({ label, renamed_from }: Pick<Place, 'label' | 'renamed_from'>): string[] {
  return [label, renamed_from].filter((each) => each !== null)
}

/**
 * Returns the change of labels by which a message gets from one mailbox into another.
 *
 * @param isMove it leaves the source, also where both could have it
 * @throws mailbox_refused
 */
export function placementOf(
  { source, target, isMove }: { readonly source: Place; readonly target: Place; readonly isMove: boolean },
  labels: readonly string[],
  projection: Pick<Projection, 'isRegistered'>,
): LabelChange {
  const hiding = ['trash', ...HIDING_AS_SPAM]
  const registered = labels.filter(projection.isRegistered)
  switch (target.kind) {
    case 'inbox':
      if (!labels.includes('received')) throw refused('Only received messages can be in INBOX')
      return { remove: [...hiding, ARCHIVED, ...registered] }
    case 'sent':
      if (!labels.includes('sent')) throw refused(`Only sent messages can be in ${target.name}`)
      return { remove: [...hiding, ARCHIVED, ...registered] }
    case 'archive':
      return { add: [ARCHIVED], remove: [...hiding, ...registered] }
    case 'trash':
      return { add: ['trash'] }
    case 'spam':
      return { add: HIDING_AS_SPAM.some((label) => labels.includes(label)) ? [] : ['spam'], remove: ['trash'] }
    case 'drafts':
      throw refused('Drafts has no copies of messages; append a draft instead')
    case 'label': {
      if (source.kind === 'trash' || source.kind === 'spam') {
        // It was there alone: it must not come back to where it had been before as well.
        const others = registered.filter((label) => label !== target.label)
        return { add: [target.label!], remove: [...hiding, ARCHIVED, ...others] }
      }
      const left = source.kind === 'archive' ? [ARCHIVED] : labelsOfMailbox(source)
      const leaves = isMove && source.label !== target.label
      return { add: [target.label!], remove: leaves ? [...hiding, ...left] : hiding }
    }
  }
}

/** Returns the change of labels by which EXPUNGE removes a message; undefined: the message is deleted. */
export function removalOf(
  mailbox: Place,
  labels: readonly string[],
  projection: Pick<Projection, 'isRegistered'>,
): LabelChange | undefined {
  switch (mailbox.kind) {
    case 'trash':
      return undefined
    case 'label':
      return { remove: labelsOfMailbox(mailbox) }
    case 'archive':
      // A program without MOVE has copied it into that mailbox, and removes it here.
      return labels.some(projection.isRegistered) ? { remove: [ARCHIVED] } : { add: ['trash'] }
    default:
      return { add: ['trash'] }
  }
}

/**
 * Returns the change of labels by which a message leaves a mailbox that is deleted.
 *
 * @param left the labels of this mailbox
 */
export function evictionOf(
  left: readonly string[],
  labels: readonly string[],
  projection: Pick<Projection, 'isRegistered'>,
): LabelChange {
  const isHidden = ['trash', ...HIDING_AS_SPAM].some((hiding) => labels.includes(hiding))
  const isElsewhere = labels.some(
    (each) => !left.includes(each) && (projection.isRegistered(each) || each === ARCHIVED),
  )
  return { add: isHidden || isElsewhere ? [] : ['trash'], remove: left }
}

function refused(detail: string): MailError {
  return new MailError('mailbox_refused', { detail })
}
