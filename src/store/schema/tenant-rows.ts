/** Rows of organizations, pods, domains, keys, inboxes and secrets. */

export interface OrganizationRow {
  id: string
  name: string | null
  created_at: number
  updated_at: number
}

export interface PodRow {
  id: string
  organization_id: string
  name: string
  client_id: string | null
  /** 1 for the pod in which resources are created if the caller gives no pod. */
  is_default: number
  inbox_count: number
  /** When its deletion was requested; hidden from then on (`resource_deleting`). */
  deleting_at: number | null
  created_at: number
  updated_at: number
}

/** A tenant's claim to a domain name. */
export interface DomainRow {
  id: string
  /** null: the service's shared domain, open to every organization. */
  organization_id: string | null
  /** null: open to all pods of the organization. */
  pod_id: string | null
  /** A-labels, lower case. */
  domain: string
  client_id: string | null
  status: 'NOT_STARTED' | 'PENDING' | 'INVALID' | 'VERIFIED' | 'FAILED'
  /** Why it is not VERIFIED. */
  reason: string | null
  /** 1: mail for the name belongs to this claim. At most one claim to a name. */
  holds_name: number
  /** 0: it only sends. */
  inbound_enabled: number
  /** 1: notices about failed deliveries arrive in the sending inbox. */
  feedback_enabled: number
  /** 1: inboxes can be created in domains below this one. */
  subdomains_enabled: number
  /** The inbox that gets mail for addresses of the domain that do not exist; null: such mail is refused. */
  catch_all_inbox_id: string | null
  dkim_selector: string
  /** JSON of what the last check has found in DNS; null: never checked. */
  records: string | null
  /** Checks without success since the last change; they determine the next pause. */
  checks: number
  checked_at: number | null
  /** null: it is not checked by itself. */
  next_check_at: number | null
  /** Since when a verified domain lacks its records. */
  lost_at: number | null
  /** The actor that created it; null: the server itself. */
  created_by: string | null
  deleting_at: number | null
  created_at: number
  updated_at: number
}

/** A secret that all nodes share: DKIM keys, the key that signs URLs, certificates. */
export interface SecretRow {
  kind: string
  name: string
  value: string
  created_at: number
}

export interface ApiKeyRow {
  id: string
  /** `app_password`: a password of mail programs, for one inbox; no HTTP request accepts it. */
  kind: 'bearer' | 'app_password' | 'public_key'
  organization_id: string
  /** Scope: null is the whole organization. */
  pod_id: string | null
  /** Scope: null is the whole pod or organization. */
  inbox_id: string | null
  name: string
  /** Visible first characters of the key. */
  prefix: string
  /** SHA-256 (hex) of the whole key or password, which is not stored. */
  key_hash: string
  /** JSON array of granted permissions; null: all permissions in its scope. */
  permissions: string | null
  /** 1 for the key of MARTLET_ROOT_KEY or the root-key file. */
  is_root: number
  /** The actor that created it. */
  created_by: string
  expires_at: number | null
  used_at: number | null
  created_at: number
  updated_at: number
}

export interface InboxRow {
  id: string
  organization_id: string
  pod_id: string
  domain_id: string
  /** local@domain, lower case; unique. */
  address: string
  display_name: string | null
  client_id: string | null
  /** JSON object of string, number or boolean. */
  metadata: string | null
  status: 'active' | 'paused' | 'send_paused'
  /** Limits and days that replace those of the settings; null: the settings apply. 0: no limit. */
  quota_bytes: number | null
  quota_messages: number | null
  retention_days: number | null
  message_count: number
  unread_count: number
  /** Counts the unread messages that were received, are not archived, and are in no hidden class. */
  unread_shown_count: number
  /** The same for messages that only the class `unauthenticated` hides. */
  unread_unauthenticated_count: number
  /** 1: one of its notification rules sends mail. */
  mails_notifications: number
  /** 1: unverified senders are challenged; 0: they are not; null: the setting applies. */
  challenge_senders: number | null
  thread_count: number
  size_bytes: number
  /** The actor that created it. */
  created_by: string
  deleting_at: number | null
  created_at: number
  updated_at: number
}

/** A further address of an inbox. */
export interface InboxAliasRow {
  /** local@domain, lower case; unique, also among the addresses of inboxes. */
  address: string
  inbox_id: string
  /** The domain of the address. */
  domain_id: string
  created_at: number
}
