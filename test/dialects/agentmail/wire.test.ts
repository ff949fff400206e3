/**
 * Tests response shapes with the parsers of AgentMail's own SDK: a member that the SDK does not find is undefined for
 * its users.
 */
import * as sdk from 'agentmail/serialization'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { apiKey, createdApiKey } from '../../../src/edges/http/dialects/agentmail/wire/api-key-wire.ts'
import { attachmentLink } from '../../../src/edges/http/dialects/agentmail/wire/attachment-wire.ts'
import { eventFrame } from '../../../src/edges/http/dialects/agentmail/wire/event-frame-wire.ts'
import { renderEvent } from '../../../src/edges/http/dialects/agentmail/wire/event-wire.ts'
import { inbox } from '../../../src/edges/http/dialects/agentmail/wire/inbox-wire.ts'
import { message, messageItem } from '../../../src/edges/http/dialects/agentmail/wire/message-wire.ts'
import { permissionFlags, readPermissions } from '../../../src/edges/http/dialects/agentmail/wire/permissions-wire.ts'
import { thread, threadItem } from '../../../src/edges/http/dialects/agentmail/wire/thread-wire.ts'
import * as view from './sample-views.ts'

/** Parses like the SDK but with validation, which the SDK skips: its users would find `undefined` later. */
function parse<Parsed>(
  schema: { parse(raw: unknown, options: { unrecognizedObjectKeys: 'passthrough' }): Parsed },
  value: unknown,
): Parsed {
  return schema.parse(value, { unrecognizedObjectKeys: 'passthrough' })
}

/** Returns the value as the client receives it. */
function json(value: unknown) {
  return JSON.parse(JSON.stringify(value))
}

test('a message has every member of the contract, and unset ones are omitted', () => {
  const full = json(message(view.message))
  expect(parse(sdk.messages.Message, full)).toMatchObject({ ok: true })
  expect(full).toEqual({
    inbox_id: 'ada@mail.localhost',
    thread_id: 'thread-1',
    message_id: '<a/b+c@example.test>',
    labels: ['received', 'unread'],
    timestamp: '2026-11-21T10:30:00.007Z',
    from: 'Ann <ann@example.test>',
    reply_to: ['desk@example.test'],
    to: ['ada@mail.localhost'],
    cc: ['"Bo, Jr." <bo@example.test>'],
    subject: 'hello',
    preview: 'grüße',
    text: 'grüße\n\n> old',
    html: '<p>grüße</p>',
    extracted_text: 'grüße',
    extracted_html: '<p>grüße</p>',
    attachments: [
      {
        attachment_id: 'att-1',
        filename: 'plan.pdf',
        size: 1234,
        content_type: 'application/pdf',
        content_disposition: 'attachment',
        content_id: 'plan@example.test',
      },
    ],
    in_reply_to: '<before@example.test>',
    references: ['<first@example.test>', '<before@example.test>'],
    headers: { Received: 'from a\nfrom b', Subject: 'hello' },
    codes: [{ code: '940627', context: 'Your code is 940627', confidence: 0.97 }],
    links: [{ url: 'https://a.test/verify?token=x1', context: 'Verify', confidence: 0.9 }],
    authentication: { result: 'unverified' },
    size: 4321,
    updated_at: '2026-11-21T10:30:00.008Z',
    created_at: '2026-11-21T10:30:00.007Z',
  })

  const { from: _from, subject: _subject, preview: _preview, inReplyTo: _inReplyTo, ...bare } = view.message
  const item = json(messageItem({ ...bare, to: [], cc: [], attachments: [], references: [] }))
  expect(parse(sdk.messages.MessageItem, item)).toMatchObject({ ok: true })
  expect(Object.keys(item).sort()).toEqual(
    [
      'created_at',
      'from',
      'inbox_id',
      'labels',
      'message_id',
      'size',
      'thread_id',
      'timestamp',
      'to',
      'updated_at',
    ].sort(),
  )
})

test('a header named "__proto__" is kept as a header', () => {
  const rendered = json(message({ ...view.message, headers: [['__proto__', 'x']] }))
  expect(Object.entries(rendered.headers)).toEqual([['__proto__', 'x']])
})

