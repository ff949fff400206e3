/**
 * Finds the received messages whose sender is denied by an allow or block list. Mail that answers a message which the
 * inbox has sent is compared with its `reply` lists, all other mail with its `receive` lists (docs/adr/0042).
 *
 * Entries are compared with the addresses in From. An entry of an allow list permits only authenticated senders, unless
 * MARTLET_ALLOW_LISTS says otherwise: others could use an allowed address that they know.
 */
import type { Config } from '../../config/settings.ts'
import { normaliseAddress } from '../../formats/address/address.ts'
import type { Tx } from '../../store/handles.ts'
import { rowStep } from '../../store/row-statements.ts'
import type { RecipientInboxRow } from '../../store/tables/inboxes-table.ts'
import * as messages from '../../store/tables/messages-table.ts'
import { selectOwnReferences } from '../../store/tables/thread-references-table.ts'
import { readInboundEntries } from '../inboxes/lists/find-denials.ts'
import { denialsOf } from '../inboxes/lists/list-rules.ts'
import type { PreparedContent } from '../messages/content/prepared-content.ts'
import { type AncestorHashes, ancestorHashes } from '../messages/threads/threading.ts'

/** A message for one inbox. */
export interface Incoming {
  readonly inbox: RecipientInboxRow
  readonly parsed: Pick<PreparedContent['parsed'], 'from' | 'inReplyTo' | 'references'>
  /** The domain of its only From address, if the sender is authenticated for it. */
  readonly verifiedDomain: string | undefined
}

/** Addresses of From that are compared. Almost all mail has one; each more counts as one that is in no list. */
const SENDERS_MAX = 10

/**
 * None of its statements needs the result of another, so that they share a round trip with what the caller reads at the same time.
 *
 * @returns the messages that are denied. In an organization without such lists, it runs no statement.
 */
export async function findBlocked<Message extends Incoming>(
  tx: Tx,
  incoming: readonly Message[],
  allowLists: Config['allowLists'],
): Promise<ReadonlySet<Message>> {
  const asked = incoming
    .filter(({ inbox }) => inbox.has_inbound_lists === 1)
    .map((message) => {
      const { inbox, parsed } = message
      return { message, inbox, addresses: sendersOf(parsed), ancestors: ancestorHashes(parsed) }
    })
  if (asked.length === 0) return new Set()
  const [sent, known] = await Promise.all([findSent(tx, asked), readInboundEntries(tx, asked)])
  const blocked = asked.filter(({ message: { verifiedDomain }, inbox, addresses, ancestors }) => {
    const direction = isAnswer(inbox.id, ancestors, sent) ? 'reply' : 'receive'
    const isNeverAllowed = allowLists !== 'any' && verifiedDomain === undefined
    return denialsOf({ inbox, direction, addresses, isNeverAllowed }, known).length > 0
  })
  return new Set(blocked.map(({ message }) => message))
}

function sendersOf({ from }: Incoming['parsed']): (string | undefined)[] {
  const compared = from.slice(0, SENDERS_MAX).map(({ address }) => normaliseAddress(address))
  return compared.length === 0 || from.length > SENDERS_MAX ? [...compared, undefined] : compared
}

/** Returns the ancestors that the inboxes have sent, as "inbox hash". */
async function findSent(
  tx: Tx,
  asked: readonly { readonly message: Incoming; readonly ancestors: AncestorHashes }[],
): Promise<ReadonlySet<string>> {
  const rowsOf = (kind: keyof AncestorHashes) =>
    asked.flatMap(({ message, ancestors }) => ancestors[kind].map((hash) => ({ inbox_id: message.inbox.id, hash })))
  const [own, renamed] = await tx.runRows([
    rowStep(messages.selectSent, rowsOf('ids')),
    rowStep(selectOwnReferences, rowsOf('relayIds')),
  ])
  return new Set([...own, ...renamed].map(({ inbox_id, hash }) => `${inbox_id} ${hash}`))
}

function isAnswer(inboxId: string, { ids, relayIds }: AncestorHashes, sent: ReadonlySet<string>): boolean {
  return [...ids, ...relayIds].some((hash) => sent.has(`${inboxId} ${hash}`))
}
