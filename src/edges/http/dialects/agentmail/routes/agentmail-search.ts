/** Searches of messages, threads and inboxes, and the route that makes the text index again (Martlet's own). */
import { Type } from 'typebox'
import type { Limits } from '../../../../../config/limits.ts'
import type { SearchInboxes } from '../../../../../mail/inboxes/inbox-search.ts'
import type { MailSearch } from '../../../../../mail/messages/search/mail-search.ts'
import type { RebuildIndex } from '../../../../../mail/messages/search/rebuild-index.ts'
import type { HttpApp, HttpContext } from '../../../server/http-dialect.ts'
import { readTime } from '../../../server/requests/read-time.ts'
import { access } from '../../../server/route-access.ts'
import { hiddenFilters, pageQuery, readHiddenFilter, readPage, timeFilters } from '../query-parameters.ts'
import { paramsOf, scopeRoutes, withinOf } from '../scope-routes.ts'
import { InboxList, inboxList } from '../wire/inbox-wire.ts'
import { searchText } from '../wire/request-texts.ts'
import { FoundMessages, FoundThreads, foundMessages, foundThreads } from '../wire/search-wire.ts'
import { ok } from '../wire/shape-wire.ts'

interface SearchNeeds extends HttpContext {
  readonly mailSearch: MailSearch
  readonly inboxSearch: SearchInboxes
  readonly rebuildIndex: RebuildIndex
}

const tags = ['Search']
const q = Type.String({ description: 'Plain text: no character in it is an operator.', rule: searchText })
const rules = ['q can have at most … words']
const { page_token } = pageQuery
const limit = Type.Optional(
  Type.Integer({
    minimum: 1,
    description: 'Items per page.',
    rule: ({ lists }: Limits) => ({ maximum: lists.filteredPageMax }),
  }),
)
const mailQuery = Type.Object({ q, limit, page_token, ...timeFilters, ...hiddenFilters })

const searchMessages = {
  tags,
  summary: 'Search the messages of an inbox, newest first',
  description:
    'Finds messages whose subject or addresses contain `q`, or whose text contains every word of it. A page can be ' +
    'empty and still have a `next_page_token`.',
  params: Type.Object({ inbox_id: Type.String({ description: 'Address.' }) }),
  querystring: mailQuery,
  response: ok(FoundMessages),
  rules,
}

const searchThreads = {
  tags,
  summary: 'Search threads by their messages',
  description:
    'Finds threads with a message that the search of messages would find. In one inbox the newest is first; in several, ' +
    'inbox after inbox. A page can be empty and still have a `next_page_token`.',
  querystring: mailQuery,
  response: ok(FoundThreads),
  rules,
}

const searchInboxes = {
  tags,
  summary: 'Search inboxes by address and display name',
  description:
    'Each word of `q` must be the start of a word. The inbox whose address is `q` is first, then the newest.',
  querystring: Type.Object({ q, limit, page_token }),
  response: ok(InboxList),
  rules,
}

const Rebuilding = Type.Object({ blocks: Type.Integer({ description: 'Blocks that are made again.' }) })

export function searchRoutes(app: HttpApp, { mailSearch, inboxSearch, rebuildIndex, responses }: SearchNeeds): void {
  app.get(
    '/inboxes/:inbox_id/messages/search',
    { schema: searchMessages, config: access('message_read') },
    async (request, reply) => {
      const { actor, params, query } = request
      const memory = responses.memoryOf(request, reply)
      const page = await mailSearch.messages(actor, params.inbox_id, readMailQuery(query), readPage(query), memory)
      return foundMessages(page)
    },
  )

  for (const scopeRoute of Object.values(scopeRoutes)) {
    const schema = { ...searchThreads, params: paramsOf(scopeRoute, {}) }
    app.get(
      `${scopeRoute.path}/threads/search`,
      { schema, config: access('message_read', scopeRoute) },
      async (request, reply) => {
        const { actor, params, query } = request
        const memory = responses.memoryOf(request, reply)
        return foundThreads(
          await mailSearch.threads(actor, withinOf(params), readMailQuery(query), readPage(query), memory),
        )
      },
    )
  }

  for (const scopeRoute of [scopeRoutes.organization, scopeRoutes.pod]) {
    const schema = { ...searchInboxes, params: paramsOf(scopeRoute, {}) }
    app.get(
      `${scopeRoute.path}/inboxes/search`,
      { schema, config: access('inbox_read', scopeRoute) },
      async ({ actor, params, query }) =>
        inboxList(await inboxSearch(actor, withinOf(params), query.q, readPage(query))),
    )
  }

  const schema = {
    tags,
    summary: 'Make the text index of all inboxes again (root key only)',
    isOurs: true,
    response: ok(Rebuilding),
  }
  app.post('/search/rebuild', { schema, config: access([], { narrowestKey: 'root' }) }, async ({ actor }) => ({
    blocks: await rebuildIndex(actor),
  }))
}

/** @throws validation_error for an invalid date */
function readMailQuery({ q, before, after, ...include }: MailQueryParameters) {
  const [from, to] = [readTime('before', before), readTime('after', after)]
  return { q, before: from, after: to, include: readHiddenFilter(include) }
}

type MailQueryParameters = Parameters<typeof readHiddenFilter>[0] & {
  readonly q: string
  readonly before?: string
  readonly after?: string
}
