import { describe, expect, test } from 'vitest'
import {
  forwardBody,
  forwardSubject,
  quotedBody,
  replyReferences,
  replySubject,
} from '../../../src/formats/reply/reply-compose.ts'
import { extractReply } from '../../../src/formats/reply/reply-text.ts'

test.each([
  ['Lunch', 'Re: Lunch'],
  ['Re: Lunch', 'Re: Lunch'],
  ['RE:Lunch', 'RE:Lunch'],
  ['AW: Lunch', 'AW: Lunch'],
  ['Re[3]: Lunch', 'Re[3]: Lunch'],
  ['Fwd: Lunch', 'Re: Fwd: Lunch'],
  ['Report', 'Re: Report'],
  ['', 'Re:'],
  [undefined, 'Re:'],
  ['a\r\nBcc: b', 'Re: a Bcc: b'],
])('the subject of a reply to %j is %j', (subject, expected) => {
  expect(replySubject(subject)).toBe(expected)
  expect(replySubject(expected)).toBe(expected)
})

test.each([
  ['Lunch', 'Fwd: Lunch'],
  ['FW: Lunch', 'FW: Lunch'],
  ['Re: Lunch', 'Fwd: Re: Lunch'],
])('the subject of a forward of %j is %j', (subject, expected) => {
  expect(forwardSubject(subject)).toBe(expected)
})

describe('the references of a reply', () => {
  test.each([
    [
      'those of the parent, and the parent',
      { messageId: '<p@x>', references: ['<r@x>'], inReplyTo: ['<i@x>'] },
      { inReplyTo: '<p@x>', references: ['<r@x>', '<p@x>'] },
    ],
    [
      'the In-Reply-To of a parent without references',
      { messageId: '<p@x>', inReplyTo: ['<i@x>'] },
      { inReplyTo: '<p@x>', references: ['<i@x>', '<p@x>'] },
    ],
    [
      'no In-Reply-To if the parent has two',
      { messageId: '<p@x>', inReplyTo: ['<i@x>', '<j@x>'] },
      { inReplyTo: '<p@x>', references: ['<p@x>'] },
    ],
    ['those of a parent without a Message-ID', { references: ['<r@x>'] }, { references: ['<r@x>'] }],
    [
      'without ids that are too long for a line',
      { messageId: `<${'i'.repeat(983)}@>`, references: [`<${'r'.repeat(983)}>`, '<r@x>'] },
      { references: [`<${'r'.repeat(983)}>`, '<r@x>'] },
    ],
    [
      'without ids that are not ASCII',
      { messageId: '<p@x>', references: ['<ü@x>', '<r@x>'] },
      { inReplyTo: '<p@x>', references: ['<r@x>', '<p@x>'] },
    ],
  ])('are %s', (_, parent, expected) => {
    expect(replyReferences(parent)).toEqual(expected)
  })

  test('are the first and the last of a long thread', () => {
    const references = Array.from({ length: 300 }, (_, i) => `<${i}@x>`)
    const kept = replyReferences({ messageId: '<p@x>', references }).references
    expect(kept).toHaveLength(100)
    expect([kept[0], kept[1], kept.at(-1)]).toEqual(['<0@x>', '<202@x>', '<p@x>'])
  })
})

test('each line of a quoted original is marked, whatever ends it', () => {
  const text = 'one\rtwo\r\nthree\vfour\ffive\u0085six\u2028seven\u2029eight'
  const quoted = quotedBody({ from: [], to: [], text }, { text: 'yes' }, 1_000).text!
  expect(quoted.split('\n').slice(3)).toEqual(
    ['one', 'two', 'three', 'four', 'five', 'six', 'seven', 'eight'].map((line) => `> ${line}`),
  )
})

describe('the body of a forward', () => {
  const original = {
    from: [{ name: 'Ann & "Co" <x>', address: 'ann@example.com' }],
    to: [{ address: 'bob@example.net' }],
    subject: '<script>alert(1)</script>',
    date: new Date('2024-01-01T10:00:00Z'),
    text: 'Tuesday?',
  }

  test('has the block that mail programs recognise', () => {
    expect(forwardBody(original, { text: 'See below.' })).toEqual({
      text: [
        'See below.',
        '',
        '---------- Forwarded message ---------',
        'From: "Ann & \\"Co\\" <x>" <ann@example.com>',
        'Date: Mon, 01 Jan 2024 10:00:00 GMT',
        'Subject: <script>alert(1)</script>',
        'To: bob@example.net',
        '',
        'Tuesday?',
      ].join('\n'),
    })
  })

  test('escapes header values in HTML', () => {
    const { html } = forwardBody({ ...original, html: '<p>Tuesday?</p>' }, { text: 'a < b' })
    expect(html).toContain('a &lt; b')
    expect(html).toContain('Subject: &lt;script&gt;alert(1)&lt;/script&gt;')
    expect(html).toContain('<p>Tuesday?</p>')
    expect(html).not.toContain('<script>')
  })

  test('is kept whole by reply extraction', () => {
    const bodies = forwardBody({ ...original, html: '<p>Tuesday?</p>' }, { text: 'See below.' })
    expect(extractReply(bodies)).toEqual({ extractedText: bodies.text, extractedHtml: bodies.html })
  })
})
