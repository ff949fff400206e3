/**
 * Apps that an agent can sign in to with its inbox, and the accounts that it has there: services of AgentMail's own.
 * Martlet offers none, so every list is empty, and no sign-in waits for an inbox.
 */
import type { Limits } from '../../config/limits.ts'
import { MailError } from '../../errors.ts'
import type { Store } from '../../store/store.ts'
import { requireInbox, requireScope } from '../access/access.ts'
import type { Actor, Within } from '../access/actor.ts'
import { closePage, openPage, type Page, type PageRequest } from '../access/paging/page-tokens.ts'

export interface Apps {
  /** @throws invalid_page_token */
  list(actor: Actor, page: PageRequest): Page<never>
  /** Needs inbox_read. @throws missing_permission, not_found, invalid_page_token */
  listAccounts(actor: Actor, within: Within, page: PageRequest): Promise<Page<never>>
  /**
   * Authorizes a sign-in that waits at auth.agentid.com, AgentMail's own service. Only that service issues the tokens, so
   * none is known here. Needs app_connect.
   *
   * @throws missing_permission, validation_error; not_found, for the inbox and for every token
   */
  authorize(actor: Actor, inbox: string, authToken: string): Promise<never>
}

/** A token that AgentMail's service issues. */
export const authTokenPattern = '^[A-Za-z0-9_-]{22}$'
const isAuthToken = new RegExp(authTokenPattern)

interface AppsNeeds {
  readonly store: Pick<Store, 'db'>
  readonly limits: Limits
}

export function createApps({ store, limits }: AppsNeeds): Apps {
  const empty = (page: PageRequest): Page<never> => {
    const { pageDefault, pageMax } = limits.lists
    return closePage([], openPage(page, {}, { default: pageDefault, max: pageMax }), {}, undefined)
  }
  return {
    list: (_actor, page) => empty(page),

    async listAccounts(actor, within, page) {
      await requireScope(store.db, actor, 'inbox_read', within)
      return empty(page)
    },

    async authorize(actor, inbox, authToken) {
      await requireInbox(store.db, actor, 'app_connect', inbox)
      if (!isAuthToken.test(authToken)) {
        const detail = 'auth_token must have 22 characters of A-Z, a-z, 0-9, - and _'
        throw new MailError('validation_error', { detail, path: ['auth_token'] })
      }
      throw new MailError('not_found', { what: 'Sign-in' })
    },
  }
}
