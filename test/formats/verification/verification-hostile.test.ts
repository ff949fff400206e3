/**
 * Every message from a stranger is searched for codes and links. Whatever it contains, the search must end soon, throw
 * nothing, and give results that can be stored and sent.
 */
import { describe, expect, test } from 'vitest'
import { limits } from '../../../src/config/limits.ts'
import { extractVerification as extract } from '../../../src/formats/verification/verification.ts'
import { amount } from '../../support/amount.ts'
import { expectBounded } from '../bounded.ts'
import { seededRandom } from '../random.ts'
import { extractVerification } from './extract-verification.ts'

const MESSAGES = amount({ short: 3_000, long: 100_000 })
const LONG_MS = 600_000

const PIECES = [
  ...[
    'code',
    'your login code is ',
    'Bestätigungscode: ',
    '验证码',
    'رمز',
    '482913',
    '482 913',
    'ABCD-1234',
    '4\t8\t2\t9',
    '-',
    '\n',
  ],
  ...[
    'https://',
    'https://a.example/verify?token=4829abc',
    'www.',
    'a@b.example',
    '://',
    '@',
    'verify',
    'unsubscribe',
    '%',
    '?',
    '#',
  ],
  ...[
    '<a href="https://a.example/verify?token=4829abc">',
    '</a>',
    '<b>',
    '</b>',
    '<td>',
    '<p hidden>',
    '<',
    '&#x1f600;',
    '&amp;',
  ],
  ...['😀', '\ud83d', '\ude00', '\u0000', '\ue000', '\u202e', 'ﷺ', '４８', '\u00ad', '\u2028', ' ', '\t', '"', '\\'],
]

test(`${MESSAGES.toLocaleString('en')} messages of random pieces are searched`, { timeout: LONG_MS }, () => {
  for (let seed = 0; seed < MESSAGES; seed++) {
    const random = seededRandom(seed)
    const pieces = (count: number) =>
      Array.from({ length: random.below(count) }, () => PIECES[random.below(PIECES.length)]!)
    const { codes, links } = extractVerification({
      subject: pieces(6).join(''),
      text: pieces(40).join(random.below(2) === 0 ? '' : ' '),
      html: pieces(40).join(''),
    })
    const problems = [...codes, ...links].filter(
      ({ context, confidence }) =>
        context.length > limits.parsing.verificationContextCharsMax.default ||
        Buffer.from(context).toString() !== context ||
        /[\n\ue000]/.test(context) ||
        !(confidence >= 0.5 && confidence < 1),
    )
    expect(problems, `seed ${seed}`).toEqual([])
    expect(codes.filter(({ code }) => !/^[0-9A-Za-z-]{4,40}$/.test(code))).toEqual([])
    expect(links.filter(({ url }) => !/^[a-z][a-z0-9+.-]+:\/\//i.test(url) || /\s/.test(url))).toEqual([])
    expect(Math.max(codes.length, links.length)).toBeLessThanOrEqual(limits.parsing.verificationFindingsMax.default)
  }
})

test('a message without bodies or with empty ones has no results', () => {
  for (const content of [{}, { text: '' }, { html: '' }, { subject: '', text: '', html: '' }])
    expect(extractVerification(content)).toEqual({ codes: [], links: [] })
})

test('text beyond the usual length of such messages is not searched', () => {
  const { verificationCharsMax } = limits.parsing
  const filler = (chars: number) => 'Lorem ipsum dolor sit amet.\n'.repeat(chars / 28)
  const code = 'Your login code: 482913\n'
  const html = (text: string) => text.replaceAll('\n', '<br>')
  const [near, far] = [0.5, 1.5].map((part) => filler(part * verificationCharsMax.default) + code) as [string, string]
  const found = [
    { text: near },
    { html: html(near) },
    { text: far },
    { html: html(far) },
    { subject: filler(2000) + code },
  ]
  expect(found.map((content) => extractVerification(content).codes.length)).toEqual([1, 1, 0, 0, 0])
})

test('of many codes and links only the best are returned', () => {
  const token = (n: number) => `9f0c1ab27e${n}`
  const content = {
    subject: 'Confirm your addresses',
    text: 'Login code of Ann: 417-PLUM\nLogin code of Bob: 58-FERN',
    html: [1, 2, 3]
      .map((n) => `<p><a href="https://a.example/confirm?token=${token(n)}">Confirm your address</a></p>`)
      .join(''),
  }
  const bounds = { charsMax: 10_000, contextCharsMax: 160 }
  const counts = [1, 9].map((findingsMax) => extract(content, { ...bounds, findingsMax }))
  expect(counts.map(({ codes, links }) => [codes.length, links.length])).toEqual([
    [1, 1],
    [2, 3],
  ])
})

test('a context never contains a split character', () => {
  const { codes } = extractVerification({
    subject: '',
    text: `${'😀'.repeat(200)} your login code: 482913 ${'😀'.repeat(200)}`,
  })
  expect(codes).toMatchObject([{ code: '482913' }])
  expect(Buffer.from(codes[0]!.context).toString()).toBe(codes[0]!.context)
})

describe('hostile input is searched in bounded time:', () => {
  const megabyte = (unit: string) => unit.repeat(Math.ceil(1_000_000 / unit.length))
  test.each([
    ['digits', '4'],
    ['digits and blanks', '4 '],
    ['groups', '482 913 '],
    ['dashes', '4-'],
    ['codes', 'your code is 482913. '],
    ['one code per line', 'verification code:\n482913\n'],
    ['keywords', 'verification code '],
    ['one long sentence of keywords and numbers', 'code 4829 order '],
    ['blanks', ' '],
    ['line endings', '\n'],
    ['tabs', '4\t'],
    ['at signs', 'a@'],
    ['schemes', 'https://'],
    ['links', 'https://a.example/verify?token=4829abc '],
    ['ligatures that become longer', 'ﷺ'],
    ['letters', 'a'],
    ['brackets', '((((['],
    ['full stops', '. '],
    ['percent signs', 'https://a.example/%%%%'],
  ])('%s', (_, unit) => {
    const text = megabyte(unit)
    expectBounded(() => extractVerification({ subject: text.slice(0, 10_000), text }))
    expectBounded(() => extractVerification({ subject: '', html: text }))
  })

  test.each([
    ['bold', '<b>'],
    ['nested tables', '<table><tr><td>4'],
    ['cells', '<td>4</td>'],
    ['closing tags', '</b>'],
    ['links', '<a href="https://a.example/verify?token=4829abc">verify</a> '],
    ['open links', '<a href="https://a.example/verify?token=4829abc">'],
    ['hidden', '<p hidden>'],
    ['styles', '<p style="font-size:">'],
    ['attributes', '<p a '],
    ['comments', '<!-- '],
    ['references', '&#52;'],
    ['bold codes', '<b>482913</b> code '],
  ])('%s in HTML', (_, unit) => {
    const html = megabyte(unit)
    expectBounded(() => extractVerification({ subject: 'code', html }))
  })
})
