/**
 * Apps that an agent can sign in to with its inbox, and the accounts that it has there: services of AgentMail's own.
 * Martlet offers none, so every list is empty.
 */
import type { Limits } from '../../config/limits.ts'
import type { Store } from '../../store/store.ts'
import { requireScope } from '../access/access.ts'
import type { Actor, Within } from '../access/actor.ts'
import { closePage, openPage, type Page, type PageRequest } from '../access/paging/page-tokens.ts'

export interface Apps {
  /** @throws invalid_page_token */
  list(actor: Actor, page: PageRequest): Page<never>
  /** Needs inbox_read. @throws missing_permission, not_found, invalid_page_token */
  listAccounts(actor: Actor, within: Within, page: PageRequest): Promise<Page<never>>
}

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
  }
}
