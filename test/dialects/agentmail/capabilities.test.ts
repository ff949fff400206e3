/** Tests GET /v0/capabilities: it says what the routes and the list of operations that are not built say. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { root, textOf } from '../../support/imports.ts'
import { ApiDescription } from './api-description.ts'
import { type Answer, startEdge } from './edge.ts'
import operations from './operations.json' with { type: 'json' }

let answer: Answer
let description: ApiDescription
beforeAll(async () => {
  const actor = {
    kind: 'key',
    apiKeyId: 'k',
    organizationId: 'o',
    podId: 'p',
    inboxId: 'i',
    permissions: new Set(),
  } as never
  await using edge = await startEdge({ actor, limits: { messages: { labelCharsMax: 7 } } })
  answer = await edge.request('GET', '/v0/capabilities')
  description = new ApiDescription((await edge.request('GET', '/v0/openapi.json', { key: null })).body)
})

test('any key may ask for it, and the response is as described', () => {
  expect(answer.status).toBe(200)
  expect(description.problemOf('GET /v0/capabilities', 200, answer.body)).toBeUndefined()
  expect(answer.body.version).toBe(JSON.parse(textOf('package.json')).version)
})

test('a program that compares its operations finds each with its state', () => {
  const known = new Map<string, { state: string; own?: true }>(
    answer.body.operations.map((each: { operation_id: string }) => [each.operation_id, each]),
  )
  expect(known.size).toBe(answer.body.operations.length)
  const states = operations.map(({ method, path, npm, python }) => {
    const id = (npm ?? python)!.replaceAll('.', '_').replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
    return [`${method} ${path}`, known.get(id)?.state] as const
  })
  const unbuilt = states.filter(([, state]) => state === 'not_implemented').map(([name]) => name)
  expect(unbuilt.every((name) => /calendar|files|webhooks\/polling|agent-armor/.test(name))).toBe(true)
  expect(unbuilt).toContain('GET /v0/inboxes/{inbox_id}/calendar')
  expect(states.filter(([, state]) => state === undefined)).toEqual([])
  expect(known.get('inboxes_messages_send')).toMatchObject({ method: 'POST', state: 'implemented' })
  expect(known.get('inboxes_messages_wait')).toMatchObject({ own: true })
  const refused = ['apps_get', 'inboxes_authorize', 'organizations_join_labs']
  expect(refused.map((id) => known.get(id)?.state)).toEqual(['refused', 'refused', 'refused'])
  const described = description.operations.map(({ operation }) => operation.operationId)
  expect(described.filter((id) => known.get(id)?.state !== 'implemented')).toEqual([
    'organizations_join_labs',
    'inboxes_authorize',
  ])
  const { paths } = description.document as { paths: Record<string, { post: { responses: object } }> }
  for (const path of ['/v0/organizations/labs', '/v0/inboxes/{inbox_id}/authorize'])
    expect(paths[path]!.post.responses).not.toHaveProperty('200')
})

test('the introduction of the API description and the README name what is not built', () => {
  const introduction: string = description.document.info.description
  const subjects = new Set<string>()
  for (const { state, subject } of answer.body.operations) if (state === 'not_implemented') subjects.add(subject)
  expect(subjects.size).toBe(4)
  for (const subject of [...subjects, 'open tracking'])
    for (const text of [introduction, textOf('README.md')])
      expect(text.toLowerCase().replace(/\s+/g, ' ')).toContain(subject.toLowerCase())
})

test('event types are said to be created if code creates them', () => {
  const folder = join(root, 'src/mail')
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'))
  const sources = files
    .filter((file) => !/(?:event-types|seven-types|counted-events)\.ts$/.test(file))
    .map((file) => readFileSync(join(folder, file), 'utf8'))
    .concat(textOf('src/mail/events/log/event-types.ts').split('export function receivedType')[1]!)
    .join('\n')
  const wrong = answer.body.event_types.filter(({ name, state }: { name: string; state: string }) => {
    return new RegExp(`'${name.replaceAll('.', '\\.')}'(?!:)`).test(sources) !== (state === 'implemented')
  })
  expect(wrong).toEqual([])
  const standard = answer.body.event_types.filter((each: { standard: boolean }) => each.standard)
  expect(standard).toHaveLength(8)
})

test('limits are those of this server, with their units', () => {
  const { limits } = answer.body
  expect(limits).toContainEqual({
    name: 'messages.labelCharsMax',
    value: 7,
    unit: 'count',
    description: 'Length of a label.',
  })
  expect(limits.length).toBeGreaterThan(25)
})
