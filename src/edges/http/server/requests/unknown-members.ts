/**
 * Reports what a request has and its route does not know: members of the body, for all dialects, and parameters of the
 * query. They are ignored, because newer clients send more than this version knows. But a misspelt `hodl: true` would let the
 * mail leave. So a response names them in the header field Martlet-Warning, and a request with `Martlet-Strict: true` is
 * refused before it changes anything (docs/adr/0056). Clients do not show header fields, so an error says it too: what is missing
 * in a request may be in a member with another name.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { similarName } from '../../../../config/similar-name.ts'
import type { ErrorKind } from '../../../../errors/error-definition.ts'
import { MailError } from '../../../../errors.ts'
import type { RequestSchema } from './bounded-schema.ts'

export interface UnknownMember {
  readonly path: readonly (string | number)[]
  /** The names that are known there. */
  readonly known: readonly string[]
}

export const MEMBERS = 'members of the body'
export const PARAMETERS = 'query parameters'

/** Known names that an error lists; the largest body has 20. */
const KNOWN_MAX = 30

/** Names in a warning, and the length of each. */
const NAMED_MAX = 3
const NAME_CHARS_MAX = 64

/**
 * @param isRefused also without the header field
 * @throws validation_error in strict mode
 */
export function reportUnknown(
  request: Pick<FastifyRequest, 'headers'>,
  reply: Pick<FastifyReply, 'getHeader' | 'header'>,
  what: typeof MEMBERS | typeof PARAMETERS,
  unknown: readonly UnknownMember[],
  isRefused = false,
): void {
  const strict = request.headers['martlet-strict']
  if (strict !== undefined && strict !== 'true' && strict !== 'false') {
    throw new MailError('validation_error', { detail: 'The header field Martlet-Strict must be true or false' })
  }
  const [first] = unknown
  if (!first) return
  if (strict === 'true' || isRefused) {
    const path = first.path.map((name) => (typeof name === 'string' ? readable(name) : name))
    const known = first.known.slice(0, KNOWN_MAX)
    const meant = similarName(String(path.at(-1)), first.known)
    const shown = [...known, ...(known.length < first.known.length ? ['...'] : [])].join(', ')
    const parent = path.length > 1 ? `members of ${path.slice(0, -1).join('.')}` : what
    const advice = meant === undefined ? '' : `write ${meant}; `
    const detail = `${path.join('.')} is unknown: ${advice}${shown === '' ? `there are no ${parent}` : `the ${parent} are ${shown}`}`
    throw new MailError('validation_error', { detail, path, isOfUnknown: true })
  }
  if (what === PARAMETERS) ignoredParameters.set(request, unknown)
  addWarning(reply, `unknown ${what} were ignored: ${namesIn(unknown, encodeURIComponent)}`)
}

/** Query parameters that were ignored, by request: each dialect finds its own. */
const ignoredParameters = new WeakMap<object, readonly UnknownMember[]>()

/** Errors of requests to which a member with another name can be the reason. */
const KINDS: ReadonlySet<ErrorKind> = new Set(['invalid', 'unprocessable'])

/**
 * Adds to an error what its request has and its route ignores.
 *
 * @returns the same error if nothing was ignored, or if the error itself is about an unknown name
 */
export function withIgnored(error: MailError, request: Pick<FastifyRequest, 'body' | 'routeOptions'>): MailError {
  if (!KINDS.has(error.kind) || ('isOfUnknown' in error.params && error.params.isOfUnknown)) return error
  const schema = request.routeOptions?.schema?.body as RequestSchema | undefined
  const sentences = [
    ignoredSentence(MEMBERS, unknownMembers(schema, request.body)),
    ignoredSentence(PARAMETERS, ignoredParameters.get(request) ?? []),
  ]
  const fix = [error.fix, ...sentences].filter((each) => each !== undefined).join(' ')
  return fix === (error.fix ?? '')
    ? error
    : new MailError(error.code, { ...error.params, fix } as never, { cause: error })
}

function ignoredSentence(what: string, unknown: readonly UnknownMember[]): string | undefined {
  return unknown.length === 0 ? undefined : `Unknown ${what} were ignored: ${namesIn(unknown, (name) => name)}.`
}

