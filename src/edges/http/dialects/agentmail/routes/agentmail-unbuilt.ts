/**
 * Operations of AgentMail that Martlet does not have yet, of both generations of its clients. They answer 403 with the
 * code `not_implemented`, after authentication and the check of the scope: "not found" would look as if a message or
 * inbox did not exist, and clients repeat a 5xx. The table shrinks as operations are built.
 */
import { Type } from 'typebox'
import { MailError } from '../../../../../errors.ts'
import type { Scopes } from '../../../../../mail/access/scopes.ts'
import type { HttpApp } from '../../../server/http-dialect.ts'
import { access } from '../../../server/route-access.ts'
import { withinOf } from '../scope-routes.ts'

const ROOT = ['']
const PODS = ['/pods/:pod_id']
const INBOXES = ['/inboxes/:inbox_id']
const EVERYWHERE = [...ROOT, ...PODS, ...INBOXES]

/** Subjects as plural nouns, each with prefixes and the operations below each prefix. */
const UNBUILT: readonly (readonly [subject: string, prefixes: readonly string[], operations: string])[] = [
  [
    'Polling webhooks',
    EVERYWHERE,
    `GET /webhooks/polling, POST /webhooks/polling, GET /webhooks/polling/:webhook_id,
     DELETE /webhooks/polling/:webhook_id`,
  ],
  [
    'Calendars',
    INBOXES,
    `GET /calendar, PATCH /calendar, GET /calendar/agenda, GET /calendar/events, POST /calendar/events,
     GET /calendar/events/:event_id, PATCH /calendar/events/:event_id, DELETE /calendar/events/:event_id,
     GET /calendar/events/:event_id/instances, POST /calendar/events/:event_id/respond`,
  ],
  [
    'Files',
    INBOXES,
    'GET /files, POST /files, GET /files/:file_id, DELETE /files/:file_id, POST /files/:file_id/complete',
  ],
  [
    'Verdicts on prompt injection (Agent Armor)',
    INBOXES,
    'POST /messages/:message_id/agent-armor/feedback, POST /messages/:message_id/agent-armor/release',
  ],
]

/** Single ones of lists that are always empty (agentmail-apps.ts): services of AgentMail's own. */
const REFUSED: Readonly<Record<string, string>> = {
  Account: `GET /accounts/:account_id, PATCH /accounts/:account_id/update, GET /pods/:pod_id/accounts/:account_id,
    GET /inboxes/:inbox_id/accounts/:account_id`,
  Provider: 'GET /providers/:provider_id, GET /providers/:provider_id/accounts, POST /providers/:provider_id/connect',
  App: 'GET /apps/:app_id, GET /apps/:app_id/accounts, POST /apps/:app_id/connect',
}

interface Operation {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  /** With `:name` for parameters. */
  readonly path: string
}

export interface UnbuiltOperation extends Operation {
  /** What is not built, for people. */
  readonly subject: string
  /** It answers 404: there are no such objects. */
  readonly isRefused: boolean
}

/** Every operation of this file, for GET /v0/capabilities and the test that compares them with the clients. */
export function unbuiltOperations(): UnbuiltOperation[] {
  const inScopes = UNBUILT.flatMap(([subject, prefixes, operations]) =>
    prefixes.flatMap((prefix) => parse(operations, prefix)).map((each) => ({ ...each, subject, isRefused: false })),
  )
  const refused = Object.entries(REFUSED).flatMap(([what, operations]) =>
    parse(operations).map((each) => ({ ...each, subject: what, isRefused: true })),
  )
  return [...inScopes, ...refused]
}

function parse(operations: string, prefix = ''): Operation[] {
  return operations.split(',').map((operation) => {
    const [method, path] = operation.trim().split(' ')
    return { method: method as Operation['method'], path: `${prefix}${path}` }
  })
}

interface UnbuiltNeeds {
  readonly scopes: Scopes
}

const hidden = { hide: true }
const accessOf = (url: string) => ({
  ...access([], { narrowestKey: url.startsWith('/pods/') ? 'pod' : 'inbox' }),
  isUnbuilt: true,
})
const params = Type.Object({ pod_id: Type.Optional(Type.String()), inbox_id: Type.Optional(Type.String()) })

/** Routes that need a key. Each path has one route for all its methods, because each route delays the start. */
export function unbuiltRoutes(app: HttpApp, { scopes }: UnbuiltNeeds): void {
  const refusals = new Map<string, Map<string, () => MailError>>()
  for (const [subject, prefixes, operations] of UNBUILT)
    for (const operation of prefixes.flatMap((prefix) => parse(operations, prefix)))
      refuse(operation, (shown) => new MailError('not_implemented', { subject, operation: shown }))
  for (const [what, operations] of Object.entries(REFUSED))
    for (const operation of parse(operations)) refuse(operation, () => new MailError('not_found', { what }))

  for (const [url, byMethod] of refusals)
    app.route({
      method: [...byMethod.keys()],
      url,
      config: accessOf(url),
      schema: { ...hidden, params },
      // Before the body is read.
      onRequest: async (request) => {
        await scopes.requireVisible(request.actor, withinOf(request.params))
        throw byMethod.get(request.method)!()
      },
      handler: () => undefined,
    })

  function refuse({ method, path }: Operation, errorOf: (shown: string) => MailError): void {
    const error = () => errorOf(`${method} /v0${path.replace(/:(\w+)/g, '{$1}')}`)
    const byMethod = refusals.get(path) ?? new Map<string, () => MailError>()
    refusals.set(path, byMethod.set(method, error))
    if (method === 'GET') byMethod.set('HEAD', error)
  }
}
