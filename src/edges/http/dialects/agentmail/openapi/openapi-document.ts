/**
 * The API description (OpenAPI 3.1), made from the routes themselves, so that it cannot differ from what validates the
 * requests. It is made at the first request for it, and this module and its texts are loaded then: a server that nobody
 * asks for it pays neither time nor memory (docs/adr/0064).
 */
import type { FastifySchema } from 'fastify'
import type { Limits } from '../../../../../config/limits.ts'
import type { OperationAccess } from '../../../../../mail/access/operation-access.ts'
import { errorComponents, errorResponses, rateHeaders } from './openapi-errors.ts'
import { examples } from './openapi-examples.ts'
import { createShownSchemas, type Keywords, type ShownSchemas } from './openapi-schemas.ts'
import { introduction, tags } from './openapi-texts.ts'
import { operationId } from './operation-ids.ts'

/** A route, as Fastify has it. */
export interface DescribedRoute {
  readonly method: string
  /** With the prefix, and `:name` for parameters. */
  readonly url: string
  readonly schema: FastifySchema
  readonly access: OperationAccess | 'public'
}

interface DocumentNeeds {
  readonly routes: readonly DescribedRoute[]
  readonly prefix: string
  readonly publicUrl: string
  readonly version: string
  readonly limits: Limits
}

/** The keywords of an object schema that become parameters. */
interface ObjectSchema {
  readonly properties?: Readonly<Record<string, Keywords>>
  readonly required?: readonly string[]
}

export function openApiDocument({ routes, prefix, publicUrl, version, limits }: DocumentNeeds): Keywords {
  const schemas = createShownSchemas(limits, examples)
  const paths: Record<string, Record<string, Keywords>> = {}
  for (const route of routes) {
    const path = route.url.replace(/:(\w+)/g, '{$1}')
    const operation = describe(route, path.slice(prefix.length), schemas)
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operation }
  }
  const errors = errorComponents()
  const named = Object.entries({ ...schemas.components, ...errors.schemas })
  const used = new Set(routes.flatMap(({ schema }) => schema.tags ?? []))
  return {
    openapi: '3.1.0',
    info: {
      title: 'Martlet',
      version,
      summary: 'Email for AI agents: the API of AgentMail, on your own server',
      description: introduction,
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    servers: [{ url: publicUrl, description: 'This server (MARTLET_PUBLIC_URL).' }],
    security: [{ bearer: [] }],
    tags: tags.filter(({ name }) => used.has(name)),
    paths,
    components: {
      schemas: Object.fromEntries(named.sort(([one], [other]) => (one < other ? -1 : 1))),
      responses: errors.responses,
      headers: errors.headers,
      securitySchemes: {
        bearer: { type: 'http', scheme: 'bearer', description: 'An API key.' },
        query: { type: 'apiKey', in: 'query', name: 'api_key', description: 'An API key, for browsers.' },
      },
    },
  }
}

function describe(route: DescribedRoute, path: string, schemas: ShownSchemas): Keywords {
  const { schema, access, method } = route
  const body = schema.body as (ObjectSchema & object) | undefined
  const query = schema.querystring as ObjectSchema | undefined
  const parameters = [
    ...parametersOf('path', schema.params as ObjectSchema | undefined, schemas),
    ...parametersOf('query', query, schemas),
    ...parametersOf('header', schema.headerFields, schemas),
  ]
  const form = {
    needsKey: access !== 'public',
    hasParameters: path.includes('{'),
    hasBody: body !== undefined,
    isPaged: query?.properties?.page_token !== undefined,
    declared: schema.errors ?? [],
    rules: schema.rules ?? [],
  }
  return {
    operationId: operationId(method, path),
    ...(schema.tags && { tags: schema.tags }),
    summary: schema.summary,
    ...(schema.description !== undefined && { description: schema.description }),
    ...(schema.isOurs && { 'x-martlet': true }),
    ...(schema.isDeprecated && { deprecated: true }),
    ...securityOf(access, query),
    ...(access !== 'public' && { 'x-martlet-access': accessOf(access) }),
    ...(parameters.length > 0 && { parameters }),
    ...(body && { requestBody: bodyOf(body, schemas) }),
    responses: {
      ...(schema.refused === undefined &&
        successOf(schema.response as Readonly<Record<string, object>>, schemas, access !== 'public')),
      ...errorResponses(form),
    },
  }
}

function parametersOf(where: string, schema: ObjectSchema | undefined, schemas: ShownSchemas): Keywords[] {
  const members = Object.entries(schema?.properties ?? {}).filter(([name, { isRefused }]) => {
    return !isRefused && name !== 'api_key' // the security scheme says it
  })
  return members.map(([name, { description, ...member }]) => {
    const { 'x-martlet': isOurs, ...shown } = schemas.show(member)
    const isRequired = where === 'path' || (schema?.required?.includes(name) ?? false)
    return {
      name,
      in: where,
      required: isRequired,
      ...(description !== undefined && { description }),
      schema: shown,
      ...(isOurs === true && { 'x-martlet': true }),
    }
  })
}

function bodyOf(body: ObjectSchema & object, schemas: ShownSchemas): Keywords {
  // No body and an empty one are the same.
  return {
    required: (body.required?.length ?? 0) > 0,
    content: { 'application/json': { schema: schemas.show(body) } },
  }
}

function successOf(
  responses: Readonly<Record<string, object>>,
  schemas: ShownSchemas,
  hasKey: boolean,
): Record<string, Keywords> {
  const headers = hasKey ? { headers: rateHeaders } : {}
  const described = Object.entries(responses).map(([status, schema]) => {
    const { description = 'Done.', contentMediaType = 'application/json' } = schema as Readonly<Record<string, string>>
    const { type } = schema as { readonly type?: string }
    if (type === 'null') return [status, { description, ...headers }]
    const unnamed = { ...schema, contentMediaType: undefined, description: undefined } // the response has both
    const shown = schemas.show('title' in schema ? schema : unnamed)
    return [status, { description, ...headers, content: { [contentMediaType]: { schema: shown } } }]
  })
  return Object.fromEntries(described)
}

function securityOf(access: DescribedRoute['access'], query: ObjectSchema | undefined): Keywords {
  if (access === 'public') return { security: [] }
  return query?.properties?.api_key === undefined ? {} : { security: [{ bearer: [] }, { query: [] }] }
}

/** What the operation demands of the key (docs/adr/0045). */
function accessOf({ narrowestKey, permissions, conditional }: OperationAccess): Keywords {
  return { narrowest_key: narrowestKey, permissions, ...(conditional && { conditional }) }
}
