/** JSON bodies that are costly to read: deep, wide, long, malformed, or with other types than the schema requires. */
import type { Random } from '../formats/random.ts'
import { fill } from './attack.ts'

/** By shape; each as long as is asked for. */
export const jsonShapes: Readonly<Record<string, (sizeBytes: number) => string | Buffer>> = {
  'lists in lists': (size) => fill('[', size),
  'lists in lists, closed': (size) => `${fill('[', size / 2)}${fill(']', size / 2)}`,
  'objects in objects': (size) => `${fill('{"a":', size / 2)}1${fill('}', size / 10)}`,
  'objects in the headers of a message': (size) => `{"to":"a@b.test","headers":${fill('{"a":', size)}`,
  'empty objects as recipients': (size) => `{"to":[{}${fill(',{}', size)}]}`,
  'numbers as recipients': (size) => `{"to":[0${fill(',0', size)}]}`,
  'nulls as recipients': (size) => `{"to":[null${fill(',null', size)}]}`,
  'empty texts as recipients': (size) => `{"to":[""${fill(',""', size)}]}`,
  'one recipient many times': (size) => `{"to":["a@b.test"${fill(',"a@b.test"', size)}]}`,
  'many recipients': (size) => `{"cc":[${Array.from({ length: size / 14 }, (_, i) => `"a${i}@b.test"`).join(',')}]}`,
  'one long recipient': (size) => `{"to":"${fill('"<a>', size).replaceAll('"', '\\"')}"}`,
  'many members': (size) => `{${Array.from({ length: size / 12 }, (_, i) => `"m${i}":0`).join(',')}}`,
  'many labels': (size) => `{"to":"a@b.test","labels":["x"${fill(',"x"', size)}]}`,
  'many headers': (size) =>
    `{"to":"a@b.test","headers":{${Array.from({ length: size / 16 }, (_, i) => `"X-${i}":"y"`).join(',')}}}`,
  'a long header': (size) => `{"to":"a@b.test","headers":{"X-A":"${fill('é ', size)}"}}`,
  'many small attachments': (size) =>
    `{"to":"a@b.test","attachments":[{"content":"YQ=="}${fill(',{"content":"YQ=="}', size)}]}`,
  'an attachment of short base64 lines': (size) =>
    `{"to":"a@b.test","attachments":[{"content":"${fill('YQ==\\n', size)}"}]}`,
  'an attachment that is no base64': (size) => `{"to":"a@b.test","attachments":[{"content":"${fill('=!é', size)}"}]}`,
  'an attachment': (size) => `{"to":"a@b.test","attachments":[{"content":"${fill('QUJD', size)}"}]}`,
  'an unknown member': (size) => `{"unknown":"${fill('x', size)}"}`,
  'an unknown list': (size) => `{"unknown":[1${fill(',1', size)}]}`,
  'a long name of a member': (size) => `{"${fill('n', size)}":1}`,
  'a long subject': (size) => `{"to":"a@b.test","subject":"${fill('s ', size)}"}`,
  'a long word as subject': (size) => `{"to":"a@b.test","subject":"${fill('语', size)}"}`,
  'a long text': (size) => `{"to":"a@b.test","text":"${fill('word ', size)}"}`,
  'a text of one line': (size) => `{"to":"a@b.test","text":"${fill('x', size)}"}`,
  'a text of quotes': (size) => `{"to":"a@b.test","text":"${fill('>\\n', size)}"}`,
  'escaped quotes': (size) => `{"to":"a@b.test","text":"${fill('\\"', size)}"}`,
  'escaped NULs': (size) => `{"to":"a@b.test","text":"${fill('\\u0000', size)}"}`,
  'half surrogate pairs': (size) => `{"to":"a@b.test","text":"${fill('\\ud83e', size)}"}`,
  'HTML in HTML': (size) => `{"to":"a@b.test","html":"${fill('<i>', size / 2)}${fill('</b>', size / 2)}"}`,
  'HTML of tables': (size) => `{"to":"a@b.test","html":"${fill('<table><tr><td>', size)}"}`,
  'one member again and again': (size) => `{"to":1${fill(',"to":1', size)}}`,
  prototypes: (size) => `{"__proto__":${fill('{"__proto__":', size / 2)}1${fill('}', size / 26)}}`,
  'many prototypes': (size) => `{"a":1${fill(',"__proto__":{"x":1},"constructor":1', size)}}`,
  digits: (size) => fill('1', size),
  exponents: (size) => `{"to":[1e999${fill(',-1e999', size)}]}`,
  spaces: (size) => fill(' ', size),
  'spaces before an object': (size) => `${fill('\n', size)}{}`,
  'an object, and more': (size) => `{}${fill('{}', size)}`,
  'a quote that never ends': (size) => `{"to":"${fill('x', size)}`,
  backslashes: (size) => `{"to":"${fill('\\', size)}`,
  'byte order marks': (size) => fill('\uFEFF', size),
  'UTF-16': (size) => Buffer.from(`{"to":"${fill('x', size / 2)}"}`, 'utf16le'),
  'bytes that are not UTF-8': (size) => Buffer.from(`{"to":"${fill('\xed\xa0\x80', size)}"}`, 'latin1'),
  NULs: (size) => Buffer.alloc(Math.floor(size)),
}

const NAMES = [
  ...['to', 'cc', 'bcc', 'reply_to', 'subject', 'text', 'html', 'attachments', 'headers', 'labels', 'reply_all'],
  ...['username', 'domain', 'display_name', 'client_id', 'metadata', 'name', 'permissions', 'expires_at', 'url'],
  ...['event_types', 'inbox_ids', 'pod_ids', 'enabled', 'ordered', 'add_labels', 'remove_labels', 'public_key'],
  ...['__proto__', 'constructor', 'toString', 'length', '', '\u0000', 'é'],
]

const VALUES: readonly unknown[] = [
  ...[null, true, false, 0, -1, 1e308, 2 ** 53, '', ' ', '\u0000', '\ud800', '\u202e\u2028', 'a\r\nBcc: b@c.test'],
  ...['a@b.test', '"a>b"@c.test', '<a@b.test', 'a@b@c', '2026-13-45T99:99:99Z', '9999999-01-01', 'x'.repeat(5_000)],
  ...['http://127.0.0.1:1/', 'file:///etc/passwd', 'javascript:1', 'http://[::1]:99999/', '-----', '%00', '__proto__'],
  ...[[], [null], [[]], [''], ['a@b.test', 1], Array(200).fill('x'), {}, { a: {} }, { '': '' }, { length: 1e9 }],
]

/** Returns a body with members of the API and random values of every kind. */
export function randomBody(random: Random): string {
  const body: Record<string, unknown> = {}
  for (let count = 1 + random.below(6); count > 0; count--) {
    Object.defineProperty(body, random.pick(NAMES), { value: randomValue(random, 3), enumerable: true, writable: true })
  }
  return JSON.stringify(body)
}

function randomValue(random: Random, depth: number): unknown {
  const kind = random.below(depth > 0 ? 8 : 6)
  if (kind < 6) return random.pick(VALUES)
  const values = Array.from({ length: random.below(5) }, () => randomValue(random, depth - 1))
  return kind === 6 ? values : Object.fromEntries(values.map((value) => [random.pick(NAMES), value]))
}
