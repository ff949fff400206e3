/** One request to a webhook: its bytes, signatures and custom header fields; and its result. */
import type { Limits } from '../../../config/limits.ts'
import type { SafeFetch, SafeResponse } from '../../../net/fetch/safe-fetch.ts'
import { FetchFailed } from '../../../net/fetch/safe-fetch.ts'
import type { WebhookRow } from '../../../store/schema/webhook-rows.ts'
import type { CustomHeaders } from '../config/webhook.ts'
import { secretsOf } from '../config/webhook-secrets.ts'
import type { WebhookProfile } from './webhook-profile.ts'

/** A response, or why there was none. */
export interface PostResult {
  readonly response?: SafeResponse
  readonly failure?: FetchFailed
}

interface WebhookPayload {
  readonly eventId: string
  readonly body: string
  /** Epoch ms. */
  readonly at: number
}

export async function postToWebhook(
  webhook: WebhookRow,
  { eventId, body, at }: WebhookPayload,
  needs: { readonly profile: WebhookProfile; readonly fetch: SafeFetch['fetch']; readonly signal?: AbortSignal },
): Promise<PostResult> {
  const { profile, fetch, signal } = needs
  const own = profile.headers({ eventId, at, body, secrets: secretsOf(webhook, at) })
  const headers = { ...customHeaders(webhook), ...own }
  try {
    const request = { url: webhook.url, method: 'POST', headers, body, timeoutMs: profile.timeoutMs, signal }
    return { response: await fetch(request) }
  } catch (error) {
    if (error instanceof FetchFailed) return { failure: error }
    throw error
  }
}

/** The part of the result that is stored and shown. */
export function storedResult({ response, failure }: PostResult, limits: Limits) {
  const charsMax = limits.webhooks.responseKeptCharsMax
  return {
    code: response?.status,
    response: response && clean(response.body, charsMax),
    error: failure && clean(failure.message, charsMax),
  }
}

export function customHeaders({ headers }: Pick<WebhookRow, 'headers'>): CustomHeaders {
  return headers === null ? {} : (JSON.parse(headers) as CustomHeaders)
}

/**
 * PostgreSQL accepts no NUL in text, and a response may contain one. Half a surrogate pair is not valid text in JSON.
 */
function clean(text: string, charsMax: number): string {
  const kept = text.replaceAll('\0', '').slice(0, charsMax)
  return kept.replace(/[\ud800-\udbff]$/, '')
}
