/** Domains: AgentMail's, which are pending until they are verified (docs/compatibility/inboxai.md). */
import type { Page } from '../../../../../mail/access/paging/page-tokens.ts'
import type { Domain, DomainItem } from '../../../../../mail/domains/domain.ts'
import * as agentMail from '../../agentmail/wire/domain-wire.ts'
import { pageHead } from '../../agentmail/wire/shape-wire.ts'

export function domain(view: Domain) {
  return { ...agentMail.domain(view), ...statusOf(view) }
}

export function domainList(page: Page<DomainItem>) {
  const { domains } = agentMail.domainList(page)
  return {
    ...pageHead(page),
    domains: domains.map((each, index) => ({ ...each, ...statusOf(page.items[index]!) })),
  }
}

/** `records` and `reason` say what is missing. */
function statusOf({ status }: DomainItem) {
  return { status: status === 'VERIFIED' ? 'VERIFIED' : 'PENDING' }
}
