/**
 * A client of the AgentPost API, for Martlet (docs/compatibility/agentpost.md). Requests and responses have the names of the
 * wire: `text_body`, `inbox_id`.
 *
 *   import AgentPost from '@agentpost/sdk'
 *   const client = new AgentPost({ apiKey: 'ap_sk_live_…', baseUrl: 'http://127.0.0.1:8080' })
 *   const inbox = await client.inboxes.create({ username: 'support' })
 */

export interface AgentPostOptions {
  /** Default: the environment variable AGENTPOST_API_KEY. */
  apiKey?: string
  /** Id or slug: for calls that name no environment. */
  environment?: string
  /** With or without `/api/v1`. Default: AGENTPOST_BASE_URL, or `http://127.0.0.1:8080`. */
  baseUrl?: string
}

export interface Page<Item> {
  data: Item[]
  next_cursor?: string
}

export interface PageQuery {
  limit?: number
  cursor?: string
}

export interface EnvironmentQuery extends PageQuery {
  environment_id?: string
}

export interface MailQuery extends PageQuery {
  labels?: string | string[]
  /** ISO 8601. */
  before?: string
  after?: string
}

export interface Address {
  email: string
  name: string | null
}

/** "address" and "Name <address>" are accepted too. */
export type Recipients = string | AddressInput | (string | AddressInput)[]
export interface AddressInput {
  email: string
  name?: string
}

export interface Inbox {
  id: string
  environment_id: string
  email: string
  username: string
  domain: string
  display_name: string | null
  client_id: string | null
  send_paused: boolean
  created_at: string
  updated_at: string
}

export interface CreateInbox {
  username?: string
  domain?: string
  display_name?: string
  /** Instead of username and domain. */
  email?: string
  /** Instead of display_name. */
  name?: string
  client_id?: string
  environment_id?: string
  random_suffix?: boolean
  /** It sends nothing until this is changed. */
  send_paused?: boolean
}

export interface Attachment {
  id: string
  message_id: string
  filename: string | null
  mime_type: string
  size: number
}

export interface AttachmentKey {
  key: string
  filename?: string
  mime_type?: string
}

export interface MessageItem {
  id: string
  inbox_id: string
  environment_id: string
  thread_id: string
  direction: 'inbound' | 'outbound'
  subject: string | null
  from_address: Address | null
  to_addresses: Address[]
  cc_addresses: Address[]
  bcc_addresses: Address[]
  preview: string | null
  labels: string[]
  has_attachments: boolean
  attachments: Attachment[]
  header_message_id: string
  created_at: string
  updated_at: string
}

export interface Message extends MessageItem {
  text_body: string | null
  html_body: string | null
  extracted_text: string | null
}

interface Mail {
  to?: Recipients
  cc?: Recipients
  bcc?: Recipients
  reply_to?: Recipients
  text_body?: string
  html_body?: string
  attachments?: AttachmentKey[]
  labels?: string[]
}

export interface SendMessage extends Mail {
  subject?: string
}

export interface ReplyMessage extends Mail {
  reply_all?: boolean
}

export interface SendOptions {
  /** A repeated one returns the first message. */
  idempotencyKey?: string
}

export interface ThreadItem {
  id: string
  inbox_id: string
  environment_id: string
  subject: string | null
  preview: string | null
  message_count: number
  last_message_at: string
  labels: string[]
  participants: string[]
  has_attachments: boolean
  created_at: string
  updated_at: string
}

export interface Thread extends ThreadItem {
  messages: Message[]
  next_cursor?: string
}

export interface Labelling {
  id: string
  labels: string[]
}

export interface Draft {
  id: string
  inbox_id: string
  thread_id: string | null
  in_reply_to: string | null
  subject: string | null
  to_addresses: Address[]
  cc_addresses: Address[]
  bcc_addresses: Address[]
  text_body: string | null
  html_body: string | null
  labels: string[]
  attachments_meta: { id: string; filename: string | null; mime_type: string; size: number }[]
  created_at: string
  updated_at: string
}

export interface CreateDraft extends SendMessage {
  in_reply_to?: string
  client_id?: string
}

export interface UpdateDraft {
  to?: Recipients | null
  cc?: Recipients | null
  bcc?: Recipients | null
  reply_to?: Recipients | null
  subject?: string | null
  text_body?: string | null
  html_body?: string | null
  attachments?: AttachmentKey[]
  remove_attachments?: string[]
}

export interface Environment {
  id: string
  name: string
  slug: string | null
  is_default: boolean
  created_at: string
  updated_at: string
}

export interface ApiKey {
  id: string
  name: string
  prefix: string
  environment_id: string | null
  inbox_id: string | null
  last_used_at: string | null
  expires_at: string | null
  created_at: string
}

export interface Domain {
  id: string
  environment_id: string | null
  domain: string
  client_id: string | null
  status: 'pending' | 'verified' | 'failed'
  verified: boolean
  dns_records?: {
    purpose: string
    type: string
    name: string
    value: string
    priority: number | null
    status: string
  }[]
  created_at: string
  updated_at: string
}

export type EventType =
  | 'message.received'
  | 'message.sent'
  | 'message.delivered'
  | 'message.bounced'
  | 'message.complained'
  | 'message.rejected'
  | 'domain.verified'

export interface WebhookSettings {
  event_types?: EventType[]
  inbox_id?: string
  inbox_ids?: string[]
  enabled?: boolean
  long_retries?: boolean
}

