/** App passwords: Martlet's own objects, in the style of API keys. */
import { type Static, Type } from 'typebox'
import type {
  AppPasswordRequest,
  AppPassword as AppPasswordView,
  NewAppPassword as NewView,
} from '../../../../../mail/access/keys/app-passwords.ts'
import type { Page } from '../../../../../mail/access/paging/page-tokens.ts'
import { Permissions, permissionFlags, readPermissions } from './permissions-wire.ts'
import { objectName } from './request-texts.ts'
import { named, namedPage, optionalTime, pageHead, Time, time, type Wire } from './shape-wire.ts'

const members = {
  app_password_id: Type.String(),
  prefix: Type.String({ description: 'The first characters of the password.' }),
  name: Type.String(),
  inbox_id: Type.String({ description: 'The user name of the mail program.' }),
  permissions: Permissions,
  created_at: Time,
  updated_at: Time,
  expires_at: Type.Optional(Time),
  used_at: Type.Optional(Time),
}

export const AppPassword = named('AppPassword', members)

export const NewAppPassword = named('NewAppPassword', {
  ...members,
  password: Type.String({ description: 'Returned only in this response.' }),
})

export function appPassword(view: AppPasswordView): Wire<typeof AppPassword> {
  return {
    app_password_id: view.id,
    prefix: view.prefix,
    name: view.name,
    inbox_id: view.inboxAddress,
    permissions: permissionFlags(view.permissions),
    created_at: time(view.createdAt),
    updated_at: time(view.updatedAt),
    expires_at: optionalTime(view.expiresAt),
    used_at: optionalTime(view.usedAt),
  }
}

export function newAppPassword(view: NewView): Wire<typeof NewAppPassword> {
  return { ...appPassword(view), password: view.password }
}

export const AppPasswordList = namedPage('ListAppPasswordsResponse', { app_passwords: Type.Array(AppPassword) })

export function appPasswordList(page: Page<AppPasswordView>): Wire<typeof AppPasswordList> {
  return { ...pageHead(page), app_passwords: page.items.map(appPassword) }
}

export const CreateAppPassword = named('CreateAppPasswordRequest', {
  name: Type.Optional(Type.String({ rule: objectName })),
  permissions: Type.Optional(Permissions),
})

export function readNewAppPassword({ name, permissions }: Static<typeof CreateAppPassword>): AppPasswordRequest {
  return { name, permissions: permissions && readPermissions(permissions) }
}