function namesIn(unknown: readonly UnknownMember[], encode: (name: string) => string): string {
  const named = unknown.slice(0, NAMED_MAX).map(({ path }) => path.map((name) => encode(readable(name))).join('.'))
  return [...named, ...(unknown.length > NAMED_MAX ? ['...'] : [])].join(', ')
}

/** Adds a warning to those that the response already has. */
export function addWarning(reply: Pick<FastifyReply, 'getHeader' | 'header'>, warning: string): void {
  const earlier = reply.getHeader('martlet-warning')
  reply.header('martlet-warning', earlier === undefined ? warning : `${earlier}; ${warning}`)
}

/**
 * Refuses a member or a query parameter whose loss changes what the request does: a send with `send_at` would leave at once, and one with `body`
 * would be empty; a list with `q` would have everything. The schemas list only names that no client of the service sends.
 *
 * @throws validation_error
 */
export function requireNoMisnomer({ misnamed = {} }: RequestSchema, given: unknown): void {
  for (const [name, advice] of Object.entries(misnamed)) {
    if (!Object.hasOwn(given as object, name) || (given as Record<string, unknown>)[name] === null) continue
    const detail = `${name} is unknown: ${advice}`
    throw new MailError('validation_error', { detail, path: [name], isOfUnknown: true })
  }
}

/** Returns the members of a valid body that its schema does not know, at most one more than a warning names. */
export function unknownMembers(schema: RequestSchema | undefined, body: unknown): UnknownMember[] {
  const found: UnknownMember[] = []
  if (schema) addUnknown(schema, body, [], found)
  return found
}

const NONE: ReadonlySet<string> = new Set()

/**
 * Returns the parameters that a route does not know: a typo in a filter would otherwise return everything without a word.
 *
 * @param schema of the route's query string; undefined: it has none
 * @param accepted parameters that clients send and no schema has; an error does not list them
 */
export function unknownQueryParameters(query: object, schema: unknown, accepted = NONE): UnknownMember[] {
  const { properties = {} } = (schema ?? {}) as { properties?: object }
  const unknown = Object.keys(query).filter((name) => !Object.hasOwn(properties, name) && !accepted.has(name))
  const known = Object.keys(properties).filter((name) => !accepted.has(name))
  return unknown.map((name) => ({ path: [name], known }))
}

/** An object without declared members, such as the metadata of an inbox, knows every member, unless its schema lists names. */
function addUnknown(schema: RequestSchema, value: unknown, path: UnknownMember['path'], found: UnknownMember[]): void {
  const { properties, additionalProperties, items, anyOf, knownNames } = schema
  if (found.length > NAMED_MAX || typeof value !== 'object' || value === null) return
  if (anyOf) {
    addUnknown(closest(anyOf, value), value, path, found)
  } else if (Array.isArray(value)) {
    if (items) for (const [index, item] of value.entries()) addUnknown(items, item, [...path, index], found)
  } else if (properties) {
    for (const [name, member] of Object.entries(value)) {
      const known = Object.hasOwn(properties, name) ? properties[name] : additionalProperties
      if (known) addUnknown(known, member, [...path, name], found)
      else if (found.length <= NAMED_MAX) found.push({ path: [...path, name], known: namesOf(properties) })
    }
  } else if (knownNames) {
    for (const name of Object.keys(value)) {
      if (!knownNames.includes(name) && found.length <= NAMED_MAX)
        found.push({ path: [...path, name], known: knownNames })
    }
  }
}

/** Without those that exist to be refused. */
function namesOf(properties: Readonly<Record<string, RequestSchema>>): string[] {
  return Object.keys(properties).filter((name) => !properties[name]!.isRefused)
}

/** Returns the alternative that knows most members of a value. */
function closest(alternatives: readonly RequestSchema[], value: object): RequestSchema {
  const countKnown = ({ type, properties = {} }: RequestSchema) => {
    if (Array.isArray(value)) return type === 'array' ? 1 : 0
    return Object.keys(value).filter((name) => Object.hasOwn(properties, name)).length
  }
  return alternatives.reduce((best, each) => (countKnown(each) > countKnown(best) ? each : best))
}

/** encodeURIComponent throws for half of a surrogate pair, and a field value has only ASCII characters (RFC 9110 §5.5). */
function readable(name: string | number): string {
  return Buffer.from(String(name).slice(0, NAME_CHARS_MAX)).toString()
}
