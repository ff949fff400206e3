/** Errors of authentication and permissions. Part of ../errors.ts. */
import { define } from './error-definition.ts'

export const accessErrors = {
  missing_authorization: define<{ isMisplaced?: boolean }>({
    kind: 'unauthenticated',
    message: (p) =>
      p.isMisplaced
        ? 'The API key must be in the header Authorization, after "Bearer " and without spaces in it'
        : 'The request has no API key',
    fix: 'Send the header "Authorization: Bearer <your API key>".',
  }),
  unknown_api_key: define<{ isAppPassword?: boolean }>({
    kind: 'unauthenticated',
    message: (p) =>
      p.isAppPassword
        ? 'This is an app password, which is only for mail programs (IMAP and SMTP)'
        : 'The API key is unknown, was deleted, or has expired',
    fix: 'Use a valid key; an organization key can create new ones with POST /v0/api-keys.',
  }),
  login_failed: define({
    kind: 'unauthenticated',
    message: () => 'The user name or the password is wrong',
    fix: 'User: the address of the inbox. Password: an API key whose scope covers the inbox, or an app password of it.',
  }),
  login_forbidden: define<{ permission: string }>({
    kind: 'forbidden',
    message: (p) => `The password lacks the permission ${p.permission}`,
    fix: 'Use an API key or an app password with the permission.',
  }),
  missing_permission: define<{ permission: string; eventType?: string }>({
    kind: 'forbidden',
    // Clients compare the message with "Forbidden". Only for event types does it name the missing permission.
    message: (p) => (p.eventType === undefined ? 'Forbidden' : `${p.permission} is forbidden`),
    fix: 'Use an API key with the permission that this call needs.',
  }),
  narrow_key: define<{ narrowestKey: 'pod' | 'organization' | 'root' }>({
    kind: 'forbidden',
    message: () => 'Forbidden', // clients compare it
    fix: 'Use an API key with a wider scope.',
  }),
  wide_key: define({
    kind: 'forbidden',
    message: () => 'This call concerns one inbox, and the API key is not limited to one',
    fix: 'Use a key of the inbox. POST /v0/inboxes/{inbox_id}/api-keys creates one.',
  }),
  permission_escalation: define<{ permission: string }>({
    kind: 'forbidden',
    message: (p) => `A key cannot grant the permission "${p.permission}", which it does not have itself`,
    fix: 'Leave the permission out, or use a key that has it.',
  }),
  unrestricted_key_required: define<{ action: string }>({
    kind: 'forbidden',
    message: (p) => `Only an unrestricted key can ${p.action}`,
    fix: 'Use a key without a permissions object. To create a key with this one, give the new key such an object.',
  }),
  forbidden: define<{ detail: string }>({ kind: 'forbidden', message: (p) => p.detail }),
  sign_ups_disabled: define({
    kind: 'forbidden',
    message: () => 'This server accepts no sign-ups',
    fix: 'Ask its operator for an API key. MARTLET_SIGN_UP=on accepts sign-ups.',
  }),
  organization_unverified: define<{ action: string }>({
    kind: 'forbidden',
    message: (p) => `An organization cannot ${p.action} before its human is verified`,
    fix: 'Send the code that was mailed to the human with POST /v0/agent/verify. If none was mailed, give the address of the human with POST /v0/agent/human.',
  }),
  human_verified: define<{ address: string }>({
    kind: 'taken',
    message: (p) => `${p.address} belongs to a verified organization, whose key cannot be replaced by a sign-up`,
    fix: 'Use the key of that organization, or another address.',
  }),
  human_conflict: define<{ detail: string }>({ kind: 'conflict', message: (p) => p.detail }),
  code_tries_exceeded: define<{ max: number; until: string }>({
    kind: 'forbidden',
    message: (p) => `The code was entered wrongly ${p.max} times; it is refused until ${p.until}`,
    fix: 'After that time, POST /v0/agent/human with the same address mails a new code.',
  }),
  // Not a 5xx or a conflict: clients would repeat the call.
  not_implemented: define<{ subject: string; operation: string }>({
    kind: 'forbidden',
    message: (p) => `${p.subject} are not implemented in this version of Martlet: ${p.operation}`,
    fix: 'No permission changes this. The pages in docs/compatibility list what this version has.',
  }),
} as const
