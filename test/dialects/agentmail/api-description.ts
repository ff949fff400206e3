/** Reads an API description, and compares responses with it. */
import { Compile } from 'typebox/compile'

// biome-ignore lint/suspicious/noExplicitAny: JSON of any form
type Json = any

export interface DescribedOperation {
  /** "GET /v0/inboxes/{inbox_id}". */
  readonly name: string
  readonly operation: Json
}

export class ApiDescription {
  readonly document: Json
  readonly #validators = new Map<object, ReturnType<typeof Compile>>()

  constructor(document: Json) {
    this.document = document
  }

  get operations(): DescribedOperation[] {
    return Object.entries<Json>(this.document.paths).flatMap(([path, methods]) =>
      Object.entries<Json>(methods).map(([method, operation]) => ({
        name: `${method.toUpperCase()} ${path}`,
        operation,
      })),
    )
  }

  /** Follows a reference, if the object is one. */
  resolve(object: Json): Json {
    return object?.$ref === undefined ? object : componentOf(this.document, object.$ref)
  }

  /** Whether a value is what a schema says. */
  matches(schema: Json, value: unknown): boolean {
    const compiled = this.#validators.get(schema) ?? Compile(inlined(schema, this.document))
    this.#validators.set(schema, compiled)
    return compiled.Check(value)
  }

  /** @returns what the description does not have: a sentence, or undefined */
  problemOf(name: string, status: number, body: unknown): string | undefined {
    const operation = this.operations.find((each) => each.name === name)?.operation
    if (!operation) return `${name} is not described`
    const response = this.resolve(operation.responses[status])
    if (!response) return `${name} does not have the status ${status}`
    const schema = response.content?.['application/json']?.schema
    if (schema === undefined || this.matches(schema, body)) return undefined
    return `${name} ${status}: the schema is not that of ${JSON.stringify(body)?.slice(0, 500)}`
  }
}

/** Returns a document, or a part of one, with the components instead of references to them. */
export function inlined(part: Json, document: Json = part): Json {
  if (Array.isArray(part)) return part.map((each) => inlined(each, document))
  if (typeof part !== 'object' || part === null) return part
  if (typeof part.$ref === 'string') return inlined(componentOf(document, part.$ref), document)
  return Object.fromEntries(Object.entries(part).map(([name, value]) => [name, inlined(value, document)]))
}

function componentOf(document: Json, reference: string): Json {
  const [, , kind, name] = reference.split('/') as [string, string, string, string]
  return document.components[kind][name]
}
