/**
 * Reads the subject of a message event: the message with its bodies, while it exists, and the thread as it was at the
 * time of the event. One read serves all readers on a node that get the event at about the same time. The messages of
 * several events are read together.
 *
 * Each request checks what the reader may see, by the classes that hide the message now (readable.ts): the label may
 * have been added after the event. A thread with a hidden message is shown as it is now, built from its other messages:
 * the thread as it was then may show a message that was hidden since.
 */
import { setImmediate } from 'node:timers/promises'
import type { Limits } from '../../../config/limits.ts'
import type { Store } from '../../../store/store.ts'
import { parsedSizesOfMessages } from '../../../store/tables/contents-table.ts'
import * as messages from '../../../store/tables/messages-table.ts'
import * as threads from '../../../store/tables/threads-table.ts'
import { forbiddenMask } from '../../access/access.ts'
import type { Actor } from '../../access/actor.ts'
import { BoundedCache } from '../../events/feed/bounded-cache.ts'
import type { Event } from '../../events/log/event.ts'
import { isMessageEvent, type ReceivedPayload, receivedTypes } from '../../events/log/message-events.ts'
import { type BoundedMessage, showBounded } from '../content/bodies.ts'
import { isReadable } from '../readable.ts'
import type { ThreadItem } from '../threads/thread.ts'
import { eventThreadMask } from './event-message.ts'
import type { Message } from './message.ts'
import { showThreads } from './message-views.ts'

/** Empty when the message was deleted. */
export interface EventSubject {
  readonly message?: Message
  /** The text and HTML of the message are missing, because they are too large. */
  readonly isWithoutBodies?: true
  readonly thread?: ThreadItem
  /** Subjects of one event with the same version are equal. */
  readonly version: string
}

export interface EventSubjects {
  /**
   * Returns the message and thread of a `message.received` or one of its variants, as of the event; an empty
   * subject for any other event, and for a message that was deleted. Readers who may see the same data get the same
   * object.
   *
   * @param bodiesBytesMax size in JSON up to which the text and HTML of the message are loaded
   * @returns undefined when the event must not be sent to the reader: its message is hidden from the reader now, or it
   *   was deleted and may have been hidden before
   */
  of(event: Event, actor: Actor, bodiesBytesMax: number): Promise<EventSubject | undefined>
  /**
   * As `of`, for several events, in their order. The number of statements does not depend on the number of events,
   * unless a message is in a thread of which the actor may not see everything. The caller limits the sum of their sizes.
   */
  ofAll(events: readonly Event[], actor: Actor, bodiesBytesMax: number): Promise<readonly (EventSubject | undefined)[]>
  /** Estimates the bytes of each subject in JSON, in the order of the events, without loading bodies. */
  sizesOf(events: readonly Event[], bodiesBytesMax: number): Promise<readonly number[]>
}

interface EventSubjectsNeeds {
  readonly store: Store
  readonly limits: Limits
}

type ReceivedEvent = Event & { readonly payload: ReceivedPayload }

/** The cached read for one event. */
interface CachedSubject {
  /** The message when it was read; undefined: it was deleted before. */
  readonly row: messages.MessageInThread | undefined
  readonly whole: EventSubject
  /** For readers who may not see all of the thread: the subject by the mask of the classes that are hidden from them. */
  readonly parts: Map<number, Promise<EventSubject | undefined>>
  /** The state of the thread when `parts` were read. */
  partsState: string
}

const NOTHING: EventSubject = { version: 'nothing' }
/** Size of a subject besides its bodies and header: addresses and the thread. An estimate. */
const FIELDS_BYTES = 2 * 1024

