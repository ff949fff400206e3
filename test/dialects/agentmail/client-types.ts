/**
 * A program of a TypeScript user: `npm run check` compiles it. It uses what Martlet adds to AgentMail's objects, without
 * casts, and nothing runs it.
 */

import { AgentMailClient } from 'agentmail'
import {
  type AwaitedMessage,
  type Code,
  type EventPage,
  type Link,
  listEvents,
  waitForMessage,
} from 'martlet/agentmail'
import type { Static } from 'typebox'
import type { EventList } from '../../../src/edges/http/dialects/agentmail/wire/event-list-wire.ts'
import type { AwaitedMessage as AwaitedMessageSchema } from '../../../src/edges/http/dialects/agentmail/wire/message-wire.ts'

export async function readCode(client: AgentMailClient, inboxId: string, url: string): Promise<string | undefined> {
  const answer = await waitForMessage(client, url, inboxId, { subject: ['Welcome'], wait_seconds: 60 })
  if (answer.message === null) return undefined
  const message = await client.inboxes.messages.get(inboxId, answer.message.message_id)
  const codes: Code[] = message.codes
  const links: Link[] = message.links
  if (message.truncated || message.verified_domain !== 'example.com') return undefined
  return codes[0]?.code ?? links[0]?.url ?? message.text_from_html ?? message.authentication?.result ?? message.subject
}

export async function lastCursor(client: AgentMailClient, url: string): Promise<string> {
  const page = await listEvents(client, url, { after: 'latest' })
  const thread = await client.threads.get('a')
  const [first] = thread.messages
  let cursor = first?.codes[0]?.code ?? thread.participants[0] ?? page.cursor
  const socket = await client.websockets.connect()
  socket.on('message', (frame) => {
    if (frame.type === 'subscribed') cursor = frame.cursor
    if (frame.type !== 'event') return
    cursor = frame.cursor
    if (frame.eventType === 'message.received') cursor += frame.message.links[0]?.url ?? frame.thread.subject
  })
  return cursor
}

export const client = new AgentMailClient({ apiKey: 'am_example' })

/** The types are those of the schemas. */
export function compare(awaited: Static<typeof AwaitedMessageSchema>, page: Static<typeof EventList>) {
  const { message, cursor } = awaited
  const shown: Omit<AwaitedMessage, 'message'> = { cursor }
  const known: NonNullable<AwaitedMessage['message']> = message!
  const events: EventPage = page
  return { shown, known, events }
}
