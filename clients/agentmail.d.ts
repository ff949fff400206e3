/**
 * Types for what Martlet adds to the objects of the npm package `agentmail` 0.5, which passes unknown members through with
 * their names on the wire. One import anywhere in a program is enough (ES modules):
 *
 *   import 'martlet/agentmail'
 *   const { codes } = await client.inboxes.messages.get(inboxId, messageId)
 *
 * It also exports calls for which that client has no method (docs/compatibility/agentmail.md).
 */
import type { AgentMailClient } from 'agentmail'

/** A one-time code in a message. `confidence` is between 0.5 and 1. */
export interface Code {
  code: string
  context: string
  confidence: number
}

/** A link that verifies an address, signs in or confirms. `confidence` is between 0.5 and 1. */
export interface Link {
  url: string
  context: string
  confidence: number
}

/** What one method found; `reason` is for people. */
export interface Finding {
  result: string
  reason?: string
}

/** Who wrote a message, as far as it is known (docs/compatibility/agentmail.md, "Who wrote a message"). */
export interface Authentication {
  result: 'own' | 'local' | 'trusted' | 'pass' | 'fail' | 'unverified' | 'unauthenticated' | 'temperror'
  /** For people. */
  reason?: string
  /** The domain of From that was compared. */
  from_domain?: string
  spf?: Finding & { domain?: string; identity: 'mailfrom' | 'helo'; aligned: boolean }
  /** One per signature. */
  dkim?: (Finding & { domain?: string; selector?: string; algorithm?: string; aligned: boolean })[]
  dmarc?: Finding & { domain?: string; policy?: string; applied?: string }
  arc?: Finding & { sealers?: string[]; trusted?: true }
  iprev?: Finding & { name?: string }
  /** A stranger's From is in a domain of your organization, or in the shared one. */
  own_domain_unverified?: true
}

/** What every whole message has besides AgentMail's members. */
export interface MessageAdditions {
  /** Highest confidence first; empty if there are none. */
  codes: Code[]
  links: Link[]
  /** The text in the HTML of a message that has no text. */
  text_from_html?: string
  /** The message exceeds a limit of the parser; the raw message is complete. */
  truncated?: true
  authentication?: Authentication
  /** What the spam check has found; absent if the message was not checked. */
  spam?: {
    checker: 'rspamd' | 'built-in'
    is_spam: boolean
    score: number
    /** From this score on, the checker takes a message for spam. */
    threshold: number
    /** The largest share of the score first. */
    reasons: { name: string; score: number; description?: string }[]
  }
  /** The domain of From, if it has confirmed the message. Without it, anyone may have written the message. */
  verified_domain?: string
  /** The address in From, if it has answered a challenge. Less than `verified_domain`. */
  verified_sender?: string
  /** Only in events: the message was deleted before the event was sent. */
  deleted?: true
}

/** What a frame of the WebSocket has besides AgentMail's members. */
export interface FrameAdditions {
  /** The position in the event log: send it as `after` to get the events that follow. */
  cursor: string
  /** The frame would be too large: texts and long lists are left out. */
  truncated?: true
}