export function createEventSubjects({ store, limits }: EventSubjectsNeeds): EventSubjects {
  /** Keyed by event and bound of the bodies. */
  const cached = new BoundedCache<string, Promise<CachedSubject>>({
    countMax: limits.events.subjectsCachedMax,
    bytesMax: limits.events.subjectsCachedBytesMax,
  })
  const currentRow = createCurrentRows(store)

  return {
    of: async (event, actor, bodiesBytesMax) => (await ofAll([event], actor, bodiesBytesMax))[0],

    ofAll,

    async sizesOf(events, bodiesBytesMax) {
      const ids = events.filter(isReceived).flatMap(({ messageId }) => messageId ?? [])
      const sizes = await parsedSizesOfMessages(store.db, ids)
      return events.map((event) => {
        const size = isReceived(event) ? (sizes.get(event.messageId ?? '') ?? 0) : 0
        return Math.min(size, bodiesBytesMax) + FIELDS_BYTES
      })
    },
  }

  async function ofAll(events: readonly Event[], actor: Actor, bodiesBytesMax: number) {
    const received = events.filter(isReceived)
    const known = new Map(received.map((event) => [event.seq, cached.get(keyOf(event, bodiesBytesMax))]))
    const unknown = received.filter(({ seq }) => known.get(seq) === undefined)
    const started = startReading(unknown, bodiesBytesMax)
    const subjectOf = async (event: ReceivedEvent) => {
      const subject = await (known.get(event.seq) ?? started.get(event.seq)!)
      if (started.has(event.seq)) return subjectFor(event, subject, subject.row, actor)
      const row = subject.row && (await currentRow(subject.row.id))
      const isDeletedSince = subject.row !== undefined && row === undefined
      if (!isDeletedSince) return subjectFor(event, subject, row, actor)
      const again = await startReading([event], bodiesBytesMax).get(event.seq)!
      return subjectFor(event, again, again.row, actor)
    }
    return Promise.all(events.map((event) => (isReceived(event) ? subjectOf(event) : NOTHING)))
  }

  /** Reads the subjects of events together. Each reading is cached at once, so that other readers wait for it. */
  function startReading(events: readonly ReceivedEvent[], bodiesBytesMax: number) {
    const reading = readAll(events, bodiesBytesMax)
    return new Map(
      events.map((event, index) => {
        const subject = reading.then((subjects) => subjects[index]!)
        cache(keyOf(event, bodiesBytesMax), subject)
        return [event.seq, subject] as const
      }),
    )
  }

  function cache(key: string, reading: Promise<CachedSubject>): void {
    cached.set(key, reading, 0)
    reading.then(
      ({ whole }) => cached.resize(key, reading, bodyBytes(whole)),
      () => cached.drop(key), // the caller gets the failure; the next call reads again
    )
  }

  async function readAll(events: readonly ReceivedEvent[], bodiesBytesMax: number): Promise<CachedSubject[]> {
    const ids = new Set(events.flatMap(({ messageId }) => messageId ?? []))
    const rows = await messages.listInThreads(store.db, [...ids])
    const shown = await showBounded({ store, limits }, rows, bodiesBytesMax)
    const byId = new Map(rows.map((row) => [row.id, row]))
    return events.map((event) => {
      const row = byId.get(event.messageId ?? '')
      const found = row && shown.get(row.id)
      return { row, whole: found ? asOfThen(event, found) : NOTHING, parts: new Map(), partsState: '' }
    })
  }

  /** @param row of the message as it is now; undefined: it was deleted */
  async function subjectFor(
    { payload }: ReceivedEvent,
    subject: CachedSubject,
    row: messages.MessageInThread | undefined,
    actor: Actor,
  ): Promise<EventSubject | undefined> {
    if (!isReadable(actor, row)) return undefined
    const forbidden = forbiddenMask(actor)
    if (forbidden === 0 || !row || row.thread_visible_count === row.thread_message_count) return subject.whole
    const state = [row.thread_updated_at, row.thread_visible_count, row.thread_message_count].join(' ')
    if (subject.partsState !== state) subject.parts.clear()
    subject.partsState = state
    // Also hide the classes that the event's own thread leaves out, except those of the message itself.
    const mask = forbidden | (eventThreadMask(payload.labels) & ~row.hidden)
    const known = subject.parts.get(mask)
    if (known) return known
    const part = readPart(subject, row, mask, `${mask} ${state}`)
    subject.parts.set(mask, part)
    part.catch(() => subject.parts.delete(mask))
    return part
  }

  async function readPart(
    { whole }: CachedSubject,
    row: messages.MessageInThread,
    mask: number,
    version: string,
  ): Promise<EventSubject | undefined> {
    const rows = await threads.listByIds(store.db, [row.thread_id])
    const [thread] = await showThreads(store.db, rows, limits, mask)
    return thread && { ...whole, thread, version } // without a thread the message was deleted or hidden meanwhile
  }
}

function isReceived(event: Event): event is ReceivedEvent {
  return isMessageEvent(event, ...receivedTypes)
}

/** Not the number, which belongs to another event after a backup was restored (docs/adr/0020). */
function keyOf({ eventId }: Event, bodiesBytesMax: number): string {
  return `${eventId} ${bodiesBytesMax}`
}

/** An estimate: a text needs one or two bytes per character. */
function bodyBytes({ message }: EventSubject): number {
  const { text, html, textFromHtml, extractedText, extractedHtml } = message ?? {}
  const bodies = [text, html, textFromHtml, extractedText, extractedHtml]
  return bodies.reduce((sum, body) => sum + (body?.length ?? 0), 0)
}

/** Restores the state at the time of the event: a reader who gets it later sees the same. */
function asOfThen({ at, payload }: ReceivedEvent, { message, isWithoutBodies }: BoundedMessage): EventSubject {
  const { organizationId, podId, inboxId, inboxAddress } = message
  return {
    message: { ...message, labels: payload.labels, updatedAt: at },
    ...(isWithoutBodies && { isWithoutBodies }),
    thread: { ...payload.thread, organizationId, podId, inboxId, inboxAddress },
    version: 'whole',
  }
}

/**
 * Reads rows as they are now. A thousand readers may get an event in one turn of the event loop: one statement reads
 * all rows that are requested in a turn, and it begins after the last of these requests.
 */
function createCurrentRows(store: Pick<Store, 'db'>) {
  let next: { readonly ids: Set<string>; readonly rows: Promise<Map<string, messages.MessageInThread>> } | undefined

  return async function currentRow(id: string): Promise<messages.MessageInThread | undefined> {
    next ??= begin()
    const { ids, rows } = next
    ids.add(id)
    return (await rows).get(id)
  }

  function begin() {
    const ids = new Set<string>()
    return { ids, rows: readLater(ids) }
  }

  async function readLater(ids: ReadonlySet<string>): Promise<Map<string, messages.MessageInThread>> {
    await setImmediate()
    next = undefined
    const rows = await messages.listInThreads(store.db, [...ids])
    return new Map(rows.map((row) => [row.id, row]))
  }
}
