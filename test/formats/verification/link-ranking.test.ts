/**
 * Links that are found because of another link, a code, or the lines around them. The cases are from the first set of
 * held-out messages.
 */
import { expect, test } from 'vitest'
import { extractVerification } from './extract-verification.ts'

const urlsOf = (html: string, subject = '') => extractVerification({ subject, html }).links.map(({ url }) => url)

test('a link that contains the code of its message is returned', () => {
  const link = 'https://tv.example/on?c=8W3-7RD'
  expect(
    urlsOf(`<p>Pairing code:</p><p>8W3-7RD</p><p>Or <a href="${link}">this way</a>.</p>`, 'Your television'),
  ).toEqual([link])
  expect(
    urlsOf(`<p>Pairing code:</p><p>8W3-7RD</p><p>Or <a href="https://tv.example/on?c=1">this way</a>.</p>`),
  ).toEqual([])
})

test('the counterpart of a link that refuses is returned', () => {
  const both = (no: string) =>
    `<p>An iPad knocked at 21:03.</p><a href="https://a.example/d/4c0/yes?n=331804">Welcome it</a> <a href="https://a.example/d/4c0/${no}?n=331804">Turn away</a>`
  expect(urlsOf(both('refuse'))).toEqual(['https://a.example/d/4c0/yes?n=331804'])
  expect(urlsOf(both('later'))).toEqual([])
  expect(urlsOf(both('refuse'), 'Your appointment')).toEqual([])
})

test('only a limited number of links is examined, from the start', () => {
  const confirm = '<p><a href="https://a.example/confirm?token=9f0c1ab27e">Confirm your address</a></p>'
  const others = (count: number) =>
    Array.from(
      { length: count },
      (_, at) => `<p><a href="https://a.example/p/9f0c${1000 + at}">Part ${at}</a></p>`,
    ).join('')
  expect(urlsOf(others(40) + confirm)).toHaveLength(1)
  expect(urlsOf(others(60) + confirm)).toEqual([])
})

test('line breaks inside a URL are removed', () => {
  expect(urlsOf('<a href="https://a.example/confirm?\ntoken=9f0c1ab27e">Confirm your address</a>')).toEqual([
    'https://a.example/confirm?token=9f0c1ab27e',
  ])
})

// Servers under development send such links: a person who tries Martlet with one got none.
test.each([
  'https://shop.example.com/verify?token=abc',
  'https://shop.example.com/confirm?t=1',
  'https://shop.example.com/reset-password?email=ann%40example.org&reset_token=abc',
])('a short token is accepted if the URL and its text say that it verifies: %s', (url) => {
  const textOf = (words: string) =>
    extractVerification({ text: `Hello,\n\n${words}: ${url}\n` }).links.map(({ url }) => url)
  expect(textOf('Confirm your email address')).toEqual([url])
  expect(urlsOf(`<p>Hello</p><a href="${url.replaceAll('&', '&amp;')}">Verify your email</a>`)).toEqual([url])
  expect(textOf('Our opening hours')).toEqual([])
})

test.each([
  'https://shop.example.com/verify',
  'https://shop.example.com/verify?token=',
  'https://shop.example.com/verify?country_code=us&step=1',
  'https://shop.example.com/start?token=abc',
])('a URL without a token, or one that says nothing, is not accepted for the words around it: %s', (url) => {
  expect(urlsOf(`<a href="${url.replaceAll('&', '&amp;')}">Verify your email</a>`, 'Verify your email')).toEqual([])
})
