/**
 * Validates requests against the schemas of the routes, for all dialects. A check ends at the first error. A value
 * above a bound (bounded-schema.ts) is rejected before other errors are described, because that visits every item of
 * every array.
 *
 * Bodies are not converted: "5" is not a number there, and null is not a string. Query strings contain only text, so
 * numbers and booleans are parsed if the schema requires them.
 */
import type { FastifySchemaCompiler } from 'fastify'
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import type { TLocalizedValidationError } from 'typebox/error'
import { MailError } from '../../../../errors.ts'
import type { RequestSchema } from './bounded-schema.ts'

/** Characters of a member's name that an error message repeats. */
const NAME_CHARS_MAX = 100

/** Values of an enumeration that an error message lists. */
const VALUES_MAX = 30

type Path = readonly (string | number)[]

/** Validators by schema, because many routes share one. */
const validators = new WeakMap<TSchema, ReturnType<typeof Compile>>()

function compileOnce(schema: TSchema): ReturnType<typeof Compile> {
  const compiled = validators.get(schema) ?? Compile(schema)
  validators.set(schema, compiled)
  return compiled
}

/**
 * The validator compiler for Fastify: returns a function that returns the valid value, or a MailError that describes
 * the problem. A schema is compiled on its first request: compiling all hundred of them would slow the start.
 */
export const validatorCompiler: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  const properties = 'properties' in schema ? (schema.properties as Record<string, { type?: unknown }>) : {}
  return (value: unknown) => {
    const given = httpPart === 'querystring' ? readQuery(value as Record<string, unknown>, properties) : value
    const compiled = compileOnce(schema)
    if (compiled.Check(given)) return { value: given }
    const oversize = findOversize(schema as RequestSchema, given, [])
    return {
      error: oversize
        ? invalid(oversize.path, oversize.problem)
        : toMailError(schema as RequestSchema, compiled.Errors(given)),
    }
  }
}

/** Converts only unambiguous values: "1.5" is not an integer, and "yes" is not a boolean. */
function readQuery(query: Record<string, unknown>, properties: Record<string, { type?: unknown }>) {
  const read: Record<string, unknown> = { ...query }
  for (const [name, { type }] of Object.entries(properties)) {
    const text = read[name]
    if (typeof text !== 'string') continue
    if (type === 'integer' && /^-?\d{1,15}$/.test(text)) read[name] = Number(text)
    if (type === 'boolean' && /^(true|false)$/i.test(text)) read[name] = text.toLowerCase() === 'true'
  }
  return read
}

/** Finds the first array, object or string that is larger than its schema allows, without visiting its contents. */
function findOversize(schema: RequestSchema, value: unknown, path: Path): { path: Path; problem: string } | undefined {
  const [count, max, what] = sizeOf(schema, value)
  if (count > max) return { path, problem: `must not have more than ${max} ${what}` }
  for (const [inner, part, name] of partsOf(schema, value)) {
    const found = findOversize(inner, part, name === undefined ? path : [...path, name])
    if (found) return found
  }
  return undefined
}

function sizeOf(schema: RequestSchema, value: unknown): [count: number, max: number, what: string] {
  const { maxLength = Infinity, maxItems = Infinity, maxProperties = Infinity } = schema
  if (typeof value === 'string') return [value.length, maxLength, 'characters']
  if (Array.isArray(value)) return [value.length, maxItems, 'items']
  return isObject(value) ? [Object.keys(value).length, maxProperties, 'members'] : [0, 0, '']
}

/** Yields the schemas of members and items with their values. Alternatives are yielded with the value itself. */
function* partsOf(
  { properties = {}, additionalProperties, items, anyOf = [] }: RequestSchema,
  value: unknown,
): Generator<[schema: RequestSchema, value: unknown, name?: string | number]> {
  for (const branch of anyOf) yield [branch, value]
  if (Array.isArray(value)) {
    if (items) for (const [index, item] of value.entries()) yield [items, item, index]
  } else if (isObject(value)) {
    for (const [name, member] of Object.entries(value)) {
      const schema = Object.hasOwn(properties, name) ? properties[name] : additionalProperties
      if (schema) yield [schema, member, name]
    }
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * Returns one sentence about the innermost error. TypeBox reports at most eight per alternative. A union ("string or
 * array of strings") reports the errors of each branch and then its own; the branch with the deepest error is probably
 * the one that the client meant.
 */
function toMailError(schema: RequestSchema, errors: readonly TLocalizedValidationError[]): MailError {
  const depth = (error: TLocalizedValidationError) => error.instancePath.split('/').length
  const deepest = Math.max(...errors.map(depth))
  const innermost = errors.filter((error) => depth(error) === deepest && error.keyword !== 'anyOf')
  const first = innermost[0] ?? errors[0]
  if (!first) return new MailError('validation_error', { detail: 'The request does not have the expected form' })

  const path = first.instancePath.split('/').slice(1).map(readPointer)
  // A missing property has no place in the value: name it.
  if (first.keyword === 'required') return invalid([...path, first.params.requiredProperties[0]!], 'is required')
  const expected = schemasAt(schema, path).find((each) => each.expected !== undefined)?.expected
  if (expected !== undefined && first.keyword === 'type') return invalid(path, `must be ${expected}`)
  const at = innermost.filter((error) => error.instancePath === first.instancePath)
  // Nobody needs to be told to send null.
  const problems = [...new Set(at.map(problemOf))].filter(
    (problem, _, all) => problem !== 'must be null' || all.length === 1,
  )
  return invalid(path, problems.join(' or '))
}

/** Returns the schemas of a value in the request, with all alternatives. A path is as deep as the schema that found the error. */
function schemasAt(schema: RequestSchema, [name, ...rest]: Path): RequestSchema[] {
  const { properties = {}, additionalProperties, items, anyOf = [] } = schema
  const below = anyOf.flatMap((each) => schemasAt(each, name === undefined ? [] : [name, ...rest]))
  if (name === undefined) return [schema, ...below]
  const inner =
    typeof name === 'number' ? items : Object.hasOwn(properties, name) ? properties[name] : additionalProperties
  return inner ? [...below, ...schemasAt(inner, rest)] : below
}

/** TypeBox names neither the values of an enumeration nor that of a constant, and omits articles. */
function problemOf(error: TLocalizedValidationError): string {
  if (error.keyword === 'enum') return `must be one of ${listValues(error.params.allowedValues)}`
  if (error.keyword === 'const') return `must be ${listValues([error.params.allowedValue])}`
  return error.message.replace(/^must be (?=(?:string|number|boolean|object|array|integer)$)(.)/, (_all, first) =>
    /[aio]/.test(first) ? `must be an ${first}` : `must be a ${first}`,
  )
}

function listValues(values: readonly unknown[]): string {
  const shown = values.slice(0, VALUES_MAX).map((value) => JSON.stringify(value))
  return [...shown, ...(values.length > VALUES_MAX ? [`${values.length - VALUES_MAX} others`] : [])].join(', ')
}

function invalid(at: Path, problem: string): MailError {
  const path = at.map((name) => (typeof name === 'string' ? name.slice(0, NAME_CHARS_MAX) : name))
  return new MailError('validation_error', { detail: `${path.join('.') || 'The request'} ${problem}`, path })
}

/** Decodes a token of a JSON Pointer (RFC 6901 §4); list positions become numbers. */
function readPointer(token: string): string | number {
  const name = token.replaceAll('~1', '/').replaceAll('~0', '~')
  return /^\d+$/.test(name) ? Number(name) : name
}