test('a thread includes its page of messages', () => {
  const page = { items: [view.message], limit: 100, nextPageToken: 'older' }
  const rendered = json(thread({ thread: view.thread, messages: page }))
  expect(parse(sdk.threads.Thread, rendered)).toMatchObject({ ok: true })
  expect(rendered).toMatchObject({ count: 1, limit: 100, next_page_token: 'older', message_count: 1 })
  expect(parse(sdk.threads.ThreadItem, json(threadItem(view.thread)))).toMatchObject({ ok: true })
})

test("inboxes and links parse with the SDK's parsers", () => {
  const inboxView = {
    id: 'i',
    organizationId: 'o',
    podId: 'p',
    address: 'ada@mail.localhost',
    createdAt: 0,
    updatedAt: 0,
    status: 'active' as const,
  }
  const rendered = json(inbox({ ...inboxView, metadata: { a: 1, b: true, c: 'x' } }))
  expect(rendered).not.toHaveProperty('status')
  expect(json(inbox({ ...inboxView, status: 'paused' }))).toMatchObject({ status: 'paused' })
  expect(parse(sdk.inboxes.Inbox, rendered)).toMatchObject({ ok: true })
  expect(rendered).toMatchObject({ inbox_id: 'ada@mail.localhost', email: 'ada@mail.localhost' })

  const link = json(attachmentLink('http://h', { ...view.attachment, token: 't.s', expiresAt: view.AT }))
  expect(parse(sdk.attachments.AttachmentResponse, link)).toMatchObject({ ok: true })
  expect(link.download_url).toBe('http://h/v0/downloads/t.s')
})

describe('API keys', () => {
  const key = { id: 'k', prefix: 'am_us_abc', name: 'agent', createdAt: 0, updatedAt: 0 }

  test('match one variant of the union in full, since the SDK throws otherwise', () => {
    const restricted = {
      ...key,
      podId: 'p',
      inboxAddress: 'a@b.test',
      permissions: ['message_read'] as const,
      usedAt: 0,
      expiresAt: 1,
    }
    for (const shown of [key, restricted]) {
      expect(parse(sdk.ApiKey, json(apiKey(shown)))).toMatchObject({ ok: true, value: { apiKeyId: 'k' } })
      const created = json(createdApiKey({ ...shown, key: 'am_us_abcdef' }))
      expect(parse(sdk.CreateApiKeyResult, created)).toMatchObject({ ok: true, value: { apiKey: 'am_us_abcdef' } })
    }
    expect(json(apiKey(restricted))).toMatchObject({
      type: 'bearer',
      inbox_id: 'a@b.test',
      permissions: { message_read: true },
    })
    expect(json(apiKey(key))).not.toHaveProperty('permissions')
  })

  test('have a permissions object that lists everything that is allowed, even if no flag in it is known', () => {
    expect(readPermissions({ thread_read: true, calendar_of_the_future: true })).toEqual([])
    expect(readPermissions({ message_read: true, message_send: false })).toEqual(['message_read'])
    expect(permissionFlags([])).toEqual({})
  })

  test('have all flags of both generations of clients', () => {
    const older = sdk.ApiKeyPermissions._getRawProperties() as string[]
    expect(older).toHaveLength(38)
    const newer = [
      ...['message_reply', 'agent_armor_release', 'account_update', 'pod_update', 'calendar_read', 'calendar_update'],
      ...['calendar_event_read', 'calendar_event_create', 'calendar_event_update', 'calendar_event_delete'],
      ...['file_read', 'file_create', 'file_update', 'file_delete', 'app_connect', 'app_share_owner'],
    ]
    for (const flag of [...older, ...newer]) {
      const granted = readPermissions({ [flag]: true })
      expect(permissionFlags(granted), flag).toMatchObject({ [flag]: true })
    }
  })

  test('treat renamed flags as one permission with two names', () => {
    expect(readPermissions({ provider_connect: true })).toEqual(['provider_connect', 'app_connect'])
    expect(readPermissions({ app_connect: true })).toEqual(['app_connect', 'provider_connect'])
  })
})

