/** Rows of allow and block lists. Rows only; mail/inboxes/lists decides what they mean. */

/** An address or a domain in one list of an organization, a pod or an inbox. */
export interface ListEntryRow {
  /** The organization, pod or inbox whose list it is in. */
  scope_id: string
  direction: 'send' | 'receive' | 'reply'
  list_type: 'allow' | 'block'
  /** A normalised address, or a domain as A-labels. */
  entry: string
  organization_id: string
  /** null for a list of the organization. */
  pod_id: string | null
  /** null for a list of the organization or of a pod. */
  inbox_id: string | null
  reason: string | null
  /**
   * 1: made by the server. In a block list, because mail to this address bounced; in an allow list, because it is the human
   * of an unverified organization.
   */
  read_only: number
  created_at: number
}
