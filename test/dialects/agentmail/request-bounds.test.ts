/**
 * Tests that each list, object and text in a request has a limit, and that a request that exceeds one is refused before
 * the rest of it is validated.
 */
import { expect, test } from 'vitest'
import { withLimits } from '../../../src/config/limits.ts'
import { boundRequest } from '../../../src/edges/http/server/requests/bounded-schema.ts'
import { validatorCompiler } from '../../../src/edges/http/server/requests/validation.ts'
import { MailError } from '../../../src/errors.ts'
import { inlined } from './api-description.ts'
import { startEdge } from './edge.ts'

interface Schema {
  readonly [keyword: string]: unknown
  readonly type?: string
  readonly properties?: Readonly<Record<string, Schema>>
  readonly items?: Schema
  readonly additionalProperties?: Schema
  readonly anyOf?: readonly Schema[]
}

/** Keywords without nested schemas. The test fails for a keyword in neither list, which must be added to one first. */
const PLAIN = [
  ...['type', 'description', 'default', 'enum', 'const', 'format', 'minimum', 'maximum', 'required'],
  ...['contentEncoding', 'contentMediaType', 'maxItems', 'maxProperties', 'maxLength'],
  ...['minLength', 'minItems', 'minProperties', 'uniqueItems', 'pattern', 'examples', 'x-martlet', 'propertyNames'],
]
const NESTING = ['properties', 'items', 'additionalProperties', 'anyOf']

function* unboundedIn(schema: Schema, at: string): Generator<string> {
  for (const keyword of Object.keys(schema)) {
    if (![...PLAIN, ...NESTING].includes(keyword)) yield `${at}: the keyword "${keyword}" is not known here`
  }
  const bound = { array: 'maxItems', object: 'maxProperties', string: 'maxLength' }[schema.type ?? '']
  if (bound && !schema.enum && typeof schema[bound] !== 'number') yield `${at}: ${schema.type} without ${bound}`
  for (const [name, inner] of Object.entries(schema.properties ?? {})) yield* unboundedIn(inner, `${at}.${name}`)
  if (schema.items) yield* unboundedIn(schema.items, `${at}[]`)
  if (schema.additionalProperties) yield* unboundedIn(schema.additionalProperties, `${at}.*`)
  for (const branch of schema.anyOf ?? []) yield* unboundedIn(branch, at)
}

test('every list, object and text in a request has a limit', async () => {
  await using edge = await startEdge()
  const body = inlined((await edge.request('GET', '/v0/openapi.json', { key: null })).body)
  const operations = Object.entries<Record<string, Operation>>(body.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ name: `${method} ${path}`, ...operation })),
  )
  const bodies = operations.flatMap(({ name, requestBody }) => {
    const schema = requestBody?.content['application/json']?.schema
    return schema ? [[`${name} body`, schema] as const] : []
  })
  const parameters = operations.flatMap(({ name, parameters = [] }) =>
    parameters.map((each) => [`${name} ${each.name}`, each.schema] as const),
  )
  expect([...bodies, ...parameters].flatMap(([at, schema]) => [...unboundedIn(schema, at)])).toEqual([])
  expect([bodies.length, parameters.length].every((count) => count > 30)).toBe(true)
})

interface Operation {
  readonly parameters?: readonly { readonly name: string; readonly schema: Schema }[]
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema?: Schema }>> }
}

const inbox = '/v0/inboxes/a@b.test'
const five = ['a', 'b', 'c', 'd', 'e']
const six = Object.fromEntries([...five, 'f'].map((name) => [name, 'x']))

