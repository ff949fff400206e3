/**
 * Send, reply and forward: the calls an agent uses to send mail. Each becomes a checked message with its thread,
 * which submit.ts sends.
 */
import type { Limits } from '../../config/limits.ts'
import { MailError } from '../../errors.ts'
import { CORRELATION_ID } from '../../formats/agentmail-fields.ts'
import { forwardBody, quotedBody } from '../../formats/reply/reply-compose.ts'
import type { InboxRow } from '../../store/schema/tenant-rows.ts'
import type { Store } from '../../store/store.ts'
import type { StoredMessageRow } from '../../store/tables/messages-table.ts'
import { requireInbox, requirePermission } from '../access/access.ts'
import type { Actor } from '../access/actor.ts'
import { type BodyMemory, type RequestMemory, withMore } from '../access/body-memory.ts'
import { listAddressesOf } from '../inboxes/own-address.ts'
import { showWhole } from '../messages/content/bodies.ts'
import type { Message } from '../messages/views/message.ts'
import { requireMessage } from '../messages/views/message-lookup.ts'
import { showMessages } from '../messages/views/message-views.ts'
import { type CheckedMessage, checkMessage, checkSizes } from './compose/checked-message.ts'
import type { ThreadedMessage } from './compose/compose-mail.ts'
import type { OpenForwarded } from './compose/forwarded-attachments.ts'
import type { OutgoingMessage, OutgoingReply, RequestedAttachment, Sent } from './compose/outgoing.ts'
import { mustBeAnswerable, requireAnswerable } from './compose/reply-loops.ts'
import { requireActive } from './compose/require-sendable.ts'
import type { ResolveAttachments } from './compose/resolve-attachments.ts'
import { addedBodies, deriveForward, deriveReply, forwardingBodies, originalOf } from './compose/source-message.ts'
import type { Submit } from './compose/submit.ts'
import { type Idempotency, type KeyClaim, type KeyForm, type KeyUse, keyUse } from './idempotency/idempotency.ts'

export interface SendOptions {
  /** 1–256 of `A-Za-z0-9-._~`. A repeated key returns the first result and sends nothing. */
  readonly idempotencyKey?: string | undefined
  /** visible: any visible ASCII characters, for clients that make no other promise to their users. */
  readonly idempotencyKeyForm?: KeyForm | undefined
  /** For attachments that are given by URL or were uploaded before. */
  readonly requestMemory?: RequestMemory | undefined
}

/**
 * Each call resolves when message, queue rows and event are on disk. A message that is held gets `message.held`. All throw validation_error, no_recipients,
 * too_many_recipients, message_too_large, system_label, idempotency_conflict, idempotency_running, not_found, missing_permission,
 * message_rejected, automatic_loop, inbox_paused, organization_unverified, rate_limit_exceeded; and disk_full, unavailable, shutting_down, too_many_bodies or too_many_at_once when nothing was
 * accepted.
 */
export interface Sending {
  /** Needs `message_send`. The two calls below also need `message_read`, and find only what the actor may see. */
  send(actor: Actor, inbox: string, message: OutgoingMessage, options?: SendOptions): Promise<Sent>
  /**
   * @param memory for the original body, if it is quoted
   * @throws also too_many_responses
   */
  reply(
    actor: Actor,
    inbox: string,
    parent: string,
    reply: OutgoingReply,
    memory: BodyMemory,
    options?: SendOptions,
  ): Promise<Sent>
  /**
   * Appends the original body and attachments. The subject is `Fwd: …` unless given; the thread is the parent's.
   *
   * @param memory for the original body and attachments
   * @throws also too_many_responses
   */
  forward(
    actor: Actor,
    inbox: string,
    parent: string,
    message: OutgoingMessage,
    memory: BodyMemory,
    options?: SendOptions,
  ): Promise<Sent>
}

interface SendingNeeds {
  readonly store: Store
  readonly submit: Submit
  readonly idempotency: Idempotency
  readonly openForwarded: OpenForwarded
  readonly resolveAttachments: ResolveAttachments
  readonly limits: Limits
}

