/** Tests the API description at /v0/openapi.json. Requests that it describes are made by schemathesis.test.ts. */
import SwaggerParser from '@apidevtools/swagger-parser'
import { beforeAll, expect, test } from 'vitest'
import { operationId } from '../../../src/edges/http/dialects/agentmail/openapi/operation-ids.ts'
import { ApiDescription } from './api-description.ts'
import { startEdge } from './edge.ts'
import operations from './operations.json' with { type: 'json' }

let description: ApiDescription

beforeAll(async () => {
  await using edge = await startEdge({ env: { MARTLET_PUBLIC_URL: 'https://mail.example.com' } })
  const { status, body } = await edge.request('GET', '/v0/openapi.json', { key: null })
  expect(status).toBe(200)
  description = new ApiDescription(body)
})

test('it is valid OpenAPI 3.1, for the public URL', async () => {
  const { document } = description
  await SwaggerParser.validate(structuredClone(document))
  expect(document.openapi).toBe('3.1.0')
  expect(document.servers).toMatchObject([{ url: 'https://mail.example.com' }])
})

const sdkNames = operations.map(({ method, path, npm, python }) => {
  const name = (npm ?? python)!.replaceAll('.', '_').replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
  return { method, path, name }
})

test('operations have the names of the SDK, also those that are not built', () => {
  const others = sdkNames.filter(({ method, path, name }) => operationId(method, path.slice('/v0'.length)) !== name)
  expect(others).toEqual([])
  const ids = description.operations.map(({ operation }) => operation.operationId)
  expect(new Set(ids).size).toBe(ids.length)
  expect(ids).toContain('inboxes_messages_send')
})

test("what AgentMail does not have is marked as Martlet's own, unless older clients use it", () => {
  const known = new Set(sdkNames.map(({ method, path }) => `${method} ${path}`))
  const wrong = description.operations.filter(({ name, operation }) => {
    return known.has(name) === (operation['x-martlet'] === true || operation.deprecated === true)
  })
  expect(wrong.map(({ name }) => name)).toEqual([])
  const { Message, SendMessageRequest } = description.document.components.schemas
  expect(Message.properties.codes['x-martlet']).toBe(true)
  expect(SendMessageRequest.properties.hold['x-martlet']).toBe(true)
  expect(Message.properties.text['x-martlet']).toBeUndefined()
})

test('each operation says what it does, and each parameter what it means', () => {
  const tags = new Set(description.document.tags.map(({ name }: { name: string }) => name))
  const silent = description.operations.flatMap(({ name, operation }) => [
    ...(operation.summary && operation.tags.every((tag: string) => tags.has(tag)) ? [] : [name]),
    ...(operation.parameters ?? [])
      .filter((parameter: { description?: string }) => !parameter.description)
      .map((parameter: { name: string }) => `${name} ${parameter.name}`),
  ])
  const undescribed = silent.filter(
    (each) => !/ (include_|pod_id|inbox_id|type$|direction$|state$|ascending$)/.test(each),
  )
  expect(undescribed).toEqual([])
})

test('each body has a name, and a valid example', () => {
  const bodies = description.operations.flatMap(({ name, operation }) => {
    const schema = operation.requestBody?.content['application/json'].schema
    return schema ? [{ name, schema }] : []
  })
  expect(bodies.filter(({ schema }) => schema.$ref === undefined)).toEqual([])
  const withoutExample = bodies.filter(({ schema }) => description.resolve(schema).examples === undefined)
  expect(withoutExample.map(({ schema }) => schema.$ref)).toEqual([])
  for (const [name, schema] of Object.entries<{ examples?: unknown[] }>(description.document.components.schemas))
    for (const example of schema.examples ?? []) expect(description.matches(schema, example), name).toBe(true)
})

test('each operation has the responses to a missing key, a wrong request and a busy server', () => {
  for (const { name, operation } of description.operations) {
    const needsKey = operation.security?.length !== 0
    const statuses = Object.keys(operation.responses)
    expect(statuses, name).toEqual(expect.arrayContaining(['400', '408', '429', '431', '500', '503']))
    expect(statuses.includes('401') && statuses.includes('403'), name).toBe(needsKey)
    if (name.includes('{')) expect(statuses, name).toContain('404')
    if (operation.requestBody) expect(statuses, name).toContain('413')
  }
  const send = description.operations.find(({ operation }) => operation.operationId === 'inboxes_messages_send')!
  expect(send.operation.responses[422]['x-martlet-codes']).toContain('unprocessable')
  expect(send.operation.responses[409].description).toContain('`conflict`')
})

// The header field is sent with each of these, and was described only for 429 and 503.
test('a conflict that ends by itself has Retry-After, and others do not', () => {
  const headerOf = (id: string) => {
    const { responses } = description.operations.find(({ operation }) => operation.operationId === id)!.operation
    return responses[409].headers['Retry-After']
  }
  const send = headerOf('inboxes_messages_send')
  expect(send.schema).toEqual({ type: 'integer', minimum: 0 })
  expect(send.description).toContain('A request with this Idempotency-Key is still running')
  expect(send.description).not.toContain('was used for another request')
  for (const id of ['inboxes_create', 'inboxes_drafts_update', 'webhooks_replay', 'pods_create'])
    expect(headerOf(id).description, id).toMatch(/^Seconds\. Only if waiting helps:\n\n- `\w+`: /)
  expect(headerOf('webhooks_deliveries_redeliver')).toBeUndefined()
})

test('members that are always refused are not listed', () => {
  const {
    CreateApiKeyRequest,
    CreateInboxWebhookRequest,
    CreatePodWebhookRequest,
    ReplyAllMessageRequest,
    QueueSelection,
  } = description.document.components.schemas
  expect(CreateApiKeyRequest.properties).not.toHaveProperty('public_key')
  expect(CreatePodWebhookRequest.properties).not.toHaveProperty('pod_ids')
  expect(CreatePodWebhookRequest.properties).toHaveProperty('inbox_ids')
  expect(CreateInboxWebhookRequest.properties).not.toHaveProperty('inbox_ids')
  expect(ReplyAllMessageRequest.properties).not.toHaveProperty('to')
  expect(QueueSelection.properties).not.toHaveProperty('route')
})

test('rules of the core are in the schemas, with the limits of this server', async () => {
  await using edge = await startEdge({ limits: { messages: { labelCharsMax: 7 } } })
  const { body } = await edge.request('GET', '/v0/openapi.json', { key: null })
  const { UpdateMessageRequest, CreateInboxRequest } = body.components.schemas
  expect(UpdateMessageRequest.properties.add_labels.anyOf[0]).toMatchObject({ minLength: 1, maxLength: 7 })
  expect(CreateInboxRequest.properties.client_id.pattern).toBe('^[A-Za-z0-9._~-]{1,256}$')
})
