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

export interface DomainRow {
  id: string
  /** null: the service's shared domain, open to every organization. */
  organization_id: string | null
  pod_id: string | null
  /** A-labels, lower case. */
  domain: string
  status: string
  dkim_selector: string
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
  kind: 'bearer' | 'public_key'
  organization_id: string
  /** Scope: null is the whole organization. */
  pod_id: string | null
  /** Scope: null is the whole pod or organization. */
  inbox_id: string | null
  name: string
  /** Visible first characters of the key. */
  prefix: string
  /** SHA-256 (hex) of the whole key; the key itself is not stored. */
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
  status: 'active' | 'paused'
  message_count: number
  unread_count: number
  thread_count: number
  size_bytes: number
  deleting_at: number | null
  created_at: number
  updated_at: number
}
