/** Generates the local part of an inbox if the request has none, easy to read aloud and rarely already taken; or its end. */

const ADJECTIVES = [
  'amber',
  'brave',
  'bright',
  'calm',
  'clear',
  'clever',
  'cosmic',
  'crisp',
  'eager',
  'early',
  'fair',
  'fond',
  'gentle',
  'glad',
  'golden',
  'grand',
  'happy',
  'honest',
  'humble',
  'jolly',
  'keen',
  'kind',
  'light',
  'lively',
  'lucky',
  'mellow',
  'merry',
  'modest',
  'noble',
  'proud',
  'quick',
  'quiet',
] as const
const NOUNS = [
  'anchor',
  'badger',
  'beacon',
  'birch',
  'brook',
  'cedar',
  'cloud',
  'comet',
  'coral',
  'crane',
  'falcon',
  'fern',
  'finch',
  'forest',
  'garden',
  'harbor',
  'heron',
  'island',
  'lagoon',
  'lantern',
  'maple',
  'martin',
  'meadow',
  'otter',
  'pebble',
  'pine',
  'planet',
  'raven',
  'river',
  'robin',
  'sparrow',
  'willow',
] as const

/** For example "quickheron4821": 32 × 32 × 65,536 possibilities. */
export function randomUsername(random: (bytes: number) => Buffer): string {
  const bytes = random(4)
  const adjective = ADJECTIVES[bytes[0]! % ADJECTIVES.length]
  const noun = NOUNS[bytes[1]! % NOUNS.length]
  return `${adjective}${noun}${bytes.readUInt16BE(2)}`
}

/** Letters and digits that are hard to confuse. */
const SUFFIX_CHARACTERS = 'abcdefghjkmnpqrstvwxyz0123456789'
const SUFFIX_LENGTH = 6

/** Six characters that make a name unlikely to be taken or guessed: 2^30 possibilities. */
export function randomSuffix(random: (bytes: number) => Buffer): string {
  return [...random(SUFFIX_LENGTH)].map((byte) => SUFFIX_CHARACTERS[byte % SUFFIX_CHARACTERS.length]).join('')
}
