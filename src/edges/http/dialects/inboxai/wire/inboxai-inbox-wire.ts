/** Inboxes: AgentMail's, with an opaque id and the parts of the address (docs/compatibility/inboxai.md). */

import { splitAddress } from '../../../../../formats/address/address.ts'
import type { Page } from '../../../../../mail/access/paging/page-tokens.ts'
import type { CreatedInbox, Inbox } from '../../../../../mail/inboxes/inbox.ts'
import * as agentMail from '../../agentmail/wire/inbox-wire.ts'
import { pageHead } from '../../agentmail/wire/shape-wire.ts'
import { shownInboxId } from '../inboxai-ids.ts'
import { type MailServers, newCredentials } from './credentials-wire.ts'

export function inbox(view: Inbox) {
  const { localPart, domain } = splitAddress(view.address)
  return {
    ...agentMail.inbox(view),
    inbox_id: shownInboxId(view.id),
    email_address: view.address,
    username: localPart,
    domain,
  }
}

export function inboxList(page: Page<Inbox>) {
  return { ...pageHead(page), inboxes: page.items.map(inbox) }
}

/** With the credentials of a new inbox: they are shown only here. */
export function createdInbox(view: CreatedInbox, servers: MailServers) {
  return { ...inbox(view), ...(view.appPassword && newCredentials(view.appPassword, servers)) }
}
