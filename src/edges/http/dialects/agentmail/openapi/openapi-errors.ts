/**
 * The error responses of an operation. Most follow from its form: a route with a key can answer 401, one with a body 413. Of
 * a status that only such errors have, all operations share one component; an error that a route declares (`errors`) is
 * described with the operation.
 */
import { type ErrorCode, MailError } from '../../../../../errors.ts'
import { renderError } from '../agentmail-errors.ts'
import type { Keywords } from './openapi-schemas.ts'

/** The form of an operation, as far as errors depend on it. */
export interface OperationForm {
  readonly needsKey: boolean
  readonly hasParameters: boolean
  readonly hasBody: boolean
  readonly isPaged: boolean
  readonly declared: readonly ErrorCode[]
  readonly rules: readonly string[]
}

interface SharedResponse {
  readonly name: string
  readonly description: string
  readonly codes: readonly ErrorCode[]
}

/** Name of the component, what the status means, and the errors that need no declaration. */
const shared: Readonly<Record<number, SharedResponse>> = {
  400: {
    name: 'BadRequest',
    description: 'The request breaks a rule of this description, or contains U+0000. `errors` says where.',
    codes: ['validation_error', 'invalid_json', 'unsupported_media_type', 'invalid_page_token'],
  },
  401: {
    name: 'Unauthorized',
    description: 'The key is missing, unknown, deleted or expired.',
    codes: ['missing_authorization', 'unknown_api_key'],
  },
  403: {
    name: 'Forbidden',
    description: 'The key lacks a permission, or its scope is too narrow: `fix` names what is needed.',
    codes: ['missing_permission', 'narrow_key'],
  },
  404: {
    name: 'NotFound',
    description: 'An object of the request does not exist, or the key may not know that it exists.',
    codes: ['not_found'],
  },
  408: { name: 'RequestTimeout', description: 'The request did not arrive in time.', codes: ['validation_error'] },
  413: {
    name: 'PayloadTooLarge',
    description: 'The body is too large, or has too many members.',
    codes: ['body_too_large', 'body_too_complex'],
  },
  429: {
    name: 'TooManyRequests',
    description: 'Too many requests. `Retry-After` says when to send the next one.',
    codes: ['rate_limit_exceeded'],
  },
  431: {
    name: 'HeaderFieldsTooLarge',
    description: 'The path and header fields are too large together.',
    codes: ['validation_error'],
  },
  500: {
    name: 'InternalServerError',
    description:
      'A bug, or stored bytes that are damaged or lost. The log of the server has the details, under the id in `X-Request-Id`.',
    codes: ['internal_error', 'content_damaged'],
  },
  503: {
    name: 'ServiceUnavailable',
    description: 'Nothing was changed; the same request can succeed later. `Retry-After` says when.',
    codes: ['unavailable', 'shutting_down', 'disk_full', 'too_many_bodies', 'too_many_responses'],
  },
}

const json = (schema: string, example?: object) => ({
  'application/json': { schema: { $ref: `#/components/schemas/${schema}` }, ...(example && { example }) },
})
const header = (description: string, schema: object) => ({ description, schema })

/** What is left to a key; absent if its requests are not limited (server/rate-headers.ts). */
const headers = {
  'X-RateLimit-Limit': header('Requests that the key may make per minute.', { type: 'integer' }),
  'X-RateLimit-Remaining': header('Requests that it may make now.', { type: 'integer' }),
  'X-RateLimit-Reset': header('When all of them are available again: seconds since 1970.', { type: 'integer' }),
}

/** References to them, for a response. */
export const rateHeaders = Object.fromEntries(
  Object.keys(headers).map((name) => [name, { $ref: `#/components/headers/${name}` }]),
)

/** Components to which the operations refer. */
export function errorComponents(): Readonly<Record<'responses' | 'schemas' | 'headers', Keywords>> {
  const responses = Object.entries(shared).map(([key, { name, description, codes }]) => {
    const status = Number(key)
    const example = renderError(new MailError(codes[0]!, sampleValues as never)).body
    const response = { description: `${description}${listOf(codes)}`, headers: headersOf(status) }
    const rules = status === 400 ? { 'x-martlet-rules': commonRules } : {}
    return [
      name,
      { ...response, content: json(schemaOf(status), example), 'x-martlet-codes': wireCodes(codes), ...rules },
    ]
  })
  return { responses: Object.fromEntries(responses), schemas: { ErrorResponse, ValidationErrorResponse }, headers }
}

