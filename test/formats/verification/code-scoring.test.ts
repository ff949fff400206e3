/** Compares the bound by which words and numbers are left out of the scoring with the scores that they would have. */
import { expect, test } from 'vitest'
import { highestScore, scoreCandidates } from '../../../src/formats/verification/code-scoring.ts'
import { withCandidates, withLabels } from '../../../src/formats/verification/code-text.ts'
import { signalsOf } from '../../../src/formats/verification/message-signals.ts'
import { seededRandom } from '../../support/seeded-random.ts'

/** Parts of messages: labels, what stands beside them, and what has the shape of a code. */
const PARTS = [
  ...['your', 'login code', 'security code', 'verification code', 'one-time password', 'code', 'order number', 'enter'],
  ...['to sign in', 'is', 'use', 'the word', 'expires in 10 minutes', 'discount code', 'reference', 'do not share it'],
  ...[
    'apple-river-stone',
    'brave tiger lamp',
    'ABCDEF',
    'KXQZTR',
    'WXYZ-ABCD',
    'QWERTY',
    'SAVE',
    'Acme',
    'TOKEN',
    '482913',
  ],
  ...['4821', 'of 93721 rows', 'and then', 'it opens with', 'that is', '@example.com #482913', '#', '→', '*', '\t'],
  ...[':', '.', ',', '"', '(', ')', '\n', '\n\n', ' '],
]

test('no candidate has a higher score than the bound says', () => {
  const random = seededRandom(1)
  const text = () =>
    Array.from({ length: 3 + random() * 14 }, () => PARTS[Math.floor(random() * PARTS.length)]).join(' ')
  let bounded = 0
  for (let round = 0; round < 400; round++) {
    const subject = `${text().replaceAll('\n', ' ')}\n`
    const sources = [
      withLabels(withCandidates({ text: subject, strong: [], links: [] }, true)),
      withLabels(withCandidates({ text: text(), strong: [], links: [] }, false)),
    ]
    const signals = signalsOf(sources)
    for (const source of sources)
      for (const { candidate, score } of scoreCandidates(source, source.candidates, signals)) {
        const bound = highestScore(candidate, source, signals)
        if (bound < Number.POSITIVE_INFINITY) bounded += 1
        expect(score, `${candidate.code} in ${JSON.stringify(source.text)}`).toBeLessThanOrEqual(bound)
      }
  }
  expect(bounded).toBeGreaterThan(30)
})