describe('events', () => {
  const subject = { message: view.message, thread: view.thread }
  const recipients = { ...view.reference, timestamp: view.AT, recipients: ['bo@example.test'] }

  test('are parsed by the SDK if their type is a standard one', () => {
    const rendered = (event: Parameters<typeof renderEvent>[0]) => json(renderEvent(event, subject))
    expect(parse(sdk.MessageReceivedEvent, rendered(view.receivedEvent()))).toMatchObject({ ok: true })
    expect(parse(sdk.MessageSentEvent, rendered(view.event('message.sent', recipients)))).toMatchObject({ ok: true })
    expect(parse(sdk.MessageDeliveredEvent, rendered(view.event('message.delivered', recipients)))).toMatchObject({
      ok: true,
    })
    const bounced = view.event('message.bounced', {
      ...recipients,
      bounceType: 'permanent',
      bounceSubType: 'NoEmail',
      recipients: [{ address: 'bo@example.test', status: '5.1.1' }],
    })
    expect(parse(sdk.MessageBouncedEvent, rendered(bounced))).toMatchObject({ ok: true })
    expect(rendered(bounced).bounce).toMatchObject({ type: 'Permanent', sub_type: 'NoEmail' })
  })

  test('have the frame that the SDK parses, also if nothing creates them yet', () => {
    const about = { inbox_id: 'ada@mail.localhost', thread_id: view.reference.threadId }
    const timestamp = '2026-11-21T10:30:00.007Z'
    const complained = view.event('message.complained', {
      ...{ ...recipients, complaintType: 'abuse', complaintSubType: 'general' },
    })
    const complaint = json(renderEvent(complained, {}))
    expect(parse(sdk.MessageComplainedEvent, complaint)).toMatchObject({ ok: true })
    expect(complaint.complaint).toMatchObject({ ...about, timestamp, type: 'abuse', sub_type: 'general' })

    const reject = json(renderEvent(view.event('message.rejected', { ...recipients, reason: 'paused' }), {}))
    expect(parse(sdk.MessageRejectedEvent, reject)).toMatchObject({ ok: true })
    expect(reject.reject).toMatchObject({ ...about, timestamp, reason: 'paused', recipients: ['bo@example.test'] })

    const opened = json(renderEvent(view.event('message.opened', { ...view.reference, timestamp: view.AT }), {}))
    expect(parse(sdk.MessageOpenedEvent, opened)).toMatchObject({ ok: true })
    expect(opened.open).toEqual({ ...about, message_id: '<a/b+c@example.test>', timestamp })

    const verified = view.event('domain.verified', {
      domain: {
        ...{ id: 'd', organizationId: 'o', domain: 'a.test', status: 'VERIFIED' },
        ...{ isInbound: true, hasFeedback: true, hasSubdomains: false },
        records: [
          {
            ...{ purpose: 'inbound', type: 'MX', name: 'a.test', value: 'mail.test', priority: 10 },
            ...{ status: 'VALID', seen: [{ value: 'mail.test', priority: 10 }] },
          },
        ],
        ...{ createdAt: view.AT, updatedAt: view.AT },
      },
    })
    const domain = json(renderEvent(verified, {}))
    expect(parse(sdk.DomainVerifiedEvent, domain)).toMatchObject({ ok: true })
    expect(domain.domain).toMatchObject({ domain_id: 'a.test', status: 'VERIFIED', records: [{ status: 'VALID' }] })
  })

  test("contain their subject if their type is Martlet's own", () => {
    const delayed = view.event('message.delayed', { ...recipients, nextAttemptAt: view.AT, reply: '451 later' })
    expect(json(renderEvent(delayed, {}))).toMatchObject({
      type: 'event',
      event_type: 'message.delayed',
      event_id: 'evt_1',
      delay: { next_attempt_at: '2026-11-21T10:30:00.007Z', reply: '451 later', recipients: ['bo@example.test'] },
    })
    const label = view.event('label.added', { ...view.reference, label: 'vip', labels: ['received', 'vip'] })
    expect(renderEvent(label, {})).toMatchObject({ label: { label: 'vip', labels: ['received', 'vip'] } })
    const deleted = view.event('message.deleted', { ...view.reference, labels: ['received', 'trash'] })
    expect(json(renderEvent(deleted, {}))).toMatchObject({
      deletion: { message_id: '<a/b+c@example.test>', labels: ['received', 'trash'], timestamp: expect.any(String) },
    })
    const draft = { inboxAddress: 'ada@mail.localhost', draftId: 'd', revisionIds: ['internal'] }
    const failed = { ...draft, clientId: 'c', sendStatus: 'failed', sendAt: view.AT }
    const { draft: shown } = json(renderEvent(view.event('draft.updated', failed), {}))
    expect(shown).toEqual({
      ...{ inbox_id: 'ada@mail.localhost', draft_id: 'd', client_id: 'c', timestamp: expect.any(String) },
      ...{ send_status: 'failed', send_at: '2026-11-21T10:30:00.007Z' },
    })
    const sent = view.event('draft.sent', { ...draft, threadId: 't', apiMessageId: '<1@x.test>' })
    expect(renderEvent(sent, {})).toMatchObject({ draft: { draft_id: 'd', thread_id: 't', message_id: '<1@x.test>' } })
    const made = view.event('inbox.created', { inboxAddress: 'ada@mail.localhost' })
    expect(renderEvent(made, {})).toMatchObject({ inbox: { inbox_id: 'ada@mail.localhost' } })
    expect(renderEvent(view.event('calendar.event.created', {}), {})).toBeUndefined()
  })

  test('are still sent for a deleted message, in a form that the SDK parses', () => {
    const rendered = json(renderEvent(view.receivedEvent(), {}))
    expect(parse(sdk.MessageReceivedEvent, rendered)).toMatchObject({ ok: true })
    expect(rendered).toMatchObject({
      message: { message_id: '<a/b+c@example.test>', deleted: true, codes: [], links: [] },
      thread: { subject: 'hello' },
    })
  })
})

