/** Tests when an inbox has no space for another message. */
import { expect, test } from 'vitest'
import { isInboxFull } from '../../src/mail/receiving/policy/inbox-quota.ts'

const DEFAULTS = { inboxBytesMax: 1_000, inboxMessagesMax: 10 }
const NO_QUOTA = { quota_bytes: null, quota_messages: null }

test.each([
  ['the message fits exactly', { size_bytes: 900, message_count: 0, ...NO_QUOTA }, 100, false],
  ['the message is one byte too large', { size_bytes: 900, message_count: 0, ...NO_QUOTA }, 101, true],
  ['one byte is free, and the size is unknown', { size_bytes: 999, message_count: 0, ...NO_QUOTA }, undefined, false],
  ['no byte is free, and the size is unknown', { size_bytes: 1_000, message_count: 0, ...NO_QUOTA }, undefined, true],
  ['one message is free', { size_bytes: 0, message_count: 9, ...NO_QUOTA }, 1, false],
  ['no message is free', { size_bytes: 0, message_count: 10, ...NO_QUOTA }, 1, true],
  [
    'its own quota is larger',
    { size_bytes: 1_000, message_count: 10, quota_bytes: 2_000, quota_messages: 20 },
    1,
    false,
  ],
  ['its own quota is smaller', { size_bytes: 100, message_count: 0, quota_bytes: 100, quota_messages: null }, 1, true],
  [
    'its own quota is 0: no limit',
    { size_bytes: 5_000, message_count: 50, quota_bytes: 0, quota_messages: 0 },
    1,
    false,
  ],
])('%s', (_what, inbox, sizeBytes, isFull) => {
  expect(isInboxFull(inbox, DEFAULTS, sizeBytes)).toBe(isFull)
})