declare module 'agentmail' {
  // The names of a namespace hide those that it exports with `export *`, so each of these replaces the original.
  namespace AgentMail {
    interface Message extends AgentMail.messages.Message, MessageAdditions {}
    interface ThreadItem extends AgentMail.threads.ThreadItem {
      /** For clients of 2024: senders and recipients; and `timestamp`, as text. */
      participants: string[]
      last_message_at: string
    }
    interface Thread extends AgentMail.threads.Thread {
      participants: string[]
      last_message_at: string
    }
    interface SendMessageResponse extends AgentMail.messages.SendMessageResponse {
      /** Addresses in the original message that cannot receive mail; only in the response to a reply. */
      dropped_recipients?: { address: string; reason: string }[]
    }
    interface Draft extends AgentMail.drafts.Draft {
      /** Why it could not be sent at `sendAt`. */
      send_error?: string
    }
    interface DraftItem extends AgentMail.drafts.DraftItem {
      send_error?: string
    }
    interface Subscribed extends AgentMail.websockets.Subscribed {
      cursor: string
    }
    interface MessageReceivedEvent extends AgentMail.events.MessageReceivedEvent, FrameAdditions {}
    interface MessageSentEvent extends AgentMail.events.MessageSentEvent, FrameAdditions {}
    interface MessageDeliveredEvent extends AgentMail.events.MessageDeliveredEvent, FrameAdditions {}
    interface MessageBouncedEvent extends AgentMail.events.MessageBouncedEvent, FrameAdditions {}
    interface MessageComplainedEvent extends AgentMail.events.MessageComplainedEvent, FrameAdditions {}
    interface MessageRejectedEvent extends AgentMail.events.MessageRejectedEvent, FrameAdditions {}
    interface MessageOpenedEvent extends AgentMail.events.MessageOpenedEvent, FrameAdditions {}
    interface DomainVerifiedEvent extends AgentMail.events.DomainVerifiedEvent, FrameAdditions {}
  }
}

/** A message as it is on the wire. Times are ISO 8601. */
export interface WireMessage extends MessageAdditions {
  inbox_id: string
  thread_id: string
  message_id: string
  labels: string[]
  timestamp: string
  from: string
  to: string[]
  cc?: string[]
  bcc?: string[]
  reply_to?: string[]
  subject?: string
  preview?: string
  text?: string
  html?: string
  extracted_text?: string
  extracted_html?: string
  attachments?: WireAttachment[]
  in_reply_to?: string
  references?: string[]
  headers?: Record<string, string>
  size: number
  updated_at: string
  created_at: string
}

export interface WireAttachment {
  attachment_id: string
  filename?: string
  size: number
  content_type?: string
  content_disposition?: 'inline' | 'attachment'
  content_id?: string
}

/** The response of GET `/v0/inboxes/{inbox_id}/messages/wait`. */
export interface AwaitedMessage {
  /** null: no message matched in time. */
  message: WireMessage | null
  /** Send it as `after` to wait for the next one. */
  cursor: string
}

/** The response of GET `/v0/events`; the events are those of the WebSocket, as they are on the wire. */
export interface EventPage {
  count: number
  events: { type: 'event'; event_type: string; event_id: string; cursor: string; [member: string]: unknown }[]
  cursor: string
}

type Client = Pick<AgentMailClient, 'fetch'>

/** Hidden classes to include; each needs the permission of the class. */
interface Included {
  include_spam?: boolean
  include_blocked?: boolean
  include_unauthenticated?: boolean
  include_trash?: boolean
}

/**
 * Gets the first message that matches, or waits for it.
 *
 * @param baseUrl of the server, as the client has it
 * @throws Error with `statusCode` and `body`, as those of the client
 */
export function waitForMessage(
  client: Client,
  baseUrl: string | URL,
  inboxId: string,
  query?: Included & {
    from?: string[]
    to?: string[]
    subject?: string[]
    /** Default: received messages. */
    labels?: string[]
    /** The cursor of a response or an event, a time, or `latest`. Default: the whole inbox, oldest first. */
    after?: string
    /** Default: 60. */
    wait_seconds?: number
  },
): Promise<AwaitedMessage>

/**
 * Lists events, oldest first; with `wait_seconds` an empty page waits for the first one.
 *
 * @throws as waitForMessage
 */
export function listEvents(
  client: Client,
  baseUrl: string | URL,
  query?: {
    event_types?: string[]
    inbox_ids?: string[]
    pod_ids?: string[]
    /** A cursor, `earliest` (the default) or `latest`. */
    after?: string
    start?: string
    end?: string
    limit?: number
    wait_seconds?: number
  },
): Promise<EventPage>
