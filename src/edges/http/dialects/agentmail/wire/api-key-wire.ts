/**
 * API keys. AgentMail's SDK validates these shapes strictly, because they are variants of a union. If a member is
 * missing, the caller gets an exception or an object in snake_case (docs/compatibility/agentmail.md).
 */
import { type Static, Type } from 'typebox'
import { MailError } from '../../../../../errors.ts'
import type { ApiKey as ApiKeyView, NewApiKey } from '../../../../../mail/access/keys/api-key.ts'
import type { Page } from '../../../../../mail/access/paging/page-tokens.ts'
import { readTime } from '../../../server/requests/read-time.ts'
import { Permissions, permissionFlags, readPermissions } from './permissions-wire.ts'
import { objectName, timeText } from './request-texts.ts'
import { named, namedPage, optionalTime, pageHead, Time, time, type Wire } from './shape-wire.ts'

const shared = {
  api_key_id: Type.String(),
  prefix: Type.String({ description: 'The first characters of the key.' }),
  name: Type.String(),
  pod_id: Type.Optional(Type.String()),
  inbox_id: Type.Optional(Type.String()),
  permissions: Type.Optional(Permissions),
  created_at: Time,
  expires_at: Type.Optional(Time),
}

export const ApiKey = named('ApiKey', {
  type: Type.Literal('bearer'),
  ...shared,
  used_at: Type.Optional(Time),
  updated_at: Time,
})

/** Has no `type`: the SDK distinguishes a created bearer key from a public key by its members. */
export const CreatedApiKey = named('CreateApiKeyResponse', {
  ...shared,
  api_key: Type.String({ description: 'Returned only in this response.' }),
})

function sharedMembers(view: ApiKeyView) {
  return {
    api_key_id: view.id,
    prefix: view.prefix,
    name: view.name,
    pod_id: view.podId,
    inbox_id: view.inboxAddress,
    permissions: view.permissions && permissionFlags(view.permissions),
    created_at: time(view.createdAt),
    expires_at: optionalTime(view.expiresAt),
  }
}

export function apiKey(view: ApiKeyView): Wire<typeof ApiKey> {
  return {
    type: 'bearer',
    ...sharedMembers(view),
    used_at: optionalTime(view.usedAt),
    updated_at: time(view.updatedAt),
  }
}

export function createdApiKey(view: ApiKeyView & { readonly key: string }): Wire<typeof CreatedApiKey> {
  return { ...sharedMembers(view), api_key: view.key }
}

export const ApiKeyList = namedPage('ListApiKeysResponse', { api_keys: Type.Array(ApiKey) })

export function apiKeyList(page: Page<ApiKeyView>): Wire<typeof ApiKeyList> {
  return { ...pageHead(page), api_keys: page.items.map(apiKey) }
}

export const CreateApiKey = named('CreateApiKeyRequest', {
  name: Type.Optional(Type.String({ rule: objectName })),
  permissions: Type.Optional(Permissions),
  expires_at: Type.Optional(timeText('ISO 8601, in the future. It cannot be changed later.')),
  type: Type.Optional(Type.Unknown({ isRefused: true })),
  public_key: Type.Optional(Type.Unknown({ isRefused: true })),
})

/** @throws validation_error */
export function readNewKey(body: Static<typeof CreateApiKey>): NewApiKey {
  // Otherwise a client that registers a public key would get a bearer key that it did not request.
  if (body.type !== undefined && body.type !== 'bearer') {
    const detail = 'type must be "bearer": Martlet has no other type of keys'
    throw new MailError('validation_error', { detail, path: ['type'] })
  }
  if (body.public_key !== undefined) {
    const detail = 'Public keys are not supported; omit public_key to create a bearer key'
    throw new MailError('validation_error', { detail, path: ['public_key'] })
  }
  return {
    name: body.name,
    permissions: body.permissions && readPermissions(body.permissions),
    expiresAt: readTime('expires_at', body.expires_at),
  }
}

export const UpdateApiKey = named('UpdateApiKeyRequest', {
  name: Type.Optional(Type.String({ rule: objectName })),
  permissions: Type.Optional(Type.Union([Permissions, Type.Null()], { description: 'null removes all restrictions.' })),
  /** Clients may send back what they got. */
  expires_at: Type.Optional({ ...Type.Union([Type.String(), Type.Null()]), isRefused: true }),
})

export function readKeyChange(body: Static<typeof UpdateApiKey>) {
  const expiresAt = body.expires_at === null ? null : readTime('expires_at', body.expires_at)
  return { name: body.name, permissions: body.permissions && readPermissions(body.permissions), expiresAt }
}
