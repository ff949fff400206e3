/**
 * Conventions of all shapes of this dialect: snake_case, ISO 8601 times with milliseconds, null for what is not set, lists
 * as `{ data, next_cursor? }`.
 */
import { Type } from 'typebox'
import type { Page, PageRequest } from '../../../../../mail/access/paging/page-tokens.ts'

export function time(ms: number): string {
  return new Date(ms).toISOString()
}

export const pageQuery = {
  limit: Type.Optional(Type.Integer({ minimum: 1 })),
  cursor: Type.Optional(Type.String()),
}

export function readPage({ limit, cursor }: { readonly limit?: number; readonly cursor?: string }): PageRequest {
  return { limit, pageToken: cursor }
}

export function listOf<Item, Shown>(page: Page<Item>, show: (item: Item) => Shown) {
  return { data: page.items.map(show), ...(page.nextPageToken !== undefined && { next_cursor: page.nextPageToken }) }
}

/** Clients write one label, type or id as a text, and several as a list. */
export const TextOrList = Type.Union([Type.String(), Type.Array(Type.String())])

export function readTexts(value: string | readonly string[] | undefined): readonly string[] | undefined {
  return typeof value === 'string' ? [value] : value
}
