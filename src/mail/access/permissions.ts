/**
 * The permission flags that a key can be limited to, and the hidden classes of mail that some of them open.
 *
 * The names are AgentMail's, since a flag is data that clients of several services store and send back.
 */

export const permissions = [
  'inbox_read',
  'inbox_create',
  'inbox_update',
  'inbox_delete',
  'message_read',
  'message_send',
  'message_update',
  'message_delete',
  'label_spam_read',
  'label_blocked_read',
  'label_unauthenticated_read',
  'label_trash_read',
  'draft_read',
  'draft_create',
  'draft_update',
  'draft_delete',
  'draft_send',
  'webhook_read',
  'webhook_create',
  'webhook_update',
  'webhook_delete',
  'domain_read',
  'domain_create',
  'domain_update',
  'domain_delete',
  'list_entry_read',
  'list_entry_create',
  'list_entry_delete',
  'metrics_read',
  'api_key_read',
  'api_key_create',
  'api_key_update',
  'api_key_delete',
  'pod_read',
  'pod_create',
  'pod_update',
  'pod_delete',
  'provider_connect',
  'provider_share_owner',
  'app_connect',
  'app_share_owner',
  'account_update',
  'message_reply',
  'calendar_read',
  'calendar_update',
  'calendar_event_read',
  'calendar_event_create',
  'calendar_event_update',
  'calendar_event_delete',
  'file_read',
  'file_create',
  'file_update',
  'file_delete',
  'agent_armor_release',
] as const

export type Permission = (typeof permissions)[number]

const known: ReadonlySet<string> = new Set(permissions)

export function isPermission(name: string): name is Permission {
  return known.has(name)
}

/** Parses a row's JSON; each flag once. A flag that this version does not know grants nothing. */
export function parsePermissions(json: string): Permission[] {
  return [...new Set(JSON.parse(json) as string[])].filter(isPermission)
}

/**
 * Labels that keep a message out of lists unless they are requested, their bit in `hidden`, and the flag that opens
 * them. A bit's value is stored in the database: never change or reuse one.
 */
export const hiddenClasses = [
  { label: 'spam', bit: 1, permission: 'label_spam_read' },
  { label: 'blocked', bit: 2, permission: 'label_blocked_read' },
  { label: 'unauthenticated', bit: 4, permission: 'label_unauthenticated_read' },
  { label: 'trash', bit: 8, permission: 'label_trash_read' },
] as const satisfies readonly { label: string; bit: number; permission: Permission }[]

export type HiddenLabel = (typeof hiddenClasses)[number]['label']

/** Returns the bitmask that a set of labels gives a message. */
export function hiddenMask(labels: Iterable<string>): number {
  let mask = 0
  for (const label of labels) {
    for (const hidden of hiddenClasses) if (hidden.label === label) mask |= hidden.bit
  }
  return mask
}
