import { expect, test } from 'vitest'
import { preview } from '../../../src/formats/mime/text-preview.ts'
import { seededRandom } from '../random.ts'

/** By the first 160 characters, of which white space is collapsed. */
function byDefinition(text: string): string | undefined {
  const line = text.trimStart().slice(0, 160).replace(/\s+/g, ' ').trimEnd()
  const cut = line.slice(0, 20).replace(line.length > 20 ? /[\ud800-\udbff]$/ : /(?!)/, '')
  return (line.length > 20 ? cut.trimEnd() : line) || undefined
}

test('a preview agrees with its definition, for any white space', () => {
  const random = seededRandom(5)
  for (let round = 0; round < 5_000; round++) {
    const spaces = random.below(4) * 4
    const text = Array.from({ length: random.below(60) }, () =>
      random.pick(['a', 'bc', '😀', '\n', '\u00a0', '\u2028', ' ', ' '.repeat(spaces)]),
    ).join('')
    expect(preview(text, 20), JSON.stringify(text)).toBe(byDefinition(text))
  }
})
