/** Which senders a webhook or a rule of notifications wants. */
import { expect, test } from 'vitest'
import { createSenderTrust } from '../../src/mail/messages/sender-trust.ts'
import { matchesSender, type SenderFilter } from '../../src/mail/webhooks/dispatch/sender-filter.ts'

const trust = createSenderTrust({ isOn: true })
const ann = { from: { address: 'Ann@Mail.Example.test' } }
const verified = { ...ann, verifiedDomain: 'example.test' }

test.each<[SenderFilter, object, boolean]>([
  [{}, {}, true],
  [{ domains: [] }, {}, true],
  [{ domains: ['example.test'] }, ann, true],
  [{ domains: ['mail.example.test'] }, ann, true],
  [{ domains: ['ample.test', 'x.mail.example.test', 'test.example'] }, ann, false],
  [{ domains: ['example.test'] }, {}, false],
  [{ domains: ['example.test'] }, { from: { address: 'no address' } }, false],
  [{ isVerified: true }, ann, false],
  [{ isVerified: true }, verified, true],
  [{ isVerified: false }, ann, true],
  [{ isVerified: false }, verified, false],
  [{ isVerified: true, domains: ['other.test'] }, verified, false],
])('%j matches %j: %s', (filter, message, matches) => {
  expect(matchesSender(filter, message, trust)).toBe(matches)
})

test('without verification, no sender is verified', () => {
  const off = createSenderTrust({ isOn: false })
  expect(matchesSender({ isVerified: true }, verified, off)).toBe(false)
  expect(matchesSender({ isVerified: false }, verified, off)).toBe(true)
})
