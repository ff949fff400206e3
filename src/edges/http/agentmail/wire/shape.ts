/** How every shape of this dialect is written: snake_case, ISO times, and what is unset left out. */
import { type Static, type TProperties, type TSchema, Type } from 'typebox'
import type { Page } from '../../../../mail/access/paging.ts'

/**
 * What a wire function returns for a schema. An optional member may also be undefined: JSON.stringify leaves it out,
 * which is what clients expect of unset members (docs/compatibility/agentmail.md; never null).
 */
export type Wire<Schema extends TSchema> = Unset<Static<Schema>>

type Unset<Shape> = Shape extends readonly (infer Item)[]
  ? readonly Unset<Item>[]
  : Shape extends object
    ? { readonly [Key in keyof Shape]: Unset<Shape[Key]> | UndefinedIfOptional<Shape, Key> }
    : Shape

type UndefinedIfOptional<Shape, Key extends keyof Shape> =
  Record<never, never> extends Pick<Shape, Key> ? undefined : never

/** The answer of a route, as its schema's `response`: a handler must return what the wire function makes. */
export function ok<Schema extends TSchema>(schema: Schema) {
  return { 200: Type.Unsafe<Wire<Schema>>(schema) }
}

/** The answer of a route that has nothing to say. */
export const nothing = { 204: Type.Null({ description: 'Done.' }) }

/** ISO 8601 in UTC with milliseconds; clients turn it into dates. */
export const Time = Type.String({ format: 'date-time' })

/** @param ms epoch milliseconds */
export function time(ms: number): string {
  return new Date(ms).toISOString()
}

export function optionalTime(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : time(ms)
}

/** A list that is left out while it is empty. */
export function nonEmpty<Item>(items: readonly Item[]): readonly Item[] | undefined {
  return items.length === 0 ? undefined : items
}

/** A map of texts or the like. Not Type.Record: its pattern lets keys with line breaks through unchecked. */
export function mapOf<Value extends TSchema>(value: Value) {
  return Type.Unsafe<Record<string, Static<Value>>>({ type: 'object', additionalProperties: value } as TSchema)
}

const pageShape = {
  count: Type.Integer({ description: 'Items in this page.' }),
  limit: Type.Integer({ description: 'The limit in force.' }),
  next_page_token: Type.Optional(Type.String({ description: 'Absent at the end of the list.' })),
}

/** @param items the member that holds the page's items, as `{ inboxes: Type.Array(…) }` */
export function pageOf<Items extends TProperties>(items: Items) {
  return Type.Object({ ...pageShape, ...items })
}

/** The members that every page has. */
export function pageHead(page: Page<unknown>) {
  return { count: page.items.length, limit: page.limit, next_page_token: page.nextPageToken }
}
