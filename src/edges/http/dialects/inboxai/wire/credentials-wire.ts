/**
 * The credentials with which mail programs open an inbox: app passwords of the core (docs/adr/0057), shown with the servers
 * that accept them (docs/compatibility/inboxai.md).
 */
import { Type } from 'typebox'
import type { AppPassword, NewAppPassword } from '../../../../../mail/access/keys/app-passwords.ts'
import type { Page } from '../../../../../mail/access/paging/page-tokens.ts'
import { optionalTime, pageHead, time } from '../../agentmail/wire/shape-wire.ts'
import { shownInboxId } from '../inboxai-ids.ts'

interface MailServer {
  readonly host: string
  readonly port: number
}

/** undefined: this server has no such port. */
export interface MailServers {
  readonly imap: MailServer | undefined
  readonly smtp: MailServer | undefined
}

/** The name of the credentials that are created with an inbox, as AgentMail's dialect shows it. */
export const CREDENTIALS_NAME = 'IMAP and SMTP'

/** Only the response that made the password contains it. */
export function newCredentials({ id, inboxAddress: username, password }: NewAppPassword, servers: MailServers) {
  return { credential_id: id, ...logins(servers, { username, password }) }
}

export function credentials(view: AppPassword, servers: MailServers) {
  return {
    credential_id: view.id,
    inbox_id: shownInboxId(view.inboxId),
    name: view.name,
    prefix: view.prefix,
    ...logins(servers, { username: view.inboxAddress }),
    created_at: time(view.createdAt),
    updated_at: time(view.updatedAt),
    expires_at: optionalTime(view.expiresAt),
    used_at: optionalTime(view.usedAt),
  }
}

export function credentialsWithPassword(view: NewAppPassword, servers: MailServers) {
  return { ...credentials(view, servers), ...newCredentials(view, servers) }
}

export function credentialsList(page: Page<AppPassword>, servers: MailServers) {
  return { ...pageHead(page), credentials: page.items.map((each) => credentials(each, servers)) }
}

function logins({ imap, smtp }: MailServers, login: { readonly username: string; readonly password?: string }) {
  return { imap: imap && { ...imap, ...login }, smtp: smtp && { ...smtp, ...login } }
}

export const CreateCredentials = Type.Object({ name: Type.Optional(Type.String()) })
