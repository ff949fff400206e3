/**
 * Adds bounds to request schemas: every array gets maxItems, every object maxProperties and every string maxLength, so
 * that neither validation nor the core processes more than that. Bounds that a schema already has are kept.
 *
 * The bounds are added when a route is registered, for every dialect. So no array can lack a bound, and the API
 * description shows what is checked. The core has smaller limits for recipients, labels and other lists.
 */
import type { FastifySchema } from 'fastify'
import type { Limits } from '../../../../config/limits.ts'

/** The keywords of JSON Schema that the routes use. */
export interface RequestSchema {
  readonly type?: string
  readonly properties?: Readonly<Record<string, RequestSchema>>
  readonly additionalProperties?: RequestSchema
  readonly items?: RequestSchema
  readonly anyOf?: readonly RequestSchema[]
  readonly maxItems?: number
  readonly maxProperties?: number
  readonly maxLength?: number
  /** JSON Schema 2020-12 §8.3 and §8.4: the text is content, for example the HTML of a message or an attachment. */
  readonly contentEncoding?: string
  readonly contentMediaType?: string
  /** What a value of another type should be, if its type alone does not say: "an ISO 8601 time". */
  readonly expected?: string
  /** The names that have a meaning in an object without declared members. Without it, the caller chooses all names. */
  readonly knownNames?: readonly string[]
  /** Members of a body, or query parameters, that no client of the service sends, with what to write instead. They are refused. */
  readonly misnamed?: Readonly<Record<string, string>>
  /** Of a body: unknown members are always refused, because one that is ignored would select more. */
  readonly refusesUnknown?: boolean
  /** The member exists to be refused. */
  readonly isRefused?: boolean
}

interface Bounds {
  readonly itemsMax: number
  readonly membersMax: number
  readonly textCharsMax: number
  readonly contentCharsMax: number
}

/**
 * @param schema       the schema of a route; response schemas are not changed
 * @param bodyBytesMax the body limit of the route, which also limits the length of content in the body
 * @returns a copy, because routes share schemas
 */
export function boundRequest(schema: FastifySchema, bodyBytesMax: number, limits: Limits): FastifySchema {
  const bounds = { itemsMax: limits.http.listItemsMax, membersMax: limits.http.objectMembersMax }
  const given = { ...bounds, textCharsMax: limits.http.textCharsMax, contentCharsMax: bodyBytesMax }
  const path = {
    ...bounds,
    textCharsMax: limits.http.pathParameterCharsMax,
    contentCharsMax: limits.http.pathParameterCharsMax,
  }
  const { body, querystring, params } = schema as Readonly<Record<string, RequestSchema | undefined>>
  return {
    ...schema,
    ...(body && { body: boundOnce(body, given) }),
    ...(querystring && { querystring: boundOnce(querystring, given) }),
    ...(params && { params: boundOnce(params, path) }),
  }
}

/** Copies by schema and bounds: routes that share a schema also share its copy, and so the compiled validator. */
const boundedSchemas = new WeakMap<RequestSchema, Map<string, RequestSchema>>()

function boundOnce(schema: RequestSchema, bounds: Bounds): RequestSchema {
  const key = Object.values(bounds).join(' ')
  const copies = boundedSchemas.get(schema) ?? new Map<string, RequestSchema>()
  const copy = copies.get(key) ?? bound(schema, bounds)
  boundedSchemas.set(schema, copies.set(key, copy))
  return copy
}

function bound(schema: RequestSchema, bounds: Bounds): RequestSchema {
  const { type, properties, additionalProperties, items, anyOf } = schema
  const isContent = schema.contentEncoding !== undefined || schema.contentMediaType !== undefined
  const inner = (each: RequestSchema) => bound(each, bounds)
  return {
    ...(type === 'array' && { maxItems: bounds.itemsMax }),
    ...(type === 'object' && { maxProperties: bounds.membersMax }),
    ...(type === 'string' && { maxLength: isContent ? bounds.contentCharsMax : bounds.textCharsMax }),
    ...schema,
    ...(properties && {
      properties: Object.fromEntries(Object.entries(properties).map(([name, each]) => [name, inner(each)])),
    }),
    ...(additionalProperties && { additionalProperties: inner(additionalProperties) }),
    ...(items && { items: inner(items) }),
    ...(anyOf && { anyOf: anyOf.map(inner) }),
  }
}