export function createSending({
  store,
  submit,
  idempotency,
  openForwarded,
  resolveAttachments,
  limits,
}: SendingNeeds): Sending {
  return {
    async send(actor, inboxRef, message, options = {}) {
      const inbox = await requireInbox(store.db, actor, 'message_send', inboxRef)
      const request = { endpoint: 'send', inbox: inbox.id, message: comparable(message) }
      return idempotency.once(keyOf(actor, inbox, options), request, (keyClaim) =>
        submitNow(actor, inbox, checkMessage(message, limits), keyClaim, { ...options, isHeld: message.isHeld }),
      )
    },

    async reply(actor, inboxRef, parentRef, reply, memory, options = {}) {
      const inbox = await requireInbox(store.db, actor, 'message_send', inboxRef)
      // The parent's subject and addresses are sent to recipients that the actor chooses.
      requirePermission(actor, 'message_read')
      const request = { endpoint: 'reply', inbox: inbox.id, parent: parentRef, reply: comparable(reply) }
      // Read the parent inside: a repeated request gets its result even when the parent was deleted.
      return idempotency.once(keyOf(actor, inbox, options), request, async (keyClaim) => {
        const row = await requireMessage(store.db, actor, inbox.id, parentRef)
        requireReady(inbox) // before its body is loaded
        const [parent] = await showMessages(store.db, [row])
        if (!parent) throw new MailError('not_found', { what: 'Message' })
        const isAutomatic = mustBeAnswerable(reply)
        const whole = reply.quoteOriginal || isAutomatic ? await readWhole(actor, row, memory) : undefined
        if (isAutomatic) requireAnswerable(row, whole!)
        const quoted = reply.quoteOriginal ? whole : undefined
        const { recipients, subject, ...place } = deriveReply(
          await listAddressesOf(store.db, inbox),
          row,
          parent,
          reply,
        )
        const outgoing = {
          ...reply,
          subject,
          ...(quoted && quotedBody(originalOf(quoted), addedBodies(reply), limits.sending.quotedCharsMax)),
        }
        const { dropped } = recipients
        const message = {
          ...checkMessage(outgoing, limits, { defaults: recipients }),
          ...place,
          ...(dropped.length > 0 && { dropped }),
        }
        return submitNow(actor, inbox, message, keyClaim, { ...options, isHeld: reply.isHeld })
      })
    },

    async forward(actor, inboxRef, parentRef, message, memory, options = {}) {
      const inbox = await requireInbox(store.db, actor, 'message_send', inboxRef)
      requirePermission(actor, 'message_read') // a forward sends the content to others, so it counts as reading
      const request = { endpoint: 'forward', inbox: inbox.id, parent: parentRef, message: comparable(message) }
      return idempotency.once(keyOf(actor, inbox, options), request, async (keyClaim) => {
        const row = await requireMessage(store.db, actor, inbox.id, parentRef)
        // What can be refused is refused before anything is loaded.
        requireReady(inbox)
        const checked = checkMessage(message, limits)
        const forwarded = await openForwarded(row, checked.attachments.map(knownSize))
        // A URL may be slow, and others wait for the memory that is reserved next.
        const own = await resolveAttachments(actor, inbox, checked.attachments, options.requestMemory)
        const parent = await readWhole(actor, row, withMore(memory, forwarded.memoryBytes))
        const { subject, ...place } = deriveForward(row, parent)
        const added = {
          subject: message.subject ?? subject,
          ...forwardBody(originalOf(parent), forwardingBodies(message)),
        }
        checkSizes({ ...message, ...added }, limits)
        const attachments = [...own, ...(await forwarded.read())]
        const whole = { ...checked, ...added, ...place, attachments }
        const { isHeld } = message
        return submit(actor, { inbox, message: whole, permission: 'message_send', keyClaim, isHeld })
      })
    },
  }

  function keyOf(actor: Actor, inbox: InboxRow, { idempotencyKey, idempotencyKeyForm }: SendOptions): KeyUse {
    return keyUse(actor, inbox, idempotencyKey, idempotencyKeyForm)
  }

  async function submitNow(
    actor: Actor,
    inbox: InboxRow,
    checked: CheckedMessage & Omit<ThreadedMessage, 'attachments'>,
    keyClaim: KeyClaim,
    { requestMemory, isHeld }: SendOptions & Pick<OutgoingMessage, 'isHeld'>,
  ): Promise<Sent> {
    requireReady(inbox)
    const attachments = await resolveAttachments(actor, inbox, checked.attachments, requestMemory)
    const message = { ...checked, attachments }
    return submit(actor, { inbox, message, permission: 'message_send', keyClaim, isHeld })
  }

  /** Before attachments are loaded or fetched: the transaction checks again. */
  function requireReady(inbox: InboxRow): void {
    store.checkWritable()
    requireActive(inbox)
  }

  async function readWhole(actor: Actor, row: StoredMessageRow, memory: BodyMemory): Promise<Message> {
    const [message] = await showWhole({ store, limits }, actor, [row], memory)
    if (!message) throw new MailError('not_found', { what: 'Message' }) // deleted or hidden meanwhile
    return message
  }
}

/** Returns 0 for an attachment that has not been loaded. */
function knownSize(attachment: RequestedAttachment): number {
  return 'bytes' in attachment ? attachment.bytes.length : 0
}

/**
 * Returns what is compared with the earlier request of an idempotency key. A program that repeats all its steps uploads a file
 * again and gets another id, so of an upload only its name and type count. Its header fields may be in another order: they are
 * members of a JSON object. Its correlation id is often made for each request, and does not count, as in mail of mail programs.
 */
function comparable<Requested extends Pick<OutgoingMessage, 'attachments' | 'headers'>>(message: Requested): Requested {
  const attachments = message.attachments?.map((each) => ('uploadId' in each ? { ...each, uploadId: '' } : each))
  return { ...message, attachments, headers: message.headers && comparableHeaders(message.headers) }
}

/** @returns undefined if no field counts: as in a request without fields */
function comparableHeaders(headers: Readonly<Record<string, string>>): Readonly<Record<string, string>> | undefined {
  const names = Object.keys(headers).filter((name) => name.toLowerCase() !== CORRELATION_ID.toLowerCase())
  return names.length === 0 ? undefined : Object.fromEntries(names.sort().map((name) => [name, headers[name]!]))
}
