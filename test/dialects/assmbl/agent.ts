/** An agent of the Assmbl dialect: an inbox and its key. Its requests are raw HTTP. */
import { randomUUID } from 'node:crypto'
import type { Answer, World } from '../../support/world.ts'

export interface Agent {
  readonly address: string
  readonly key: string
  readonly request: (method: string, path: string, body?: unknown, headers?: Record<string, string>) => Promise<Answer>
}

/** Makes an inbox with a key of its own. */
export async function makeAgent(world: World, permissions?: Readonly<Record<string, boolean>>): Promise<Agent> {
  const username = `agent-${randomUUID().slice(0, 8)}`
  const { body: inbox } = await world.request('POST', '/v0/inboxes', { body: { username } })
  const at = `/v0/inboxes/${encodeURIComponent(inbox.inbox_id)}/api-keys`
  const { body: key } = await world.request('POST', at, { body: { ...(permissions && { permissions }) } })
  return {
    address: inbox.inbox_id,
    key: key.api_key,
    request: (method, path, body, headers = {}) =>
      world.request(method, path, { key: key.api_key, headers, ...(body !== undefined && { body }) }),
  }
}

/** Sends by SMTP, and returns the message as the agent lists it. */
export async function receiveMail(
  world: World,
  agent: Agent,
  mail: { readonly subject?: string; readonly text?: string; readonly from?: string } & Record<string, unknown> = {},
  // biome-ignore lint/suspicious/noExplicitAny: tests read any response
): Promise<any> {
  await world.smtp.send({ to: agent.address, subject: 'hello', text: 'hello', ...mail })
  let cursor = ''
  for (;;) {
    const { body } = await agent.request('GET', `/inbox?limit=100&include_archived=true${cursor}`)
    if (body.next_cursor === null) return body.items.at(-1)
    cursor = `&cursor=${body.next_cursor}`
  }
}
