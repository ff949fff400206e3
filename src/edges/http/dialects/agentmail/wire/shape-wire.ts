/** Conventions of all shapes of this dialect: snake_case, ISO 8601 times, unset members are omitted. */
import { type Static, type TProperties, type TSchema, type TSchemaOptions, Type } from 'typebox'
import type { Page } from '../../../../../mail/access/paging/page-tokens.ts'

/**
 * The return type of a wire function for a schema. An optional member may also be undefined: JSON.stringify omits it.
 * Clients expect that unset members are omitted, never null (docs/compatibility/agentmail.md).
 */
export type Wire<Schema extends TSchema> = Unset<Static<Schema>>

type Unset<Shape> = Shape extends readonly (infer Item)[]
  ? readonly Unset<Item>[]
  : Shape extends object
    ? { readonly [Key in keyof Shape]: Unset<Shape[Key]> | UndefinedIfOptional<Shape, Key> }
    : Shape

type UndefinedIfOptional<Shape, Key extends keyof Shape> =
  Record<never, never> extends Pick<Shape, Key> ? undefined : never

/** The `response` of a route's schema: the handler must return the result of the wire function. */
export function ok<Schema extends TSchema>(schema: Schema) {
  return { 200: Type.Unsafe<Wire<Schema>>(schema) }
}

/** The `response` of a route that returns no content. */
export const nothing = { 204: Type.Null({ description: 'Done.' }) }

/** ISO 8601 in UTC with milliseconds; clients parse it as a date. */
export const Time = Type.String({ format: 'date-time' })

let lastTime = { ms: 0, text: new Date(0).toISOString() }

/** @param ms epoch milliseconds; often the same as in the last call: most messages have three equal times */
export function time(ms: number): string {
  if (ms !== lastTime.ms) lastTime = { ms, text: new Date(ms).toISOString() }
  return lastTime.text
}

export function optionalTime(ms: number | undefined): string | undefined {
  return ms === undefined ? undefined : time(ms)
}

/** Returns undefined for an empty list, so that it is omitted. */
export function nonEmpty<Item>(items: readonly Item[]): readonly Item[] | undefined {
  return items.length === 0 ? undefined : items
}

/**
 * An optional member of a request that may also be null. The clients send null for a member that their caller sets to None or null,
 * which their types allow.
 */
export function nullable<Schema extends TSchema>(schema: Schema) {
  return Type.Optional(Type.Union([schema, Type.Null()]))
}

/** A map with string keys. Not Type.Record: its pattern does not check the values of keys with line breaks. */
export function mapOf<Value extends TSchema>(value: Value, options: TSchemaOptions = {}) {
  const schema = { type: 'object', additionalProperties: value, ...options } as TSchema
  return Type.Unsafe<Record<string, Static<Value>>>(schema)
}

const pageShape = {
  count: Type.Integer({ description: 'Items in this page.' }),
  limit: Type.Integer({ description: 'The limit that was applied.' }),
  next_page_token: Type.Optional(Type.String({ description: 'Absent at the end of the list.' })),
}

/** An object that is a component of the API description, with this name. */
export function named<Members extends TProperties>(title: string, members: Members, options: TSchemaOptions = {}) {
  return Type.Object(members, { title, ...options })
}

/** @param items the member with the items of the page, such as `{ inboxes: Type.Array(…) }` */
export function pageOf<Items extends TProperties>(items: Items) {
  return Type.Object({ ...pageShape, ...items })
}

/** The same as a component of the API description. */
export function namedPage<Items extends TProperties>(title: string, items: Items) {
  return named(title, { ...pageShape, ...items })
}

/** Returns the members that every page has. */
export function pageHead(page: Page<unknown>) {
  return { count: page.items.length, limit: page.limit, next_page_token: page.nextPageToken }
}
