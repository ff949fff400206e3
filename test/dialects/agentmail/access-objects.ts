/**
 * Objects for the walk over all routes (access.test.ts): one of each kind in an inbox, keys of each scope, and values
 * for the members of request bodies. A new path parameter or a required member needs an entry here.
 */
import { createHash, randomUUID } from 'node:crypto'
import { expect } from 'vitest'
import { changeRows } from '../../support/test-database.ts'
import type { World } from '../../support/world.ts'

/** One object of each kind, by the name of its path parameter. All belong to one inbox. */
export type Ids = Readonly<Record<string, string>>

/** Returns the ids for a path: below a draft, an attachment is one of the draft. */
export function idsFor(path: string, ids: Ids): Ids {
  return path.includes('{draft_id}') ? { ...ids, attachment_id: ids.draft_attachment_id! } : ids
}

/** Objects in an inbox, with a key of the inbox and a key of its pod. */
export interface Owned {
  readonly ids: Ids
  readonly inboxKey: string
  readonly podKey: string
}

/** Values of the members of request bodies, where the first value that the schema allows is not accepted. */
const members: Readonly<Record<string, unknown>> = {
  to: 'bob@example.test',
  entry: 'new.test',
  domain: 'walked.test',
  feedback_enabled: true,
  url: 'https://hook.test/',
  event_types: ['message.received'],
  add_labels: ['walked'],
  display_name: 'Walker',
  permissions: {},
  headers: { 'x-walk': '1' },
  start: new Date(Date.now() - 60_000).toISOString(),
  all: true,
  human_email: 'walker@people.dev',
  auth_token: 'Zk3vT9qLw4ePzR31aBcD-x',
  otp_code: '123456',
}

/** Values of query parameters: requests that would wait do not. */
const parameters: Readonly<Record<string, string>> = { wait_seconds: '0', q: 'walk' }

export interface Schema {
  readonly type?: string
  readonly required?: readonly string[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly items?: Schema
  readonly anyOf?: readonly Schema[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
}

/** Returns a value that the schema allows: its required members, and the others that the table above has. */
export function sampleOf(schema: Schema, name = ''): unknown {
  if (name in members) return members[name]
  if (schema.const !== undefined) return schema.const
  if (schema.enum) return schema.enum[0]
  if (schema.anyOf) return sampleOf(schema.anyOf[0]!, name)
  if (schema.type === 'array') return schema.items ? [sampleOf(schema.items)] : []
  if (schema.type === 'object') {
    const { properties = {}, required = [] } = schema
    const names = Object.keys(properties).filter((each) => required.includes(each) || each in members)
    return Object.fromEntries(names.map((each) => [each, sampleOf(properties[each]!, each)]))
  }
  if (schema.type === 'boolean') return false
  return schema.type === 'integer' || schema.type === 'number' ? 1 : 'walk'
}

export function queryOf(names: readonly string[]): string {
  const given = names.filter((name) => name in parameters).map((name) => `${name}=${parameters[name]}`)
  return given.length === 0 ? '' : `?${given.join('&')}`
}

/** Makes an organization with a default pod and an unlimited key. Nothing in the API does that. */
export async function makeOrganization(world: World): Promise<string> {
  const [organization, key, now] = [randomUUID(), `am_${randomUUID()}`, Date.now()]
  const hash = createHash('sha256').update(key).digest('hex')
  await changeRows(
    world,
    `insert into organizations (id, created_at, updated_at) values ('${organization}', ${now}, ${now});
     insert into pods (id, organization_id, name, is_default, inbox_count, created_at, updated_at)
       values ('${randomUUID()}', '${organization}', 'Default', 1, 0, ${now}, ${now});
     insert into api_keys (id, kind, organization_id, name, prefix, key_hash, is_root, created_by, created_at, updated_at)
       values ('${randomUUID()}', 'bearer', '${organization}', 'other', 'am_', '${hash}', 0, 'test', ${now}, ${now})`,
  )
  return key
}

/**
 * Makes one object of each kind, in a new inbox of a new pod.
 *
 * @param needsDelivery false saves the time until the webhook has one
 */
export async function makeObjects(world: World, key: string, needsDelivery = true): Promise<Owned> {
  const make = async (path: string, body: object) => {
    const answer = await world.request('POST', `/v0${path}`, { body, key })
    expect(answer.status, `POST ${path}: ${JSON.stringify(answer.body)}`).toBe(200)
    return answer.body
  }
  const pod = await make('/pods', {})
  const inbox = await make(`/pods/${pod.pod_id}/inboxes`, {})
  const at = `/inboxes/${encodeURIComponent(inbox.inbox_id)}`
  const [podKey, inboxKey, plainKey, appPassword, webhook, domain] = await Promise.all([
    make(`/pods/${pod.pod_id}/api-keys`, {}),
    make(`${at}/api-keys`, {}),
    make(`${at}/api-keys`, { permissions: {} }),
    make(`${at}/app-passwords`, { permissions: {} }),
    make(`${at}/webhooks`, { url: 'https://hook.test/', event_types: ['message.sent'] }),
    make(`/pods/${pod.pod_id}/domains`, { domain: `${randomUUID()}.test` }),
  ])
  const entry = `${randomUUID()}@example.test`
  await Promise.all(['', `/pods/${pod.pod_id}`, at].map((scope) => make(`${scope}/lists/send/block`, { entry })))
  const { address } = await make(`${at}/aliases`, { address: `${randomUUID()}@mail.localhost` })
  const attachments = [{ filename: 'a.txt', content: 'YQ==' }]
  const senderId = randomUUID()
  const columns =
    'id, organization_id, pod_id, inbox_id, claim, address, message_at, expires_at, verified_at, created_at'
  await changeRows(
    world,
    `insert into verified_senders (${columns})
       select '${senderId}', organization_id, pod_id, id, 'network:192.0.2.1 a@b.test', 'a@b.test', 1, 1, 1, 1
       from inboxes where address = '${inbox.inbox_id}'`,
  )
  const message = await make(`${at}/messages/send`, { to: 'bob@example.test', text: 'walk', attachments })
  const draft = await make(`${at}/drafts`, { to: 'bob@example.test', text: 'walk', attachments })
  const shown = await world.request('GET', `/v0${at}/messages/${encodeURIComponent(message.message_id)}`, { key })
  return {
    podKey: podKey.api_key,
    inboxKey: inboxKey.api_key,
    ids: {
      pod_id: pod.pod_id,
      inbox_id: inbox.inbox_id,
      message_id: message.message_id,
      thread_id: message.thread_id,
      attachment_id: shown.body.attachments[0].attachment_id,
      draft_id: draft.draft_id,
      draft_attachment_id: draft.attachments[0].attachment_id,
      webhook_id: webhook.webhook_id,
      ...(needsDelivery && { delivery_id: await firstDelivery(world, key, webhook.webhook_id) }),
      api_key_id: plainKey.api_key_id,
      app_password_id: appPassword.app_password_id,
      direction: 'send',
      type: 'block',
      domain_id: domain.domain_id,
      address,
      entry,
      sender_id: senderId,
    },
  }
}

/** Waits until the event of the sent message is in the queue of the webhook. */
async function firstDelivery(world: World, key: string, webhookId: string): Promise<string> {
  const list = async () => (await world.request('GET', `/v0/webhooks/${webhookId}/deliveries`, { key })).body.deliveries
  await expect.poll(async () => (await list()).length, { interval: 5 }).toBe(1)
  return (await list())[0].delivery_id
}
