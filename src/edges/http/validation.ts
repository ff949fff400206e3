/**
 * Checks requests against the routes' schemas, once for every dialect.
 *
 * Bodies are taken as they are: "5" is not a number there, nor null a text. Query strings can only hold text, so numbers
 * and booleans are read from it where the schema asks for them.
 */
import type { FastifySchemaCompiler } from 'fastify'
import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import type { TLocalizedValidationError } from 'typebox/error'
import { MailError } from '../../errors.ts'

/**
 * Given to Fastify: makes a schema's check, which gives back the value or a MailError that names what is wrong. A schema is
 * compiled with its first request: a start would have to compile a hundred of them.
 */
export const validatorCompiler: FastifySchemaCompiler<TSchema> = ({ schema, httpPart }) => {
  let compiled: ReturnType<typeof Compile> | undefined
  const properties = 'properties' in schema ? (schema.properties as Record<string, { type?: unknown }>) : {}
  return (value: unknown) => {
    const given = httpPart === 'querystring' ? readQuery(value as Record<string, unknown>, properties) : value
    compiled ??= Compile(schema)
    if (compiled.Check(given)) return { value: given }
    return { error: toMailError(compiled.Errors(given)) }
  }
}

/** Only spellings that cannot be meant otherwise: "1.5" is no integer, "yes" no boolean. */
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

/**
 * One sentence about the innermost fault. An alternative ("text or list of texts") reports each of its branches and then
 * itself; the branch that got furthest is the one that was meant.
 */
function toMailError(faults: readonly TLocalizedValidationError[]): MailError {
  const depth = (fault: TLocalizedValidationError) => fault.instancePath.split('/').length
  const deepest = Math.max(...faults.map(depth))
  const innermost = faults.filter((fault) => depth(fault) === deepest && fault.keyword !== 'anyOf')
  const first = innermost[0] ?? faults[0]
  if (!first) return new MailError('validation_error', { detail: 'The request does not have the expected form' })

  const path = first.instancePath.split('/').slice(1).map(readPointer)
  const at = innermost.filter((fault) => fault.instancePath === first.instancePath)
  const words = [...new Set(at.map((fault) => fault.message))].join(' or ')
  return new MailError('validation_error', { detail: `${path.join('.') || 'The request'} ${words}`, path })
}

/** RFC 6901 §4; list positions become numbers. */
function readPointer(token: string): string | number {
  const name = token.replaceAll('~1', '/').replaceAll('~0', '~')
  return /^\d+$/.test(name) ? Number(name) : name
}