test.each<[string, string, string, object, string]>([
  ['a list', 'POST', `${inbox}/messages/send`, { cc: five }, 'cc must not have more than 4 items'],
  [
    'a list of nonsense',
    'POST',
    `${inbox}/messages/send`,
    { to: five.map(() => ({})) },
    'to must not have more than 4 items',
  ],
  ['a map', 'POST', `${inbox}/messages/send`, { headers: six }, 'headers must not have more than 5 members'],
  [
    'a text',
    'POST',
    `${inbox}/messages/send`,
    { subject: 'x'.repeat(31) },
    'subject must not have more than 30 characters',
  ],
  [
    'a text in a list',
    'PATCH',
    `${inbox}/messages/1`,
    { add_labels: ['a', 'x'.repeat(31)] },
    'add_labels.1 must not have more than 30 characters',
  ],
  [
    'a text in a map',
    'POST',
    '/v0/inboxes',
    { metadata: { note: 'x'.repeat(31) } },
    'metadata.note must not have more than 30 characters',
  ],
  ['members that nobody knows', 'POST', '/v0/inboxes', six, 'The request must not have more than 5 members'],
  [
    'a list in an attachment',
    'POST',
    `${inbox}/messages/send`,
    { attachments: [{ filename: 'x'.repeat(31) }] },
    'attachments.0.filename must not have more than 30 characters',
  ],
  ['a list in a query', 'GET', `${inbox}/messages?labels=a,b,c,d,e`, {}, 'labels must not have more than 4 items'],
  ['parameters', 'GET', `${inbox}/messages?a=&b=&c=&d=&e=&f=`, {}, 'The request must not have more than 5 members'],
])('%s that is too large is refused as such', async (_name, method, path, body, message) => {
  const limits = { http: { listItemsMax: 4, objectMembersMax: 5, textCharsMax: 30 } }
  await using edge = await startEdge({ limits })
  const answer = await edge.request(method, path, method === 'GET' ? {} : { body })
  expect(answer).toMatchObject({ status: 400, body: { code: 'validation_error', message } })
})

test('the text, HTML and attachments of a message may be as long as the request body', async () => {
  const sent = { id: 'id', messageId: '<1@x.test>', threadId: 't', inboxId: 'inbox' }
  await using edge = await startEdge({
    limits: { http: { textCharsMax: 30 } },
    core: { sending: { send: async () => sent } },
  })
  const long = 'abcd'.repeat(50_000)
  const body = { to: 'a@b.test', text: long, html: long, attachments: [{ content: long }] }
  expect((await edge.request('POST', `${inbox}/messages/send`, { body })).status).toBe(200)
})

test('validation takes the same time for one error and for fifty thousand', () => {
  const item = { type: 'object', properties: { name: { type: 'string' } }, required: ['name'] }
  const either = { anyOf: [{ type: 'string' }, { type: 'array', items: item }] }
  const body = { type: 'object', properties: { list: either } }
  const { body: schema } = boundRequest({ body }, 1_000_000, withLimits()) as { body: object }
  const validate = validatorCompiler({ schema, method: 'POST', url: '/', httpPart: 'body' })
  const readOf = (count: number) => {
    let reads = 0
    const faulty = new Proxy(Array(count).fill({}), {
      get(target, name, sink) {
        reads += 1
        return Reflect.get(target, name, sink)
      },
    })
    expect(validate({ list: faulty })).toMatchObject({ error: expect.any(MailError) })
    return reads
  }
  expect(readOf(50_000)).toBeLessThan(20)
  expect(readOf(1_000)).toBeLessThan(5_000)
})

test('an error message contains only the beginning of a long name', async () => {
  await using edge = await startEdge()
  const metadata = { ['x'.repeat(10_000)]: null }
  const { body } = await edge.request('POST', '/v0/inboxes', { body: { metadata } })
  expect(body.code).toBe('validation_error')
  expect(JSON.stringify(body).length).toBeLessThan(1_000)
})

test('routes with the same schema share one copy, and one with another limit of the body does not', () => {
  const body = { type: 'object', properties: { raw: { type: 'string', contentEncoding: 'base64' } } }
  const [one, same, larger] = [10, 10, 20].map((bytes) => boundRequest({ body }, bytes, withLimits({})).body)
  expect(same).toBe(one)
  expect(one).toMatchObject({ properties: { raw: { maxLength: 10 } } })
  expect(larger).toMatchObject({ properties: { raw: { maxLength: 20 } } })
})
