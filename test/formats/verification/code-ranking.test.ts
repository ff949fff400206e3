/**
 * Codes that are found by their shape, or by their rank among other numbers. The cases are from the first set of
 * held-out messages.
 */
import { describe, expect, test } from 'vitest'
import { extractVerification } from './extract-verification.ts'

const codesOf = (text: string, subject = '') => extractVerification({ subject, text }).codes.map(({ code }) => code)

describe('a code with hardly any label is found:', () => {
  test.each([
    [
      'alone on its line, with its label far below',
      'Acme',
      '6614\n\nThe report is ready.\n\nSigning in on a new machine needs a check.\nWhere it asks for a code, use what stands at the top.',
      ['6614'],
    ],
    [
      'only in the subject, and the body refers to it',
      'Log in to Acme with 093-417',
      'We put your login code right into the subject.',
      ['093417'],
    ],
    [
      'first in the subject, and again in the body',
      '571139 - Acme',
      '571139 is all that Acme wants to hear from you. Tap it into the app.',
      ['571139'],
    ],
    ['with a Turkish ending', 'Kaydını bitir', "Uygulamaya 2918'i yaz, kaydın bitsin.", ['2918']],
    [
      'of consonants, as in RFC 8628',
      'Connect your television',
      'Step 1: does the screen show the code WDJB-MJHT? Good.\nStep 2: visit acme.example/tv (or type it there).',
      ['WDJB-MJHT'],
    ],
    ['in groups of four and two', 'Your code', 'Your login code: 8071 44\n\nDo not share it.', ['807144']],
  ])('%s', (_, subject, text, codes) => {
    expect(codesOf(text, subject)).toEqual(codes)
  })
})

describe('several numbers', () => {
  test('two codes of equal rank are both returned', () => {
    expect(
      codesOf(
        'Code of the buyer: F7K-220. Code of the seller: R3M-918.\nYou will be asked for both to sign in.',
      ).sort(),
    ).toEqual(['F7K-220', 'R3M-918'])
  })

  test('of an old code and its replacement only the new one is returned', () => {
    expect(
      codesOf(
        'code 481157 expired at 10:02. Here comes its successor, valid until 10:17:\n\n936614',
        'Your one-time code',
      ),
    ).toEqual(['936614'])
  })

  test('a list of backup codes is not returned', () => {
    expect(
      codesOf('Any of these emergency codes opens your account once:\n40918827\n11730462\n58820193\n90264471'),
    ).toEqual([])
  })
})

describe('numbers that are not codes, in messages about codes', () => {
  test.each([
    ['hours', 'Your booking from 18-20 is confirmed with the access code 8T6-RW0.', ['8T6-RW0']],
    ['a count of views', 'How do I validate a verification code?\n90121 views', []],
    ['the number of an advisory', 'CVE-2026-0417: one-time passwords are predictable. Upgrade and enter new ones.', []],
    ['an example', 'Two logins got the same one-time password (say, 111222 twice).', []],
    ['the end of a card number', 'Payment method VISA - 4242. Enter your login code to see the receipt.', []],
    ['a quoted line of code', 'The verification code should not be logged:\n> const code = 482913', []],
  ])('%s', (_, text, codes) => {
    expect(codesOf(text)).toEqual(codes)
  })
})

test('a number that nothing identifies as a code is not returned, even alone on its line', () => {
  expect(codesOf('Hello Ann,\n\n482913\n\nBye', 'Hello')).toEqual([])
})
