/**
 * Replies and forwards as 24 mail programs write them in 22 languages: replies.jsonl, one message per line, written by
 * someone who had not seen the code. When the extraction was finished, these messages were read for the first time.
 *
 *   client, language, kind   of the mail program and the message
 *   own      sentences of the sender (in a forward also of the forwarded message)
 *   quoted   phrases of the quoted message
 *   mail     the whole message, with LF line ends
 */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { withLimits } from '../../../src/config/limits.ts'
import { linesOfHtml } from '../../../src/formats/html/html-lines.ts'
import { type Bodies, decompressBodies } from '../../../src/mail/messages/content/compressed-bodies.ts'
import { parseMail } from '../../../src/mail/messages/content/parsed-message.ts'

interface Sample {
  readonly name: string
  readonly client: string
  readonly language: string
  readonly kind: string
  readonly own: readonly string[]
  readonly quoted: readonly string[]
  readonly mail: string
}

const samples = readFileSync(new URL('replies.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Sample)

const limits = withLimits()
/** The share of messages in which no quote may be left. */
const WITHOUT_QUOTES_MIN = 0.97

/** Returns the new text of a message, from its text and from its HTML, as far as it has them. */
function newTexts({ mail }: Sample): string[] {
  const raw = Buffer.from(mail.replaceAll('\n', '\r\n'))
  const { text, html, extractedText, extractedHtml }: Bodies = decompressBodies(
    parseMail(raw, limits).compressedBodies.bytes,
  )
  const shownHtml = extractedHtml ?? html
  return [extractedText ?? text, shownHtml && linesOfHtml(shownHtml, 1_000_000)].flatMap((each) =>
    each === undefined ? [] : [plain(each)],
  )
}

/** White space, marks of direction and the ">" of answers between quotes do not count. */
function plain(text: string): string {
  return text
    .replace(/^[> ]+/gm, '')
    .replace(/[\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff]/g, '')
    .replace(/\s+/g, ' ')
}

const results = samples.map((sample) => ({ sample, texts: newTexts(sample) }))

test('no sentence of a sender is lost', () => {
  const lost = results.flatMap(({ sample, texts }) =>
    sample.own
      .filter((sentence) => texts.some((text) => !text.includes(plain(sentence).trim())))
      .map((sentence) => `${sample.name}: ${sentence}`),
  )
  expect(lost).toEqual([])
})

test('the quotes are removed from nearly all messages', () => {
  const left = results.filter(({ sample, texts }) =>
    sample.quoted.some((phrase) => texts.some((text) => text.includes(plain(phrase).trim()))),
  )
  const share = 1 - left.length / samples.length
  expect(share, left.map(({ sample }) => sample.name).join(', ')).toBeGreaterThanOrEqual(WITHOUT_QUOTES_MIN)
})

test('the messages are of many mail programs and languages', () => {
  expect(samples).toHaveLength(320)
  expect(new Set(samples.map(({ client }) => client)).size).toBe(24)
  expect(new Set(samples.map(({ language }) => language)).size).toBe(22)
})
