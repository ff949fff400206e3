/**
 * Runs every tool of `agentmail-toolkit` for Node against a server, through its MCP adapter, which checks each result with the
 * schema of the tool. The registry of the tests does not have the package (that for Python: python-clients.test.ts), so this runs
 * only with TEST_TOOLKIT, the folder of a build (CONTRIBUTING.md).
 */
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { expect, test } from 'vitest'
import { startWorld } from '../../support/world.ts'

const folder = process.env.TEST_TOOLKIT

/** A tool, as the adapter returns it. */
interface Tool {
  readonly name: string
  /** Parsers of its arguments (zod). */
  readonly inputSchema: Readonly<Record<string, { parse(value: unknown): unknown }>>
  callback(args: object): Promise<{
    readonly isError: boolean
    readonly content: readonly { readonly text: string }[]
    // biome-ignore lint/suspicious/noExplicitAny: of any tool
    readonly structuredContent?: any
  }>
}

test.runIf(folder !== undefined)('each tool of the toolkit for Node works', { timeout: 60_000 }, async () => {
  await using world = await startWorld()
  const { AgentMailToolkit } = await import(pathToFileURL(join(folder!, 'dist/mcp.js')).href)
  const tools = new Map<string, Tool>(
    new AgentMailToolkit(world.agentmail).getTools().map((tool: Tool) => [tool.name, tool]),
  )
  const called = new Set<string>()

  async function run(name: string, args: Readonly<Record<string, unknown>>) {
    called.add(name)
    const { inputSchema, callback } = tools.get(name)!
    const parsed = Object.entries(inputSchema).map(([member, schema]) => [member, schema.parse(args[member])])
    const { isError, content, structuredContent } = await callback(Object.fromEntries(parsed))
    expect(isError, `${name}: ${content[0]?.text}`).toBe(false)
    return structuredContent
  }

  const { inboxId } = await run('create_inbox', {
    username: 'kit',
    displayName: 'Kit',
    metadata: { a: 1 },
    clientId: 'x',
  })
  expect(await run('get_inbox', { inboxId })).toMatchObject({ inboxId, displayName: 'Kit', metadata: { a: 1 } })
  expect((await run('list_inboxes', {})).inboxes).toContainEqual(expect.objectContaining({ inboxId }))
  await run('update_inbox', { inboxId, displayName: 'New', metadata: { a: null } })
  const attachments = [{ filename: 'a.txt', content: 'YQ==', contentType: 'text/plain' }]
  const mail = { subject: 'Hi', text: 'hello searchable world', html: '<p>hello</p>', labels: ['x'], attachments }
  const { messageId, threadId } = await run('send_message', { inboxId, to: [inboxId, 'bob@example.test'], ...mail })
  const labels = async () => (await world.agentmail.inboxes.messages.get(inboxId, messageId)).labels
  await expect.poll(labels).toContain('received') // a message to oneself is stored once
  const filter = { labels: ['sent'], ascending: true, from: ['kit'], subject: ['Hi'], after: '2020-01-01T00:00:00Z' }
  expect((await run('list_messages', { inboxId, ...filter })).messages).toMatchObject([{ messageId }])
  expect((await run('search_messages', { inboxId, q: 'searchable' })).count).toBe(1)
  expect((await run('search_threads', { inboxId, q: 'searchable' })).threads).toMatchObject([{ threadId }])
  expect((await run('list_threads', { inboxId, senders: ['kit'], limit: 5 })).count).toBe(1)
  const thread = await run('get_thread', { inboxId, threadId })
  const [{ attachmentId }] = thread.attachments
  expect(await run('get_attachment', { inboxId, threadId, attachmentId })).toMatchObject({ filename: 'a.txt', size: 1 })
  await run('update_thread', { inboxId, threadId, addLabels: ['seen'] })
  await run('reply_to_message', { inboxId, messageId, text: 'one more' })
  await run('reply_to_message', { inboxId, messageId, replyAll: true, text: 'to all' })
  await run('forward_message', { inboxId, messageId, to: ['carl@example.test'], text: 'see' })
  const labelled = await run('update_message', { inboxId, messageId, addLabels: ['y'], removeLabels: ['x'] })
  expect(labelled.labels).toEqual(expect.arrayContaining(['seen', 'y']))
  const draft = { inboxId, to: ['d@example.test'], subject: 'D', text: 'draft' }
  const { draftId } = await run('create_draft', { ...draft, clientId: 'd1' })
  expect((await run('list_drafts', { inboxId })).drafts).toMatchObject([{ draftId }])
  await run('update_draft', { inboxId, draftId, text: 'changed', sendAt: new Date(Date.now() + 60_000).toISOString() })
  expect(await run('get_draft', { inboxId, draftId })).toMatchObject({ text: 'changed', sendStatus: 'scheduled' })
  await run('send_draft', { inboxId, draftId })
  await run('delete_draft', { inboxId, draftId: (await run('create_draft', draft)).draftId })
  expect(await run('auth_me', {})).toMatchObject({ scopeType: 'organization' })
  await run('delete_thread', { inboxId, threadId })
  await run('delete_inbox', { inboxId })

  expect([...called].toSorted()).toEqual([...tools.keys()].toSorted())
  const missing = await tools.get('get_inbox')!.callback({ inboxId })
  expect(missing).toMatchObject({ isError: true, content: [{ text: expect.stringContaining('Inbox not found') }] })
})
