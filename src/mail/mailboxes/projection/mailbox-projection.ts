/**
 * What IMAP shows of labels, which are the truth (docs/adr/0069): the mailboxes that contain a message, and its flags. Pure.
 *
 * A message with `trash` is in Trash alone; one of another hidden class in Spam alone. Otherwise it is in each mailbox whose
 * label it has, and in Archive if it is archived; if none of these contains it, in INBOX if it was received and in Sent if it
 * was sent.
 */
import type { MailboxKind, MailboxRow } from '../../../store/schema/mailbox-rows.ts'
import { ARCHIVED, FLAGGED, isOwnLabel, REPLIED } from '../../messages/labels/label-rules.ts'

export const HIDING_AS_SPAM = ['spam', 'blocked', 'unauthenticated'] as const

/** Mailboxes that every inbox has, in the order of LIST. */
export const FIXED_MAILBOXES = [
  { kind: 'inbox', name: 'INBOX' },
  { kind: 'archive', name: 'Archive' },
  { kind: 'drafts', name: 'Drafts' },
  { kind: 'sent', name: 'Sent' },
  { kind: 'spam', name: 'Spam' },
  { kind: 'trash', name: 'Trash' },
] as const satisfies readonly { kind: MailboxKind; name: string }[]

export type PlacedMailbox = Pick<MailboxRow, 'id' | 'kind' | 'label' | 'renamed_from'>

/** The mailboxes of an inbox, for many messages. */
export interface Projection {
  /** Returns the ids of the mailboxes that contain a message with these labels. */
  mailboxesOf(labels: readonly string[]): readonly string[]
  /** Returns the flags that a message with these labels has in each of them, without \Deleted: sorted, divided by spaces. */
  flagsOf(labels: readonly string[]): string
  /** Whether a mailbox has this label: it is no keyword. */
  isRegistered(label: string): boolean
}

export function createProjection(mailboxes: readonly PlacedMailbox[]): Projection {
  const ids = new Map(mailboxes.map(({ kind, id }) => [kind, id]))
  const byLabel = new Map<string, string>()
  for (const { id, label, renamed_from } of mailboxes) {
    if (label !== null) byLabel.set(label, id)
    if (renamed_from !== null) byLabel.set(renamed_from, id)
  }
  const flags = new Map<string, string>()
  const idOf = (kind: MailboxKind) => [ids.get(kind)!]

  return {
    mailboxesOf(labels) {
      if (labels.includes('trash')) return idOf('trash')
      if (HIDING_AS_SPAM.some((label) => labels.includes(label))) return idOf('spam')
      const found = new Set<string>()
      for (const label of labels) {
        const id = byLabel.get(label)
        if (id !== undefined) found.add(id)
      }
      if (labels.includes(ARCHIVED)) found.add(ids.get('archive')!)
      if (found.size > 0) return [...found]
      if (labels.includes('received')) found.add(ids.get('inbox')!)
      if (labels.includes('sent')) found.add(ids.get('sent')!)
      return [...found]
    },

    flagsOf(labels) {
      const key = labels.join('\0')
      const known = flags.get(key)
      if (known !== undefined) return known
      const made = makeFlags(labels, (label) => byLabel.has(label))
      flags.set(key, made)
      return made
    },

    isRegistered: (label) => byLabel.has(label),
  }
}

/** As `flagsOf`, of a draft: all drafts have \Draft. */
export function flagsOfDraft({ flagsOf }: Pick<Projection, 'flagsOf'>, labels: readonly string[]): string {
  return `\\Draft ${flagsOf(labels)}`.trim().split(' ').sort().join(' ')
}

function makeFlags(labels: readonly string[], isRegistered: (label: string) => boolean): string {
  const flags = labels.includes('unread') ? [] : ['\\Seen']
  for (const label of labels) {
    if (label === REPLIED) flags.push('\\Answered')
    else if (label === FLAGGED) flags.push('\\Flagged')
    else if (isOwnLabel(label) && isKeyword(label) && !isRegistered(label)) flags.push(spelledKeyword(label))
  }
  return flags.sort().join(' ')
}

/** RFC 9051 §9, flag-keyword: an atom. Labels that none can spell are not shown. */
export function isKeyword(label: string): boolean {
  return /^[\x21\x23\x24\x26\x27\x2b-\x5b\x5e-\x7a\x7c-\x7e]+$/.test(label)
}

/** Keywords that are registered with IANA or that clients share, in their usual spelling: labels are lower case. */
const SPELLINGS: ReadonlyMap<string, string> = new Map(
  ['$Forwarded', '$MDNSent', '$Junk', '$NotJunk', '$Phishing', '$SubmitPending', '$Submitted', '$Important']
    .concat(['Junk', 'NonJunk', 'NotJunk', 'Forwarded'])
    .map((keyword) => [keyword.toLowerCase(), keyword]),
)

function spelledKeyword(label: string): string {
  return SPELLINGS.get(label) ?? label
}
