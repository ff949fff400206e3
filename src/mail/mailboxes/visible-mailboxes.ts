/** Which mailboxes a login sees, and under which names: one that it may not read does not exist for it. */
import { MailError } from '../../errors.ts'
import type { MailboxKind, MailboxRow } from '../../store/schema/mailbox-rows.ts'
import { hasPermission } from '../access/access.ts'
import type { Actor } from '../access/actor.ts'
import { hiddenClasses } from '../access/permissions.ts'
import { FIXED_MAILBOXES, HIDING_AS_SPAM } from './projection/mailbox-projection.ts'

/** RFC 6154, RFC 9051 §7.3.1. */
export type SpecialUse = '\\Archive' | '\\Drafts' | '\\Junk' | '\\Sent' | '\\Trash'

export interface MailboxInfo {
  /** Levels divided by "/". */
  readonly name: string
  /** RFC 8474. A parent that does not exist has none of its own. */
  readonly mailboxId: string
  readonly isSubscribed: boolean
  readonly specialUse?: SpecialUse
  /** Exists only as the parent of others: \NoSelect. */
  readonly isSelectable: boolean
}

const SPECIAL_USES: Partial<Record<MailboxKind, SpecialUse>> = {
  archive: '\\Archive',
  drafts: '\\Drafts',
  sent: '\\Sent',
  spam: '\\Junk',
  trash: '\\Trash',
}

function maySee(actor: Actor, kind: MailboxKind): boolean {
  const mayRead = (name: string) =>
    hiddenClasses.some(({ label, permission }) => label === name && hasPermission(actor, permission))
  if (kind === 'drafts') return hasPermission(actor, 'draft_read')
  if (kind === 'trash') return mayRead('trash')
  return kind !== 'spam' || HIDING_AS_SPAM.some(mayRead)
}

/** Returns the mailboxes that an actor sees: the fixed ones first, then others by name. */
export function visibleMailboxes(actor: Actor, rows: readonly MailboxRow[]): MailboxRow[] {
  const rank = new Map<MailboxKind, number>(FIXED_MAILBOXES.map(({ kind }, index) => [kind, index]))
  const rankOf = ({ kind }: MailboxRow) => rank.get(kind) ?? rank.size
  return rows
    .filter(({ kind, is_deleting }) => is_deleting === 0 && maySee(actor, kind))
    .sort((a, b) => rankOf(a) - rankOf(b) || (a.name < b.name ? -1 : 1))
}

/** Returns the mailboxes for LIST, with those parents that do not exist. A parent is before what is below it. */
export function showMailboxes(rows: readonly MailboxRow[]): MailboxInfo[] {
  const shown: MailboxInfo[] = []
  const names = new Set(rows.map(({ name }) => name))
  for (const { id, kind, name, is_subscribed } of rows) {
    for (let end = name.indexOf('/'); end > 0; end = name.indexOf('/', end + 1)) {
      const parent = name.slice(0, end)
      if (names.has(parent)) continue
      names.add(parent)
      shown.push({ name: parent, mailboxId: id, isSubscribed: false, isSelectable: false })
    }
    const specialUse = SPECIAL_USES[kind]
    shown.push({
      ...{ name, mailboxId: id, isSubscribed: is_subscribed === 1, isSelectable: true },
      ...(specialUse && { specialUse }),
    })
  }
  return shown
}

/** @throws mailbox_not_found */
export function requireMailbox(actor: Actor, rows: readonly MailboxRow[], name: string): MailboxRow {
  const row = findMailbox(visibleMailboxes(actor, rows), name)
  if (!row) throw new MailError('mailbox_not_found', { name })
  return row
}

/** INBOX is the only name without case (RFC 9051 §5.1). */
export function findMailbox(rows: readonly MailboxRow[], name: string): MailboxRow | undefined {
  const wanted = name.toUpperCase() === 'INBOX' ? 'INBOX' : name.normalize('NFC')
  return rows.find((row) => row.name === wanted)
}
