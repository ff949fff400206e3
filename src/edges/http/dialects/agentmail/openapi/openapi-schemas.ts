/**
 * Converts the schemas of the routes to those of the API description. A schema with a `title` becomes a component of that
 * name. Six further keywords are not JSON Schema, and no validator knows them:
 *
 * - `rule`: what the core checks beyond the schema, as keywords of JSON Schema. The core refuses with a sentence that says
 *   what to write, which "must match pattern" does not, so these keywords are shown and not compiled.
 * - `knownNames`: the names that have a meaning in an object without declared members; not shown.
 * - `refusesUnknown`: unknown members are refused; shown as `additionalProperties: false`.
 * - `misnamed`: members that are refused, and what to write instead; not shown.
 * - `expected`: what a value of another type should be, for errors; not shown.
 * - `isRefused`: the member exists to be refused, so it is not shown.
 * - `isOurs`: the member is an addition of Martlet; shown as `x-martlet`.
 */
import type { Limits } from '../../../../../config/limits.ts'

export type Keywords = Readonly<Record<string, unknown>>

/** Keywords, or a function that fills in limits. */
export type Rule = Keywords | ((limits: Limits) => Keywords)

export interface ShownSchemas {
  /** Schemas with a title, by title, after they were shown. */
  readonly components: Readonly<Record<string, Keywords>>
  /** @returns the schema for the description: a reference if it has a title */
  show(schema: object): Keywords
}

interface Source extends Keywords {
  readonly title?: string
  readonly rule?: Rule
  readonly knownNames?: readonly string[]
  readonly misnamed?: Readonly<Record<string, string>>
  readonly expected?: string
  readonly refusesUnknown?: boolean
  readonly isRefused?: boolean
  readonly isOurs?: boolean
  readonly type?: string
  readonly enum?: readonly unknown[]
  readonly properties?: Readonly<Record<string, Source>>
  readonly required?: readonly string[]
  readonly items?: Source
  readonly additionalProperties?: Source
  readonly anyOf?: readonly Source[]
}

export function createShownSchemas(limits: Limits, examples: Readonly<Record<string, unknown>>): ShownSchemas {
  const components: Record<string, Keywords> = {}
  const texts = new Map<string, string>()
  /** Schemas with a title that were shown: routes share them. */
  const seen = new Set<Source>()

  return { components, show: (schema) => show(schema as Source) }

  function show(schema: Source): Keywords {
    const { title } = schema
    if (title === undefined) return showKeywords(schema)
    const reference = { $ref: `#/components/schemas/${title}` }
    if (seen.has(schema)) return reference
    seen.add(schema)
    const shown = showKeywords(schema)
    const text = JSON.stringify(shown, inOrder)
    const known = texts.get(title)
    if (known !== undefined && known !== text) throw new Error(`two different schemas have the title ${title}`)
    texts.set(title, text)
    components[title] ??= title in examples ? { ...shown, examples: [examples[title]] } : shown
    return reference
  }

  function showKeywords(schema: Source): Keywords {
    const { title, rule, knownNames, misnamed, refusesUnknown, isRefused, expected, isOurs, ...keywords } = schema
    const { properties, required, items, additionalProperties, anyOf, ...plain } = keywords
    const rules = typeof rule === 'function' ? rule(limits) : rule
    const shown = Object.entries(properties ?? {}).filter(([, member]) => !member.isRefused)
    const names = required?.filter((name) => shown.some(([each]) => each === name))
    return {
      // Type.Enum has no type, which generators of clients need.
      ...(plain.enum && plain.type === undefined && { type: 'string' }),
      ...plain,
      ...(properties && { properties: Object.fromEntries(shown.map(([name, member]) => [name, show(member)])) }),
      ...(names && names.length > 0 && { required: names }),
      ...(items && { items: show(items) }),
      ...(additionalProperties && { additionalProperties: show(additionalProperties) }),
      ...(refusesUnknown && { additionalProperties: false }),
      ...(anyOf && { anyOf: anyOf.map(show) }),
      ...rules,
      ...(isOurs && { 'x-martlet': true }),
    }
  }
}

/** A replacer for JSON.stringify: bounds stand at another place in a schema that was bounded. */
function inOrder(_name: string, value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  return Object.fromEntries(Object.entries(value).sort(([one], [other]) => (one < other ? -1 : 1)))
}
