/**
 * Tests that an event is rendered once for all readers who may see the same parts of it, and never shared with other
 * readers.
 */
import { expect, test } from 'vitest'
import { type LimitOverrides, withLimits } from '../../../src/config/limits.ts'
import { createEventJson } from '../../../src/edges/http/dialects/agentmail/live/event-json.ts'
import { MailError } from '../../../src/errors.ts'
import type { Event } from '../../../src/mail/events/log/event.ts'
import type { EventSubject } from '../../../src/mail/messages/views/event-subject.ts'
import { anyone } from './edge.ts'
import { message, receivedEvent, thread } from './sample-views.ts'

/** Tests of whole pages use these. */
const forPages = { ofAll: async () => [], sizesOf: async () => [] }

/** Creates a renderer of events whose subjects the test chooses. */
function startRenderer(limits: LimitOverrides = {}) {
  const subjects = new Map<number, EventSubject>()
  const eventSubjects = {
    ...forPages,
    async of({ seq }: Event) {
      const subject = subjects.get(seq) ?? { message, thread, version: 'whole' }
      subjects.set(seq, subject)
      return subject
    },
  }
  const eventJson = createEventJson({ eventSubjects, limits: withLimits(limits) })
  return { subjects, render: (event: Event) => eventJson.of(event, anyone) }
}

test('all subscribers of an event share one rendered text, and so does a later reader', async () => {
  const { render } = startRenderer()
  const event = receivedEvent(7)
  const texts = await Promise.all([render(event), render(event), render(event)])
  texts.push(await render(receivedEvent(7)))
  expect(new Set(texts).size).toBe(1)
  expect(JSON.parse(texts[0]!.toString())).toMatchObject({ cursor: 'cursor-7', message: { text: message.text } })
  expect(await render(receivedEvent(8))).not.toBe(texts[0])
})

test('a later reader does not get the text of a message that was deleted meanwhile', async () => {
  const { render, subjects } = startRenderer()
  await render(receivedEvent(7))
  subjects.set(7, { thread, version: 'deleted' })
  const later = (await render(receivedEvent(7)))!.toString()
  expect(later).toContain('"deleted":true')
  expect(later).not.toContain(JSON.stringify(message.text))
})

test('a rendered text is reused only for the same event and the same access, whatever is rendered in between', async () => {
  const { render, subjects } = startRenderer()
  const [whole, nothing] = [{ message, thread, version: 'whole' }, { version: 'nothing' }]
  const of = async (seq: number, subject: EventSubject) => {
    subjects.set(seq, subject)
    return render(receivedEvent(seq))
  }
  const first = await of(7, whole)
  const second = await of(7, nothing)
  const other = await of(8, nothing) // the same subject of another event
  expect(new Set([first, second, other]).size).toBe(3)
  expect(other!.toString()).toContain('cursor-8')
  expect(await of(7, whole)).toBe(first)
  expect(await of(7, nothing)).toBe(second)
})

test('after a failure the next reader reads the message again', async () => {
  const event = receivedEvent(7)
  const answers = [
    Promise.reject(new MailError('unavailable', {})),
    Promise.resolve({ message, thread, version: 'whole' }),
  ]
  const eventSubjects = { ...forPages, of: () => answers.shift()! }
  const eventJson = createEventJson({ eventSubjects, limits: withLimits() })
  await expect(eventJson.of(event, anyone)).rejects.toMatchObject({ code: 'unavailable' })
  expect((await eventJson.of(event, anyone))!.toString()).toContain('cursor-7')
})

test('no more rendered texts are cached than the limits allow', async () => {
  const { render } = startRenderer({ events: { jsonCachedMax: 2 } })
  const [one, two, three] = [
    await render(receivedEvent(1)),
    await render(receivedEvent(2)),
    await render(receivedEvent(3)),
  ]
  expect(await render(receivedEvent(3))).toBe(three)
  expect(await render(receivedEvent(2))).toBe(two)
  expect(await render(receivedEvent(1))).not.toBe(one)
})
