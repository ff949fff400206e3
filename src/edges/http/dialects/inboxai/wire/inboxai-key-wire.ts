/** API keys (docs/compatibility/inboxai.md). */
import type { ApiKey } from '../../../../../mail/access/keys/api-key.ts'
import type { Page } from '../../../../../mail/access/paging/page-tokens.ts'
import { permissionFlags } from '../../agentmail/wire/permissions-wire.ts'
import { optionalTime, pageHead, time } from '../../agentmail/wire/shape-wire.ts'
import { shownInboxId } from '../inboxai-ids.ts'

/** `inai_<id>_<secret>`. Any key works in this dialect, whatever it begins with. */
export const KEY_FORM = { prefix: 'inai_', hasId: true }

export function apiKey(view: ApiKey) {
  return {
    key_id: view.id,
    name: view.name,
    prefix: view.prefix,
    inbox_id: view.inboxId && shownInboxId(view.inboxId),
    permissions: view.permissions && permissionFlags(view.permissions),
    created_at: time(view.createdAt),
    expires_at: optionalTime(view.expiresAt),
    used_at: optionalTime(view.usedAt),
  }
}

/** Only this response contains the key. */
export function createdApiKey(view: ApiKey & { readonly key: string }) {
  return { ...apiKey(view), key: view.key }
}

export function apiKeyList(page: Page<ApiKey>) {
  return { ...pageHead(page), api_keys: page.items.map(apiKey) }
}
