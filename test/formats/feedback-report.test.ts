/** Tests that reports of spam (RFC 5965) are read as providers write them, and that other mail is no report. */
import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import { parseMail } from '../../src/mail/messages/content/parsed-message.ts'
import { expectBounded } from './bounded.ts'

const limits = withLimits({})

function report({ type = 'report-type=feedback-report', machine = '', original = '', kind = 'message/rfc822' } = {}) {
  const parts = [
    'Content-Type: text/plain\r\n\r\nreport\r\n',
    `Content-Type: message/feedback-report\r\n\r\n${machine}\r\n`,
    `Content-Type: ${kind}\r\n\r\n${original}\r\n`,
  ]
  const mail = `From: a@b.test\r\nContent-Type: multipart/report; ${type}; boundary=b\r\n\r\n--b\r\n${parts.join('--b\r\n')}--b--\r\n`
  return parseMail(Buffer.from(mail), limits).feedbackReport
}

test('the fields of a report, and the header of the reported message, are read', () => {
  const machine = [
    'Feedback-Type: Abuse',
    'Version: 1',
    'Original-Mail-From: <Ada@ours.test>',
    'Original-Rcpt-To: <kim@p.test>',
    'Original-Rcpt-To: rfc822; lea@p.test',
  ].join('\r\n')
  const original =
    'DKIM-Signature: v=1; bh=xx=; b=ab cd\r\n ef==; d=x\r\nFrom: Ada <ada@ours.test>\r\nSender: bob@ours.test\r\nMessage-ID: <1@ours.test>\r\n\r\nhello'
  const read = {
    feedbackType: 'abuse',
    messageId: '<1@ours.test>',
    senders: ['ada@ours.test', 'bob@ours.test'],
    recipients: ['kim@p.test', 'lea@p.test'],
    signatures: ['abcdef=='],
  }
  expect(report({ machine, original })).toEqual(read)
  expect(report({ machine, original, kind: 'text/rfc822-headers' })).toEqual(read)
})

test('what is missing or malformed is left out', () => {
  expect(report()).toEqual({ feedbackType: '', senders: [], recipients: [], signatures: [] })
  expect(report({ machine: 'Feedback-Type: abuse\r\nOriginal-Rcpt-To: redacted', original: 'From: x' })).toEqual({
    ...{ feedbackType: 'abuse', senders: [], recipients: [], signatures: [] },
  })
  expect(report({ machine: 'Feedback-Type: abuse', kind: 'text/plain' })).toMatchObject({ senders: [] })
})

test('a notice about a delivery, and a message that only looks like a report, are none', () => {
  expect(report({ type: 'report-type=delivery-status' })).toBeUndefined()
  expect(report({ type: 'x=y' })).toBeUndefined()
  expect(
    parseMail(Buffer.from('Content-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse'), limits),
  ).not.toHaveProperty('feedbackReport')
})

test('a report with very many fields is bounded', () => {
  const machine = `Feedback-Type: abuse\r\n${'Original-Rcpt-To: <x@p.test>\r\nOriginal-Mail-From: <y@p.test>\r\n'.repeat(50_000)}`
  expect(expectBounded(() => report({ machine }))).toEqual({
    ...{ feedbackType: 'abuse', senders: ['y@p.test'], recipients: ['x@p.test'], signatures: [] },
  })
})
