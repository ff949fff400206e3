/** Codes where the number alone, or its rank among others, decides: what the mails that were held out first have taught. */
import { describe, expect, test } from 'vitest'
import { extractVerification } from './reading-verification.ts'

const codesOf = (text: string, subject = '') => extractVerification({ subject, text }).codes.map(({ code }) => code)

describe('a code that hardly anything names', () => {
  test.each([
    [
      'alone on its line, with the words for it far below',
      'Acme',
      '6614\n\nThe report is ready.\n\nSigning in on a new machine needs a check.\nWhere it asks for a code, use what stands at the top.',
      ['6614'],
    ],
    [
      'in the subject alone, and the body speaks of it',
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
      'of consonants, as RFC 8628 has them',
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
  test('two codes of equal rank are both told', () => {
    expect(
      codesOf(
        'Code of the buyer: F7K-220. Code of the seller: R3M-918.\nYou will be asked for both to sign in.',
      ).sort(),
    ).toEqual(['F7K-220', 'R3M-918'])
  })

  test('of an old code and its successor only the better one', () => {
    expect(
      codesOf(
        'code 481157 expired at 10:02. Here comes its successor, valid until 10:17:\n\n936614',
        'Your one-time code',
      ),
    ).toEqual(['936614'])
  })

  test('a list of them is for the drawer', () => {
    expect(
      codesOf('Any of these emergency codes opens your account once:\n40918827\n11730462\n58820193\n90264471'),
    ).toEqual([])
  })
})

describe('numbers that are none, in mails that speak of codes', () => {
  test.each([
    ['hours', 'Your booking from 18-20 is confirmed with the access code 8T6-RW0.', ['8T6-RW0']],
    ['how often something was read', 'How do I validate a verification code?\n90121 views', []],
    ['the number of an advisory', 'CVE-2026-0417: one-time passwords are predictable. Upgrade and enter new ones.', []],
    ['an example', 'Two logins got the same one-time password (say, 111222 twice).', []],
    ['the end of a card number', 'Payment method VISA - 4242. Enter your login code to see the receipt.', []],
    ['a quoted line of a program', 'The verification code should not be logged:\n> const code = 482913', []],
  ])('%s', (_, text, codes) => {
    expect(codesOf(text)).toEqual(codes)
  })
})

test('a mail in which nothing is named, proved or entered has no code, even alone on its line', () => {
  expect(codesOf('Hello Ann,\n\n482913\n\nBye', 'Hello')).toEqual([])
})
