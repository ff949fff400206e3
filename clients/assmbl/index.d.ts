/**
 * A client of Martlet for programs that were written for Assmbl, for Node. Names of calls and options are in camelCase; what the
 * server returns has the names of Assmbl's own documentation (docs/compatibility/assmbl.md).
 *
 *   import { AgentMailClient } from 'martlet/assmbl'
 *   const client = new AgentMailClient({ baseUrl: 'https://mail.example.com', token: keyOfTheInbox })
 */

/** The server refused a request. `code` is stable; `message` is for people. */
export class AgentMailError extends Error {
  readonly statusCode: number
  readonly code: string
  readonly body: Readonly<Record<string, unknown>>
}

export interface ClientOptions {
  /** Default: the environment variable AGENTMAIL_API_BASE_URL. */
  baseUrl?: string
  /** An API key of one inbox. Default: the environment variable AGENTMAIL_TOKEN. */
  token?: string
  /** Of one request. Default: one minute. */
  timeoutMs?: number
}

export interface AttachmentStatus {
  index: number
  status: 'ready'
  file_name: string | null
  content_type: string
  size_bytes: number
}

export interface InboxItem {
  MessageID: string
  InternetMessageID: string
  ThreadID: string
  AgentID: string
  /** Envelope sender; empty for a bounce. */
  Sender: string
  SenderVerified: boolean
  From: string
  To: string[]
  Cc: string[]
  Subject: string
  Preview: string
  ReceivedAt: string
  IsRead: boolean
  Archived: boolean
  Labels: string[]
  Attachments: AttachmentStatus[]
  SizeBytes: number
}

export interface Message extends InboxItem {
  CorrelationID: string | null
  IdempotencyKey: string | null
  body_text: string | null
  body_html: string | null
  /** null if the message is too large: use raw_mime_url. */
  raw_mime: string | null
  /** `latin-1`: the message is not UTF-8, and each byte is one character. */
  raw_mime_encoding: 'utf-8' | 'latin-1' | null
  raw_mime_url: string
}

export interface DownloadedAttachment {
  index: number
  filename: string | null
  content_type: string
  status: string
  bytes: Uint8Array
  encrypted: false
  decrypted: false
}

export interface FetchedMessage extends Message {
  body_text_decrypted: null
  downloaded_attachments: DownloadedAttachment[]
}

export interface InboxPage {
  items: InboxItem[]
  next_cursor: string | null
}

export interface InboxFilter {
  verifiedOnly?: boolean
  q?: string
  label?: string
  isRead?: boolean
  includeArchived?: boolean
}

export type SendAttachment =
  | { object_key: string; file_name?: string; content_type?: string }
  | { fileName: string; contentType?: string; content: string | Uint8Array<ArrayBuffer> }

export interface SendOptions {
  to: string | string[]
  subject?: string
  body?: string
  usage?: Record<string, unknown>
  correlationId?: string
  /** A repeated call with the same key sends nothing more. */
  idempotencyKey?: string
  marketplaceRequestId?: string
  headers?: Record<string, string>
  attachments?: SendAttachment[]
  encryptBody?: boolean
  encryptAttachments?: boolean
  peerAgentId?: string
}

export interface SentMail {
  status: string
  message_id: string
  internet_message_id: string
  thread_id: string
  correlation_id: string
  idempotency_key: string | null
  reservation_key: null
}

export interface Upload {
  object_key: string
  /** Post a form with all members besides `url`, and then the file, to `url`. */
  upload: { url: string } & Record<string, string>
  max_bytes: number
  expires_at: string
}

export interface Link {
  url: string
  expires_at: string
}

export interface Webhook {
  url: string
  enabled: boolean
  /** Only if it is new. */
  signing_secret?: string
  disabled_reason: string | null
  created_at: string
  updated_at: string
}

export interface NotificationRule {
  id: string
  name?: string
  enabled?: boolean
  filters?: {
    sender_verified?: boolean | null
    traffic_types?: string[]
    sender_domains?: string[]
    trust_tiers?: string[]
  }
  channels: {
    webhook?: { enabled?: boolean; url: string; rotate_secret?: boolean; signing_secret?: string }
    email?: { enabled?: boolean; recipients: string[] }
  }
}

/** Every call throws AgentMailError if the server refuses it. */
export class AgentMailClient {
  constructor(options?: ClientOptions)
  sendMail(mail: SendOptions): Promise<SentMail>
  /** Received messages, oldest first. */
  listInbox(query?: InboxFilter & { limit?: number; cursor?: string }): Promise<InboxPage>
  iterInboxPages(query?: InboxFilter & { pageSize?: number }): AsyncGenerator<InboxPage, void, void>
  iterInbox(query?: InboxFilter & { pageSize?: number }): AsyncGenerator<FetchedMessage, void, void>
  getUnreadCount(): Promise<{ unread_count: number }>
  getMessage(messageId: string): Promise<Message>
  /** With the bytes of its attachments. */
  fetchMessage(messageId: string, options?: { includeAttachments?: boolean }): Promise<FetchedMessage>
  deleteMessage(messageId: string): Promise<{ message_id: string; deleted: boolean }>
  patchMessageLabels(
    messageId: string,
    change: { add?: string[]; remove?: string[] },
  ): Promise<{ message_id: string; labels: string[] }>
  patchMessageRead(messageId: string, isRead?: boolean): Promise<{ message_id: string; is_read: boolean }>
  patchMessageArchive(messageId: string, archived?: boolean): Promise<{ message_id: string; archived: boolean }>
  getInboundAttachmentStatus(messageId: string, index: number): Promise<AttachmentStatus>
  requestInboundAttachmentDownload(messageId: string, index: number): Promise<Link>
  requestAttachmentUpload(file: { fileName: string; contentType: string; maxBytes: number }): Promise<Upload>
  requestAttachmentDownload(objectKey: string): Promise<Link>
  putWebhook(webhook: { url: string; enabled?: boolean; rotateSecret?: boolean }): Promise<Webhook>
  getWebhook(): Promise<Webhook>
  deleteWebhook(): Promise<{ deleted: boolean }>
  getNotifications(): Promise<{ rules: NotificationRule[] }>
  putNotifications(rules: NotificationRule[]): Promise<{ rules: NotificationRule[] }>
  /** Whether a webhook request is from the server and not too old. Default skew: 300 s. */
  static verifyWebhookSignature(request: {
    signingSecret: string
    timestamp: string | number
    rawBody: string | Uint8Array
    signatureHeader: string
    maxSkewSeconds?: number
  }): boolean
}
