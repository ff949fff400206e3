/** An upload as callers see it: a file that is stored before the message that contains it is sent. */

export interface NewUpload {
  readonly filename: string
  /** The media type: the request that brings the bytes must have the same. */
  readonly contentType: string
  readonly sizeBytes: number
  /** Whether the file must have exactly this size, or at most. */
  readonly isExactSize: boolean
}

export interface Upload {
  readonly id: string
  /** The scope in which it can be used: the organization, one pod or one inbox. */
  readonly organizationId: string
  readonly podId?: string
  readonly inboxId?: string
  readonly filename: string
  readonly contentType: string
  readonly sizeBytesMax: number
  /** Absent: its bytes have not arrived yet. */
  readonly sizeBytes?: number
  /** From then on it does not exist, epoch ms. */
  readonly expiresAt: number
  readonly createdAt: number
}

/** A new upload, and the link to which its bytes are sent. */
export interface UploadTicket extends Upload {
  /** Opaque; the edge adds it to one of its paths. */
  readonly token: string
  /** When the link ends, epoch ms. */
  readonly urlExpiresAt: number
}

/** What arrives at the link. */
export interface UploadedFile {
  /** As the request says; undefined: it says none. */
  readonly contentType: string | undefined
  readonly bytes: Buffer
}