export interface Webhook {
  id: string
  url: string
  event_types: EventType[]
  environment_id: string | null
  inbox_emails: string[]
  enabled: boolean
  disabled_reason: string | null
  consecutive_failures: number
  long_retries: boolean
  /** Only in the response that made it. */
  secret?: string
  created_at: string
  updated_at: string
}

export interface MetricsQuery {
  start?: string
  end?: string
  /** Seconds. */
  period?: number
  environment_id?: string
  inbox_id?: string
}

/** The body of a webhook, and an event of the WebSocket. */
export interface AgentPostEvent {
  id: string
  type: EventType
  timestamp: string
  org_id: string
  env_id: string | null
  // The members depend on the type (docs/compatibility/agentpost.md).
  data: any
}

export interface Subscription {
  /** Default: all types. */
  events?: EventType[]
  inbox_id?: string
  environmentIds?: string[]
}

interface ConnectionEvents {
  open: () => void
  event: (event: AgentPostEvent) => void
  error: (error: Error) => void
  close: (code: number, reason: string) => void
}

/** Reconnects by itself, subscribes again, and resumes after the last event. */
export interface RealtimeConnection {
  on<Name extends keyof ConnectionEvents>(name: Name, listener: ConnectionEvents[Name]): this
  once<Name extends keyof ConnectionEvents>(name: Name, listener: ConnectionEvents[Name]): this
  off<Name extends keyof ConnectionEvents>(name: Name, listener: ConnectionEvents[Name]): this
  /** Several add up. The same filter counts once, so that a listener of "open" may subscribe each time. */
  subscribe(subscription?: Subscription): void
  close(): void
}

interface Collection<Item, Create, Query = PageQuery> {
  create(body: Create): Promise<Item>
  list(query?: Query): Promise<Page<Item>>
  get(id: string): Promise<Item>
  delete(id: string): Promise<void>
}

interface Labelled {
  delete(id: string): Promise<void>
  addLabels(id: string, labels: string[] | { labels: string[] }): Promise<Labelling>
  removeLabels(id: string, labels: string[] | { labels: string[] }): Promise<Labelling>
}

export class AgentPostError extends Error {
  readonly status?: number
  readonly code?: string
  readonly field?: string
  readonly fix?: string
}

export class AgentPost {
  constructor(options?: AgentPostOptions)
  readonly inboxes: Collection<Inbox, CreateInbox, EnvironmentQuery> & {
    update(id: string, body: { display_name?: string | null; send_paused?: boolean }): Promise<Inbox>
  }
  readonly messages: Labelled & {
    send(inboxId: string, body: SendMessage, options?: SendOptions): Promise<Message>
    list(inboxId: string, query?: MailQuery): Promise<Page<MessageItem>>
    get(id: string): Promise<Message>
    reply(id: string, body: ReplyMessage, options?: SendOptions): Promise<Message>
    forward(id: string, body: SendMessage, options?: SendOptions): Promise<Message>
  }
  readonly threads: Labelled & {
    list(inboxId: string, query?: MailQuery): Promise<Page<ThreadItem>>
    get(id: string, query?: PageQuery): Promise<Thread>
  }
  readonly drafts: {
    create(inboxId: string, body: CreateDraft): Promise<Draft>
    list(inboxId: string, query?: PageQuery): Promise<Page<Omit<Draft, 'text_body' | 'html_body'>>>
    get(id: string): Promise<Draft>
    update(id: string, body: UpdateDraft): Promise<Draft>
    delete(id: string): Promise<void>
    send(id: string, options?: SendOptions): Promise<Message>
  }
  readonly attachments: {
    getUploadUrl(file: {
      filename: string
      mime_type?: string
      mimeType?: string
      size: number
    }): Promise<{ upload_url: string; key: string; expires_at: string }>
    /** Asks for an upload, sends the bytes, and returns what a message needs of it. */
    upload(file: {
      filename: string
      mime_type?: string
      mimeType?: string
      content: string | Uint8Array
    }): Promise<AttachmentKey>
    get(id: string): Promise<Attachment & { download_url: string; expires_at: string }>
  }
  readonly environments: Collection<Environment, { name: string; slug?: string }>
  readonly apiKeys: Collection<
    ApiKey & { key?: string },
    { name?: string; environment_id?: string; inbox_id?: string; expires_at?: string },
    EnvironmentQuery
  >
  readonly domains: Collection<
    Domain,
    { domain: string; client_id?: string; environment_id?: string },
    EnvironmentQuery
  > & { verify(id: string): Promise<Domain> }
  readonly webhooks: Collection<
    Webhook,
    WebhookSettings & { url: string; environment_id?: string },
    EnvironmentQuery
  > & {
    update(id: string, body: WebhookSettings & { url?: string }): Promise<Webhook>
    rotateSecret(id: string): Promise<Webhook>
  }
  readonly metrics: {
    get(query?: MetricsQuery): Promise<{ data: { type: EventType; timestamp: string; count: number }[] }>
    rates(
      query?: MetricsQuery,
    ): Promise<{ data: { type: string; timestamp: string; rate: number | null; sent: number }[] }>
  }
  readonly org: {
    get(): Promise<{ id: string; inbox_count: number; domain_count: number; created_at: string }>
    /** Martlet has no members: these three are rejected with the code `not_implemented`. */
    invite(body: { email: string; role: string }): Promise<never>
    listInvitations(): Promise<never>
    revokeInvitation(id: string): Promise<never>
  }
  readonly realtime: { connect(): RealtimeConnection }
}

export default AgentPost
