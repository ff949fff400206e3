/**
 * Chooses the recipients of a reply (RFC 5322 §3.6.2, §3.6.3). Pure.
 *
 * Addresses in received mail are read liberally: one that cannot receive mail is left out and reported, and the others
 * get the reply. A client's own addresses are checked strictly (checked-message.ts).
 */
import {
  type Address,
  formatAddress,
  isSmtpMailbox,
  normaliseAddress,
  withoutTag,
} from '../../../formats/address/address.ts'
import type { MessageItem } from '../../messages/views/message.ts'
import type { DefaultRecipients } from './checked-message.ts'
import type { DroppedRecipient } from './outgoing.ts'

/** `cc` is empty unless it is a reply to all. */
export interface ReplyRecipients extends DefaultRecipients {
  /** Addresses of the message that were left out because they cannot receive mail. */
  readonly dropped: readonly DroppedRecipient[]
}

/**
 * Returns the default recipients: Reply-To, else From; for a message of our own, its To. A reply to all adds the
 * parent's other recipients.
 *
 * Addresses of the inbox itself, also aliases and with any tag, are left out, also in Reply-To, where web forms and mailing lists put
 * them. Only a reply to its own message goes to the inbox, if it had no other recipient. A stranger who writes its
 * address into From gets no reply, and an agent that answers everything has no loop.
 *
 * @param own addresses of the inbox, in normal form
 * @param isToNamed the client named recipients, so that `to` is not needed: it is empty
 */
export function replyRecipients(
  own: ReadonlySet<string>,
  parent: MessageItem,
  { isToAll, isToNamed }: { readonly isToAll: boolean; readonly isToNamed: boolean },
): ReplyRecipients {
  const dropped = new Map<string, DroppedRecipient>()
  const isInbox = ({ address }: Address) => own.has(withoutTag(normaliseAddress(address) ?? address))
  const mailboxes = (addresses: readonly Address[]) => addresses.flatMap((each) => mailboxOf(each, dropped) ?? [])

  // Its own message may be held and not sent yet. Mail that others write in its name is received.
  const isSent = parent.labels.includes('sent') || !parent.labels.includes('received')
  const isOwn = isSent && parent.from !== undefined && isInbox(parent.from)
  const from = parent.from ? [parent.from] : []
  let candidates: Address[] = []
  let others: Address[] = []
  for (const source of isOwn ? [parent.to] : [parent.replyTo, from]) {
    if (isToNamed || others.length > 0) break
    candidates = mailboxes(isToAll || isOwn ? source : withoutMany(source, dropped))
    others = candidates.filter((address) => !isInbox(address))
  }
  const copies = isToAll ? mailboxes([...(isOwn ? [] : parent.to), ...parent.cc]) : []

  const seen = new Set<string>()
  const once = ({ address }: Address) => !seen.has(address) && seen.add(address) !== undefined
  const to = others.filter(once)
  const cc = copies.filter((address) => !isInbox(address) && once(address))
  const isToSelf = isOwn && to.length + cc.length === 0
  return { to: isToSelf ? candidates.filter(once) : to, cc, dropped: [...dropped.values()] }
}

/**
 * A stranger chooses Reply-To. A simple reply must not become a circular letter: more addresses get it only if the client
 * replies to all.
 */
const REPLY_TO_MAX = 10

function withoutMany(addresses: readonly Address[], dropped: Map<string, DroppedRecipient>): readonly Address[] {
  for (const address of addresses.slice(REPLY_TO_MAX).map(formatAddress))
    dropped.set(address, { address, reason: `Only the first ${REPLY_TO_MAX} addresses get a reply that is not to all` })
  return addresses.slice(0, REPLY_TO_MAX)
}

/** @returns undefined after adding an address that cannot receive mail to `dropped` */
function mailboxOf({ name, address: written }: Address, dropped: Map<string, DroppedRecipient>): Address | undefined {
  const address = normaliseAddress(written)
  if (address !== undefined && isSmtpMailbox(address)) return { ...(name !== undefined && { name }), address }
  const shown = formatAddress({ ...(name !== undefined && { name }), address: written })
  dropped.set(shown, { address: shown, reason: reasonOf(written, address) })
  return undefined
}

function reasonOf(written: string, address: string | undefined): string {
  if (written === '') return 'It has a name, but no address'
  if (address === undefined) return 'It is not a valid address'
  return 'It has < or > in the local part of its address; no mail can be sent to it'
}
