/** Tests the shapes that no running server creates yet: types of events without a source, and very large ones. */
import { expect, test } from 'vitest'
import { boundedJson, renderEvent } from '../../../src/edges/http/dialects/agentpost/wire/agentpost-event-wire.ts'
import type { Event } from '../../../src/mail/events/log/event.ts'
import { readEventTypes, sevenTypes, shownEventTypes } from '../../../src/mail/events/log/seven-types.ts'

const uuid = (digit: number) => `${digit}0000000-0000-7000-8000-000000000000`

function eventOf(type: string, payload: object): Event {
  const reference = { inboxAddress: 'a@b.test', threadId: uuid(3), apiMessageId: '<1@x.test>' }
  return {
    ...{ seq: 1, cursor: 'c', eventId: uuid(1), at: 0, type, organizationId: uuid(2), podId: uuid(4) },
    ...{ inboxId: uuid(5), messageId: uuid(6), payload: { ...reference, timestamp: 1_000, ...payload } },
  }
}

test('mail that was not authenticated is message.received, also when it was deleted before', () => {
  const payload = { labels: ['received', 'unauthenticated'], thread: { subject: 'Gone' } }
  expect(renderEvent(eventOf('message.received.unauthenticated', payload), {})).toMatchObject({
    type: 'message.received',
    data: { subject: 'Gone', from_address: '', to_addresses: [], extracted_text: '', deleted: true },
  })
})

test('a complaint, a rejection and a verified domain have their data', () => {
  const complaint = { complaintType: 'abuse', complaintSubType: '', recipients: ['x@y.test'] }
  expect(renderEvent(eventOf('message.complained', complaint), {})?.data).toMatchObject({
    ...{ complained_recipients: ['x@y.test'], complaint_type: 'abuse', complained_at: '1970-01-01T00:00:01.000Z' },
  })
  const rejection = { reason: 'paused', recipients: ['x@y.test'] }
  expect(renderEvent(eventOf('message.rejected', rejection), {})?.data).toMatchObject({
    ...{ to_addresses: ['x@y.test'], reason: 'paused' },
  })
  const domain = { id: uuid(7), domain: 'x.test', status: 'VERIFIED', createdAt: 0, updatedAt: 0 }
  expect(renderEvent(eventOf('domain.verified', { domain }), {})?.data).toMatchObject({ domain: 'x.test' })
})

test('types that the service does not have are neither sent nor accepted', () => {
  for (const type of [
    'label.added',
    'message.received.spam',
    'message.opened',
    'inbox.created',
    'message.deleted',
    'draft.sent',
  ]) {
    expect(renderEvent(eventOf(type, { labels: [], thread: {} }), {})).toBeUndefined()
    expect(() => readEventTypes([type])).toThrow('Unknown event type')
  }
  expect(readEventTypes([...sevenTypes]).extraEventTypes).toEqual(['message.received.unauthenticated'])
  expect(readEventTypes(['message.sent']).extraEventTypes).toBeUndefined()
  expect(readEventTypes([])).toEqual(readEventTypes(undefined))
  expect(shownEventTypes(undefined)).toEqual(sevenTypes)
  expect(shownEventTypes(['message.received.unauthenticated', 'message.opened'])).toEqual(['message.received'])
})

test('a frame never exceeds its limit: the text is left out first, then lists and texts are cut', () => {
  const envelope = (data: object) => ({
    ...{ id: 'evt_1', type: 'message.received', timestamp: '', org_id: 'org_1', env_id: null, data: { ...data } },
  })
  const render = (data: object, bytesMax: number, isWithoutBodies?: boolean) => {
    const json = boundedJson(envelope(data), (each) => ({ type: 'event', data: each }), bytesMax, isWithoutBodies)
    expect(Buffer.byteLength(json)).toBeLessThanOrEqual(bytesMax)
    return JSON.parse(json).data.data
  }
  const long = { message_id: 'msg_1', subject: 's', extracted_text: 'ü'.repeat(5_000) }
  expect(render(long, 20_000)).toEqual(long)
  expect(render(long, 8_000)).toEqual({ ...long, extracted_text: '', truncated: true })
  expect(render({ ...long, extracted_text: '' }, 20_000, true)).toMatchObject({ truncated: true })
  const wide = { ...long, subject: 'x'.repeat(900_000), to_addresses: Array.from({ length: 10_000 }, () => 'a@b.test') }
  const cut = render(wide, 8_000)
  expect(cut).toMatchObject({ message_id: 'msg_1', truncated: true })
  expect([cut.subject.length, cut.to_addresses.length]).toEqual([1_000, 100])
  expect(render(wide, 300)).toEqual({ message_id: 'msg_1', truncated: true })
})
