/**
 * Reports what a request has and its route does not know: members of the body, for all dialects, and parameters of the
 * query. They are ignored, because newer clients send more than this version knows. But a misspelt `hodl: true` would let the
 * mail leave. So a response names them in the header field Martlet-Warning, and a request with `Martlet-Strict: true` is
 * refused before it changes anything (docs/adr/0056).
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { similarName } from '../../../../config/similar-name.ts'
import { MailError } from '../../../../errors.ts'
import type { RequestSchema } from './bounded-schema.ts'

export interface UnknownMember {
  readonly path: readonly (string | number)[]
  /** The names that are known there. */
  readonly known: readonly string[]
}

/** Known names that an error lists; the largest body has 20. */
const KNOWN_MAX = 30

/** Names in a warning, and the length of each. */
const NAMED_MAX = 3
const NAME_CHARS_MAX = 64

/**
 * @param what "query parameters", for example
 * @param isRefused also without the header field
 * @throws validation_error in strict mode
 */
export function reportUnknown(
  request: Pick<FastifyRequest, 'headers'>,
  reply: Pick<FastifyReply, 'getHeader' | 'header'>,
  what: string,
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
    throw new MailError('validation_error', { detail, path })
  }
  const named = unknown
    .slice(0, NAMED_MAX)
    .map(({ path }) => path.map((name) => encodeURIComponent(readable(name))).join('.'))
  addWarning(reply, `unknown ${what} were ignored: ${named.join(', ')}${unknown.length > NAMED_MAX ? ', ...' : ''}`)
}

/** Adds a warning to those that the response already has. */
export function addWarning(reply: Pick<FastifyReply, 'getHeader' | 'header'>, warning: string): void {
  const earlier = reply.getHeader('martlet-warning')
  reply.header('martlet-warning', earlier === undefined ? warning : `${earlier}; ${warning}`)
}

/**
 * Refuses a member whose loss changes what the request does: a send with `send_at` would leave at once, and one with `body`
 * would be empty. The schemas list only names that no client of the service sends.
 *
 * @throws validation_error
 */
export function requireNoMisnomer({ misnamed = {} }: RequestSchema, body: unknown): void {
  for (const [name, advice] of Object.entries(misnamed)) {
    if (!Object.hasOwn(body as object, name) || (body as Record<string, unknown>)[name] === null) continue
    throw new MailError('validation_error', { detail: `${name} is unknown: ${advice}`, path: [name] })
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