/** @returns responses by status */
export function errorResponses(form: OperationForm): Readonly<Record<string, Keywords>> {
  const declared = new Map<number, ErrorCode[]>()
  for (const code of form.declared) {
    const { status } = shownError(code)
    declared.set(status, [...(declared.get(status) ?? []), code])
  }
  const statuses = new Set([...Object.keys(shared).map(Number).filter(has), ...declared.keys()])
  const sorted = [...statuses].sort((one, other) => one - other)
  return Object.fromEntries(sorted.map((status) => [status, responseOf(status, declared.get(status) ?? [])]))

  function has(status: number): boolean {
    if (status === 401 || status === 403) return form.needsKey
    if (status === 404) return form.hasParameters
    return status !== 413 || form.hasBody
  }

  function responseOf(status: number, codes: readonly ErrorCode[]): Keywords {
    const common = has(status) ? shared[status] : undefined
    const rules = status === 400 ? form.rules : []
    const added = codes.filter((code) => !common?.codes.includes(code))
    if (common && added.length === 0 && rules.length === 0) return { $ref: `#/components/responses/${common.name}` }
    const all = [...(common?.codes ?? []), ...added]
    const description = `${shared[status]?.description ?? 'The state of an object, or a policy, does not allow it.'}${listOf(all)}`
    const listed = rules.map((rule) => `\n- ${rule}`).join('')
    return {
      description: listed === '' ? description : `${description}\n\nRules that the schema does not state:\n${listed}`,
      headers: headersOf(status, codes),
      content: json(schemaOf(status)),
      'x-martlet-codes': wireCodes(all),
      ...(status === 400 && { 'x-martlet-rules': [...commonRules, ...rules] }),
    }
  }
}

/** Rules of every operation, as in `rules` of a route. */
const commonRules = [
  'page_token is invalid, or it belongs to a list with other filters',
  '… contains a NUL character',
  'A member cannot be named __proto__',
]

const schemaOf = (status: number) => (status === 400 ? 'ValidationErrorResponse' : 'ErrorResponse')

/** @param declared errors of the operation with this status */
function headersOf(status: number, declared: readonly ErrorCode[] = []): Keywords {
  const id = { 'X-Request-Id': header('Id of the request in the log of the server.', { type: 'string' }) }
  if (status === 408 || status === 431) return {} // the request was never read
  const ending = declared.filter((code) => shownError(code).endsByItself)
  const isAlways = status === 429 || status === 503
  if (!isAlways && ending.length === 0) return id
  const seconds = isAlways ? 'Seconds.' : `Seconds. Only if waiting helps:${listOf(ending)}`
  const wait = { ...id, 'Retry-After': header(seconds, { type: 'integer', minimum: 0 }) }
  return status === 429 ? { ...wait, ...rateHeaders } : wait
}

interface ShownError {
  readonly status: number
  /** As this dialect sends it. */
  readonly code: string
  /** A line of Markdown; empty for the error that each response to a wrong request can have. */
  readonly line: string
  readonly endsByItself: boolean
}

const shownErrors = new Map<ErrorCode, ShownError>()

/** An error in whose message `…` stands for each value. */
function shownError(code: ErrorCode): ShownError {
  const known = shownErrors.get(code)
  if (known) return known
  const error = new MailError(code, placeholders as never)
  const { status, body } = renderError(error)
  const said = error.message === '…' ? '' : `: ${error.message}${error.fix === undefined ? '' : `. ${error.fix}`}`
  const line = code === 'validation_error' ? '' : `\n- \`${body.code}\`${said}`
  const shown = { status, code: body.code, line, endsByItself: error.endsByItself }
  shownErrors.set(code, shown)
  return shown
}

function wireCodes(codes: readonly ErrorCode[]): string[] {
  return [...new Set(codes.map((code) => shownError(code).code))]
}

function listOf(codes: readonly ErrorCode[]): string {
  const lines = new Set(codes.map((code) => shownError(code).line))
  return `\n${[...lines].join('')}`
}

/** Placeholders that most messages of their error leave out. */
const OPTIONAL = new Set<unknown>(['eventType', 'isAppPassword', 'isMisplaced', 'fix'])
const placeholders = new Proxy({}, { get: (_target, name) => (OPTIONAL.has(name) ? undefined : '…') })

/** Values of the messages in examples. */
const sampleValues = {
  ...{ detail: 'limit must be an integer', path: ['limit'], what: 'Inbox', permission: 'message_send' },
  ...{ limitBytes: 1_048_576, tokensMax: 50_000, max: 1_000, period: 'minute', retryAfterSeconds: 1 },
}

const text = (description: string) => ({ type: 'string', description })

const ErrorResponse = {
  type: 'object',
  required: ['name', 'code', 'message', 'error'],
  properties: {
    name: text('Class of the error, as the SDKs name it.'),
    code: text('Stable: branch on it, not on the message. docs/errors.md lists all codes.'),
    message: text('For people.'),
    fix: text('What to do about it, if the message does not say.'),
    error: {
      type: 'object',
      description: 'The same for clients of 2024 and 2025.',
      required: ['type', 'message', 'details'],
      properties: {
        type: text('As `code`.'),
        message: text('As `message`.'),
        details: { type: 'object', additionalProperties: { type: 'string' } },
      },
    },
  },
}

const ValidationErrorResponse = {
  ...ErrorResponse,
  required: [...ErrorResponse.required, 'errors'],
  properties: {
    ...ErrorResponse.properties,
    errors: {
      type: 'array',
      description: 'Where the request is wrong.',
      items: {
        type: 'object',
        required: ['path', 'message'],
        properties: {
          path: {
            type: 'array',
            description: 'Names of members and positions in arrays; empty: the request as a whole.',
            items: { anyOf: [{ type: 'string' }, { type: 'integer' }] },
          },
          message: text('For people.'),
        },
      },
    },
  },
}
