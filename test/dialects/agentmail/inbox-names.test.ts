/** Tests which names new inboxes may have, through plain HTTP, against the whole program. */
import { expect, test } from 'vitest'
import { startWorld, type World } from '../../support/world.ts'

/** Returns a function that creates an inbox with this key, and the answer in one line. */
function creating(world: World, path: string, key?: string) {
  return async (username: string, domain?: string) => {
    const request = { body: { username, domain }, ...(key !== undefined && { key }) }
    const { status, body } = await world.request('POST', path, request)
    return status === 200 ? body.inbox_id : `${status} ${body.name} ${body.code}: ${body.message}`
  }
}

// Full-width, soft-hyphenated and half-Cyrillic copies of another pod's address used to be accepted.
test('a name that looks like another one is refused', async () => {
  await using world = await startWorld()
  const create = creating(world, '/v0/inboxes')
  const invisible = '400 ValidationError validation_error: username contains an invisible character'
  const variant = expect.stringMatching(/^400 ValidationError validation_error: username contains a variant of /)
  const mixed = expect.stringMatching(
    /^400 ValidationError validation_error: username mixes letters of several scripts/,
  )
  const refused: [string, unknown][] = [
    ['post\u00admaster', invisible], // soft hyphen
    ['ada\u200b', invisible], // zero width space
    ['ada\u2060', invisible], // word joiner
    ['a\u202eda', invisible], // right-to-left override
    ['ad\u034fa', invisible], // combining grapheme joiner
    ['\u3164', invisible], // Hangul filler
    ['ada\ufe0f', invisible], // variation selector
    ['adm\u0130n', invisible], // İ in lower case is an i with a second dot
    ['ａｄａ', variant],
    ['𝐚𝐝𝐚', variant],
    ['ﬁnn', variant],
    ['ada²', variant],
    ['ſally', variant],
    ['аda', mixed], // Cyrillic а
    ['ΑDA', mixed], // Greek Α
    ['adaօ', mixed], // Armenian օ
    ['ꭰda', mixed], // Cherokee Ꭰ
    ['иωи', mixed], // Cyrillic and Greek
    ['user漢字и', mixed],
    ['adaא', mixed], // Hebrew
    ['ⲁda', mixed], // Coptic, which is not in the table of scripts
  ]
  const answers: [string, unknown][] = []
  for (const [username] of refused) answers.push([username, await create(username)])
  expect(answers).toEqual(refused)

  const allowed = [
    'zoë-1',
    'straße.2',
    'иван_3',
    'νίκος',
    'արամ',
    'דוד',
    'น้ำ',
    'ⲁⲃⲅ',
    'ᏣᎳᎩ',
    'ada漢字カなー',
    'ada漢ㄅ',
    'ada漢한글',
    'ı',
    'ᾳ',
  ]
  for (const username of allowed)
    expect(await create(username)).toBe(`${username.normalize('NFC').toLowerCase()}@mail.localhost`)
})
