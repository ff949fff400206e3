/** Tests which failures suppress an address. */
import { expect, test } from 'vitest'
import { isSuppressing } from '../../src/mail/sending/queue/suppress-bounced.ts'

test('only permanent failures of the recipient address suppress it', () => {
  const isSuppressed = (enhancedCode: string | undefined, target = 'direct') =>
    isSuppressing(target, { kind: 'failed_for_good', code: 550, ...(enhancedCode !== undefined && { enhancedCode }) })
  expect(['5.1.1', '5.1.2', '5.1.3', '5.1.6', '5.1.10'].map((code) => isSuppressed(code))).toEqual(Array(5).fill(true))
  const others = [
    '5.1.0',
    '5.1.000',
    '5.1.7',
    '5.1.8',
    '5.1.08',
    '5.7.1',
    '5.2.2',
    '5.0.0',
    '5.11.1',
    '4.1.1',
    '5.1',
    '5.1.1.1',
    undefined,
  ]
  expect(others.filter((code) => isSuppressed(code))).toEqual([])
  expect(isSuppressed('5.1.1', 'relay')).toBe(true)
  expect(isSuppressed('5.1.1', 'local')).toBe(false)
  expect(isSuppressing('direct', { kind: 'failed_for_now', code: 450, enhancedCode: '5.1.1' })).toBe(false)
  // Without a reply: DNS says that the domain does not exist, or accepts no mail.
  for (const enhancedCode of ['5.1.2', '5.1.10'])
    expect(isSuppressing('direct', { kind: 'failed_for_good', enhancedCode })).toBe(false)
})
