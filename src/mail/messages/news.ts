/**
 * What a message event tells besides its own payload: the message with its bodies, read while it lives, and the thread
 * as it was then. One read serves all subscribers of a node that hear of the event at about the same time.
 */
import type { Store } from '../../store/store.ts'
import * as table from '../../store/tables/messages.ts'
import type { Event } from '../events/event.ts'
import { isMessageEvent } from '../events/message-events.ts'
import { Recent } from '../events/recent.ts'
import { showWhole } from './bodies.ts'
import type { Message } from './message.ts'
import type { VerificationLimits } from './reading.ts'
import type { ThreadItem } from './thread.ts'

/** Absent where the message is gone meanwhile. */
export interface EventSubject {
  readonly message?: Message
  readonly thread?: ThreadItem
}

export interface News {
  /** The message and thread of a `message.received` or one of its variants, as of the event; `{}` of any other. */
  of(event: Event): Promise<EventSubject>
}

interface NewsNeeds {
  readonly store: Store
  readonly limits: VerificationLimits & { readonly newsKeptMax: number; readonly newsKeptBytesMax: number }
}

export function createNews({ store, limits }: NewsNeeds): News {
  const kept = new Recent<number, Promise<EventSubject>>({
    countMax: limits.newsKeptMax,
    bytesMax: limits.newsKeptBytesMax,
  })

  return {
    async of(event) {
      const known = kept.get(event.seq)
      if (known && (await isStillTrue(await known))) return known
      const subject = read(event)
      kept.set(event.seq, subject, 0)
      subject.then(
        (known) => kept.resize(event.seq, subject, bodyBytes(known)),
        () => kept.drop(event.seq), // the failure is the caller's; the next one reads again
      )
      return subject
    },
  }

  /** What was deleted meanwhile is told to nobody any more. */
  async function isStillTrue({ message }: EventSubject): Promise<boolean> {
    return message === undefined || (await table.listByIds(store.db, [message.id])).length > 0
  }

  async function read(event: Event): Promise<EventSubject> {
    if (
      !isMessageEvent(
        event,
        'message.received',
        'message.received.spam',
        'message.received.blocked',
        'message.received.unauthenticated',
      )
    ) {
      return {}
    }
    const rows = event.messageId === undefined ? [] : await table.listByIds(store.db, [event.messageId])
    const [message] = await showWhole(store.db, store.blobs, rows, limits)
    if (!message) return {}
    const { organizationId, podId, inboxId, inboxAddress } = message
    return {
      // As it was when it happened: whoever hears of it later is told the same.
      message: { ...message, labels: event.payload.labels, updatedAt: event.at },
      thread: { ...event.payload.thread, organizationId, podId, inboxId, inboxAddress },
    }
  }
}

/** Nearly: a text takes one or two bytes per character. */
function bodyBytes({ message }: EventSubject): number {
  const bodies = [message?.text, message?.html, message?.extractedText, message?.extractedHtml]
  return bodies.reduce((sum, body) => sum + (body?.length ?? 0), 0)
}
