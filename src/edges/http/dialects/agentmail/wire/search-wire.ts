/** Results of searches: the items of lists, with the fragments that match (docs/compatibility/agentmail.md). */
import { Type } from 'typebox'
import type { Page } from '../../../../../mail/access/paging/page-tokens.ts'
import type { Found } from '../../../../../mail/messages/search/mail-search.ts'
import type { Highlights as HighlightsView } from '../../../../../mail/messages/search/search-query.ts'
import type { ThreadItem as ThreadItemView } from '../../../../../mail/messages/threads/thread.ts'
import type { MessageItem as MessageItemView } from '../../../../../mail/messages/views/message.ts'
import { MessageItem, messageItem } from './message-wire.ts'
import { named, namedPage, pageHead, type Wire } from './shape-wire.ts'
import { ThreadItem, threadItem } from './thread-wire.ts'

const fragments = Type.Optional(Type.Array(Type.String()))

const Highlights = named(
  'SearchHighlights',
  { from: fragments, recipients: fragments, subject: fragments, text: fragments },
  { description: 'Fragments of the fields that match, as plain text, with `**` around each match.' },
)

const found = { highlights: Type.Optional(Highlights) }

export const FoundMessages = namedPage('SearchMessagesResponse', {
  messages: Type.Array(Type.Object({ ...MessageItem.properties, ...found })),
})

export function foundMessages(page: Page<Found<MessageItemView>>): Wire<typeof FoundMessages> {
  const messages = page.items.map((item) =>
    Object.assign(messageItem(item), { highlights: highlights(item.highlights) }),
  )
  return { ...pageHead(page), messages }
}

export const FoundThreads = namedPage('SearchThreadsResponse', {
  threads: Type.Array(Type.Object({ ...ThreadItem.properties, ...found })),
})

export function foundThreads(page: Page<Found<ThreadItemView>>): Wire<typeof FoundThreads> {
  const threads = page.items.map((item) => Object.assign(threadItem(item), { highlights: highlights(item.highlights) }))
  return { ...pageHead(page), threads }
}

function highlights(view: HighlightsView | undefined): Wire<typeof Highlights> | undefined {
  return view && { ...view }
}
