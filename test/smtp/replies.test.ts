/** The table of replies, and the mapping from errors of the core to replies. */
import { describe, expect, test } from 'vitest'
import { formatReply, type Reply, replies, replyForError } from '../../src/edges/smtp/protocol/replies.ts'
import { type ErrorCode, errors, MailError } from '../../src/errors.ts'

const all: [string, Reply][] = [
  ...Object.entries(replies).filter((entry): entry is [string, Reply] => typeof entry[1] !== 'function'),
  ...Object.keys(errors).map((code): [string, Reply] => [code, replyForError(anyMailError(code as ErrorCode))]),
  ['a bug', replyForError(new Error('secret'))],
]

describe('every reply', () => {
  test.each(all)('%s has one enhanced code, of the class of its reply code', (_name, reply) => {
    const [line] = formatReply(reply).split('\r\n')
    if (reply.code < 400 && reply.enhancedCode === undefined) return // 354
    if (reply === replies.helloSyntax) return // RFC 2034 §4: not in replies to EHLO
    expect(line).toMatch(new RegExp(`^${reply.code} ${String(reply.code)[0]}\\.\\d\\.\\d+ (?!\\d\\.\\d)`))
  })

  test.each(all)('%s fits in a reply line', (_name, reply) => {
    for (const line of formatReply(reply).split('\r\n')) expect(line.length).toBeLessThanOrEqual(510)
  })
})

test('an error without its own reply code is temporary unless its kind says otherwise', () => {
  expect(replyForError(new MailError('draft_sending', {})).code).toBe(451)
  expect(replyForError(new MailError('forbidden', { detail: 'x' }))).toMatchObject({ code: 550, enhancedCode: '5.7.1' })
})

test('the reply to an error that is not a MailError does not reveal its text', () => {
  expect(formatReply(replyForError(new Error('secret')))).not.toContain('secret')
  expect(formatReply(replyForError('secret'))).not.toContain('secret')
})

test('a line break in a text cannot start another reply', () => {
  const reply = replyForError(new MailError('unknown_recipient', { address: 'a\r\n250 2.0.0 Ok\u0085@b.test' }))
  expect(formatReply(reply)).toBe('550 5.1.1 There is no mailbox a  250 2.0.0 Ok @b.test here\r\n')
})

test('each line of a multi-line reply has the enhanced code', () => {
  expect(formatReply({ code: 250, enhancedCode: '2.1.0', text: ['one', 'two'] })).toBe(
    '250-2.1.0 one\r\n250 2.1.0 two\r\n',
  )
})

function anyMailError(code: ErrorCode): MailError {
  const params = {
    detail: 'x',
    what: 'x',
    address: 'a@b.test',
    limitBytes: 1,
    label: 'x',
    contentType: 'x',
    domain: 'x',
  }
  return new MailError(code, params as never)
}

test('an idempotency key that is still in use is temporary, and one of another message is not', () => {
  const codes = ['idempotency_running', 'idempotency_conflict'] as const
  expect(codes.map((code) => replyForError(new MailError(code, {})).code)).toEqual([451, 554])
})