describe('a frame over the limit', () => {
  const render = (change: object) =>
    renderEvent(view.receivedEvent(), { message: { ...view.message, ...change }, thread: view.thread })!

  test('is sent without the bodies and with truncated: true', () => {
    const frame = eventFrame(render({ html: 'x'.repeat(20_000) }), 10_000)
    expect(frame.length).toBeLessThan(10_000)
    const parsed = JSON.parse(frame)
    expect(parsed.truncated).toBe(true)
    for (const body of ['text', 'html', 'extracted_text', 'extracted_html'])
      expect(parsed.message).not.toHaveProperty(body)
    expect(parsed.message.headers).toEqual({ Received: 'from a\nfrom b', Subject: 'hello' })
    expect(parsed.message).toMatchObject({ codes: [{ code: '940627' }], links: [{ context: 'Verify' }] })
    expect(parse(sdk.MessageReceivedEvent, parsed)).toMatchObject({ ok: true })
  })

  test('is detected by its bytes after JSON escaping', () => {
    const frame = eventFrame(render({ text: '\u0001'.repeat(2_000) }), 10_000) // six characters each after escaping
    expect(JSON.parse(frame).truncated).toBe(true)
    expect(JSON.parse(eventFrame(render({ text: 'ü'.repeat(4_500) }), 10_000)).truncated).toBe(true)
    expect(JSON.parse(eventFrame(render({ text: 'u'.repeat(4_500) }), 10_000)).truncated).toBeUndefined()
  })

  test('is not rendered with bodies that cannot fit, and says so if they were not even loaded', () => {
    const stringify = vi.spyOn(JSON, 'stringify')
    onTestFinished(() => stringify.mockRestore())
    eventFrame(render({ html: 'x'.repeat(20_000) }), 10_000)
    expect(stringify.mock.results.map(({ value }) => value.length < 10_000)).toEqual([true])
    const bodies = { text: undefined, html: undefined, extractedText: undefined, extractedHtml: undefined }
    expect(JSON.parse(eventFrame(render(bodies), 10_000, true))).toMatchObject({
      truncated: true,
      message: { headers: { Subject: 'hello' } },
    })
  })

  test('then loses its headers, and all but 100 items of each long list', () => {
    expect(
      JSON.parse(eventFrame(render({ headers: [['X', 'x'.repeat(20_000)]] }), 10_000)).message.headers,
    ).toBeUndefined()
    const to = Array.from({ length: 10_000 }, (_, index) => ({ address: `reader${index}@example.test` }))
    const parsed = JSON.parse(eventFrame(render({ to }), 10_000))
    expect(parsed.message.to).toHaveLength(100)
    expect(parse(sdk.MessageReceivedEvent, parsed)).toMatchObject({ ok: true })
  })
})
