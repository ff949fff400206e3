/** Rows of uploads. Rows only; mail/sending/uploads decides what they mean. */

/** A file that is uploaded before it is sent. */
export interface UploadRow {
  id: string
  organization_id: string
  /** The scope of the key that requested it; null: the whole organization, or the whole pod. */
  pod_id: string | null
  inbox_id: string | null
  filename: string
  content_type: string
  /** The size that was requested: exactly this, or at most. */
  size_bytes_max: number
  is_exact_size: number
  /** The bytes; null: not uploaded yet. */
  content_id: string | null
  size_bytes: number | null
  /** From then on it does not exist. */
  expires_at: number
  created_at: number
}
