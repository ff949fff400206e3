/**
 * The three scopes in which AgentMail offers the same resource: the whole scope of the key, one pod, one inbox. Here a
 * scope is only a path prefix; the core decides what the caller may see.
 */
import { type TSchema, Type } from 'typebox'
import type { Within } from '../../../../mail/access/actor.ts'
import type { RequestSchema } from '../../server/requests/bounded-schema.ts'

export interface ScopeRoute {
  /** Path prefix of the resource. */
  readonly path: string
  readonly params: Readonly<Record<string, TSchema>>
  /** The narrowest key that can have such an object in its scope. */
  readonly narrowestKey: 'inbox' | 'pod'
}

const organization: ScopeRoute = { path: '', params: {}, narrowestKey: 'inbox' }
const pod: ScopeRoute = {
  path: '/pods/:pod_id',
  params: { pod_id: Type.String({ description: 'Id or client_id.' }) },
  narrowestKey: 'pod',
}
const inbox: ScopeRoute = {
  path: '/inboxes/:inbox_id',
  params: { inbox_id: Type.String({ description: 'Address.' }) },
  narrowestKey: 'inbox',
}

export const scopeRoutes = { organization, pod, inbox }

/**
 * Refuses members with which a body asks for a narrower scope than that of its path. They would be ignored, and a key or a webhook that
 * was meant for one inbox would be one of the whole organization.
 *
 * @param resource path below the scope, such as "/api-keys"
 * @param narrower scopes that have this resource too
 * @returns the schema of the body for this scope
 */
export function refuseNarrowerScope<Body extends TSchema>(
  body: Body,
  scopeRoute: ScopeRoute,
  resource: string,
  narrower: readonly ScopeRoute[] = [pod, inbox],
): Body {
  const order = [organization, pod, inbox]
  const below = narrower.filter((each) => order.indexOf(each) > order.indexOf(scopeRoute))
  const advice = ({ path }: ScopeRoute) =>
    `the path sets the scope, POST /v0${path.replace(/:(\w+)/, '{$1}')}${resource}`
  const misnamed = Object.fromEntries(below.map((each) => [each === pod ? 'pod_id' : 'inbox_id', advice(each)]))
  return { ...body, misnamed: { ...(body as RequestSchema).misnamed, ...misnamed } }
}

interface ScopeParams {
  readonly pod_id?: string
  readonly inbox_id?: string
}

/** Returns the path parameters of a scope and of the resource below it. */
export function paramsOf<Own extends Record<string, string> = Record<never, string>>(
  scopeRoute: ScopeRoute,
  own: Readonly<Record<keyof Own & string, TSchema>>,
) {
  return Type.Unsafe<ScopeParams & Own>(Type.Object({ ...scopeRoute.params, ...own }))
}

export function withinOf({ pod_id, inbox_id }: ScopeParams): Within {
  if (inbox_id !== undefined) return { inbox: inbox_id }
  return pod_id !== undefined ? { pod: pod_id } : {}
}
