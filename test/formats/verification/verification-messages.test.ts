/**
 * Measures how many codes and links of the messages in test/formats/verification/messages are found, and how many results
 * are wrong. Read the README there before you change anything because of a failure: failures in `held-out` are not
 * printed, on purpose.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { extractVerification } from './extract-verification.ts'

interface MailRecord {
  name: string
  language: string
  subject: string
  text: string | null
  html: string | null
  codes: string[]
  links: string[]
}

interface Score {
  expected: number
  found: number
  reported: number
  wrong: number
}

const FOUND_MIN = 0.99
const WRONG_MAX = 0.01

const folder = join(import.meta.dirname, 'messages')

describe.each(['tuning', 'held-out'])('in the set %s', (set) => {
  const messages = readdirSync(join(folder, set)).flatMap(
    (name) => JSON.parse(readFileSync(join(folder, set, name), 'utf8')) as MailRecord[],
  )
  const results = messages.map((mail) => ({ mail, ...extractVerification(contentOf(mail)) }))

  test.each(['codes', 'links'] as const)('enough %s are found, and few results are wrong', (kind) => {
    const total: Score = { expected: 0, found: 0, reported: 0, wrong: 0 }
    const byLanguage = new Map<string, Score>()
    const failures: string[] = []
    for (const { mail, codes, links } of results) {
      const reported = kind === 'codes' ? codes.map(({ code }) => code) : links.map(({ url }) => url)
      const missed = mail[kind].filter((value) => !reported.includes(value))
      const wrong = reported.filter((value) => !mail[kind].includes(value))
      const languageScore = byLanguage.get(mail.language) ?? { expected: 0, found: 0, reported: 0, wrong: 0 }
      byLanguage.set(mail.language, languageScore)
      for (const score of [total, languageScore]) {
        score.expected += mail[kind].length
        score.found += mail[kind].length - missed.length
        score.reported += reported.length
        score.wrong += wrong.length
      }
      failures.push(
        ...missed.map((value) => `${mail.name} missed ${value}`),
        ...wrong.map((value) => `${mail.name} wrong ${value}`),
      )
    }
    console.info(`${set}, ${kind}: ${show(total)}\n${[...byLanguage].sort().map(showLanguage).join(' · ')}`)
    const details = set === 'held-out' ? 'not printed for the held-out set' : failures.join('\n')
    expect(total.expected, 'number of expected results').toBeGreaterThan(25)
    expect(total.found / total.expected, details).toBeGreaterThanOrEqual(FOUND_MIN)
    expect(total.wrong / total.reported, details).toBeLessThanOrEqual(WRONG_MAX)
  })
})

function show({ expected, found, reported, wrong }: Score): string {
  return `${found} of ${expected} found, ${wrong} of ${reported} reported are wrong`
}

function showLanguage([language, { expected, found, wrong }]: [string, Score]): string {
  return `${language} ${found}/${expected}${wrong > 0 ? `, ${wrong} wrong` : ''}`
}

function contentOf({ subject, text, html }: MailRecord) {
  return { subject, text: text ?? undefined, html: html ?? undefined }
}
