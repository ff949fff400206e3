import { describe, expect, test } from 'vitest'
import {
  formatAddress,
  isPlainAddress,
  isSmtpMailbox,
  normaliseAddress,
  normaliseDomain,
  parseRecipient,
  splitAddress,
  withoutTag,
} from '../../../src/formats/address/address.ts'
import { parseAddressList } from '../../../src/formats/address/address-list.ts'
import { seededRandom } from '../random.ts'

// Capital letters make it take the way of all other addresses.
test.each([
  'a@b.cd',
  'a.b-c_d+e=f@x1.example.com',
  '-a@0.example',
  '0@0.0.zz',
  `ann@${'a'.repeat(63)}.${'b'.repeat(63)}`,
  `${'a'.repeat(242)}@example.com`,
])('%s is plain, so it is its own normal form', (address) => {
  expect(isPlainAddress(address)).toBe(true)
  expect(normaliseAddress(address.toUpperCase())).toBe(address)
  expect(normaliseAddress(address)).toBe(address)
})

test.each([
  'a@b',
  'a..b@c.de',
  '.a@c.de',
  'a.@c.de',
  'a@-b.cd',
  'a@b-.cd',
  'a@b.1',
  'a@b.cd.',
  'a@b..cd',
  'a b@c.de',
  'a@b.cd\n',
  'ä@b.cd',
  'A@b.cd',
  'a@b@c.de',
  `a@${'b'.repeat(64)}.cd`,
  `${'a'.repeat(243)}@example.com`,
])('%j is not plain', (address) => {
  expect(isPlainAddress(address)).toBe(false)
})

describe('the normal form of an address', () => {
  test.each([
    ['Ann@Example.COM', 'ann@example.com'],
    ['"ann"@example.com', 'ann@example.com'], // unnecessary quotes
    ['"ann smith"@example.com', '"ann smith"@example.com'],
    ['"a@b"@example.com', '"a@b"@example.com'],
    ['"a\\"b"@example.com', '"a\\"b"@example.com'],
    ['ann+tag@example.com', 'ann+tag@example.com'],
    ['ann@bücher.example', 'ann@xn--bcher-kva.example'],
    ['ann@XN--BCHER-KVA.example', 'ann@xn--bcher-kva.example'],
    ['用户@例え.jp', '用户@xn--r8jz45g.jp'],
    ['jose\u0301@example.com', 'josé@example.com'], // NFC
    ['ann@localhost', 'ann@localhost'],
    ['ann@[192.0.2.1]', 'ann@[192.0.2.1]'],
    ['ann@[IPv6:2001:DB8::1]', 'ann@[IPv6:2001:db8::1]'],
    [`${'a'.repeat(64)}@example.com`, `${'a'.repeat(64)}@example.com`],
    [`"${'a'.repeat(64)}"@example.com`, `${'a'.repeat(64)}@example.com`],
    [`"${' '.repeat(62)}"@example.com`, `"${' '.repeat(62)}"@example.com`],
    // SMTP can carry these only in quotes; mailboxes of Japanese phones have such names.
    ['Ta..ro.@example.com', '"ta..ro."@example.com'],
    ['.ann@example.com', '".ann"@example.com'],
    ['ann.@bücher.example', '"ann."@xn--bcher-kva.example'],
    ['zoë..x@example.com', '"zoë..x"@example.com'],
    // Reply addresses of ticket systems are longer than 64 bytes (RFC 5321 §4.5.3.1.1).
    [`reply+${'7c1e'.repeat(20)}@example.com`, `reply+${'7c1e'.repeat(20)}@example.com`],
    [`"${' '.repeat(100)}"@example.com`, `"${' '.repeat(100)}"@example.com`],
    [`${'é'.repeat(100)}@example.com`, `${'é'.repeat(100)}@example.com`],
  ])('%s is %s', (written, normal) => {
    expect(normaliseAddress(written)).toBe(normal)
    expect(normaliseAddress(normal)).toBe(normal)
  })

  test.each([
    ['empty text', ''],
    ['no @', 'ann'],
    ['no local part', '@example.com'],
    ['no domain', 'ann@'],
    ['two @', 'ann@b@example.com'],
    ['a space', 'ann smith@example.com'],
    ['a no-break space', 'ann\u00a0smith@example.com'],
    ['a line break', 'ann@example.com\r\nBcc: eve@example.com'],
    ['a line break in quotes', '"a\r\nb"@example.com'],
    ['a NUL', 'ann\0@example.com'],
    ['half a surrogate pair', 'ann\ud800@example.com'],
    ['a trailing dot', 'ann@example.com.'],
    ['an empty label', 'ann@example..com'],
    ['a hyphen at the start of a label', 'ann@-example.com'],
    ['an IP address without brackets', 'ann@192.0.2.1'],
    ['an IP address in full-width digits', 'ann@１２７.0.0.1'],
    ['hexadecimal that a URL parser reads as an IP address', 'ann@０x7f.1'],
    ['a literal that is not an address', 'ann@[300.0.2.1]'],
    ['a label of 64', `ann@${'a'.repeat(64)}.com`],
    ['over 254 bytes', `ann@${'a.'.repeat(126)}com`],
    ['over 254 bytes in the local part', `${'a'.repeat(243)}@example.com`],
    ['over 254 bytes with the quotes that it needs', `${'.'.repeat(241)}@example.com`],
    ['over 254 bytes with its quoted pairs', `"${'\\"'.repeat(121)}"@example.com`],
    ['a dot and a space', 'ann. smith@example.com'],
    ['a megabyte', `${'a'.repeat(1_000_000)}@example.com`],
    ['angle brackets', '<ann@example.com>'],
  ])('is refused for %s', (_, written) => {
    expect(normaliseAddress(written)).toBeUndefined()
  })

  test('applied twice is the same as once, for random addresses', () => {
    const random = seededRandom(1)
    const alphabet = [...'abAB01.@+"\\ <>(),;:üßİ例\u0301\u200b[]-_ \t']
    for (let i = 0; i < 5000; i++) {
      const text =
        Array.from({ length: random.below(14) }, () => random.pick(alphabet)).join('') + random.pick(['', '@a.bc'])
      const once = normaliseAddress(text)
      if (once !== undefined) expect(normaliseAddress(once), JSON.stringify(text)).toBe(once)
    }
  })
})

describe('a mailbox for RCPT TO', () => {
  test.each([
    ['ann@example.com', true],
    ['"ann smith"@example.com', true],
    ['"a@b"@example.com', true],
    ['"a\\"b"@example.com', true],
    ['"a\\\\b"@example.com', true],
    ['"a;b,c:d"@example.com', true],
    ['zoë@example.com', true], // the SMTP session finds out whether the server accepts UTF-8
    ['ann@[IPv6:2001:db8::1]', true],
    ['"a>b"@example.com', false],
    ['"a<b"@example.com', false],
    ['"a\\>b"@example.com', false],
    ['ann@example.com>', false],
    ['"a\nb"@example.com', false],
    ['"a\0b"@example.com', false],
    ['', false],
    ['ann', false],
    [`${'a'.repeat(64)}@example.com`, true],
    [`${'a'.repeat(242)}@example.com`, true],
    [`${'a'.repeat(243)}@example.com`, false],
    ['"a..b"@example.com', true],
    ['a..b@example.com', false], // not in its normal form
    [`ann@${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(58)}`, true], // 254 octets
    [`ann@${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(59)}`, false],
  ])('%j: %j', (address, expected) => {
    expect(isSmtpMailbox(address)).toBe(expected)
  })
})

test('splitAddress splits at the last @', () => {
  expect(splitAddress('"a@b"@example.com')).toEqual({ localPart: '"a@b"', domain: 'example.com' })
  expect(splitAddress('ann')).toEqual({ localPart: 'ann', domain: '' })
})

test.each([
  ['ann+news@example.com', 'ann@example.com'],
  ['ann+a+b@example.com', 'ann@example.com'],
  ['ann@example.com', 'ann@example.com'],
  ['+ann@example.com', '+ann@example.com'],
  ['"a+b"@example.com', '"a+b"@example.com'],
])('%s without its tag is %s', (tagged, plain) => {
  expect(withoutTag(tagged)).toBe(plain)
})

describe('formatAddress', () => {
  test.each([
    [{ address: 'ann@example.com' }, 'ann@example.com'],
    [{ name: 'Ann', address: 'ann@example.com' }, 'Ann <ann@example.com>'],
    [{ name: 'Ann Müller', address: 'ann@example.com' }, 'Ann Müller <ann@example.com>'],
    [{ name: 'Doe, John', address: 'j@example.com' }, '"Doe, John" <j@example.com>'],
    [{ name: 'Dr. "No"', address: 'j@example.com' }, '"Dr. \\"No\\"" <j@example.com>'],
    [{ name: 'back\\slash', address: 'j@example.com' }, '"back\\\\slash" <j@example.com>'],
    [{ name: 'eve@example.com', address: 'j@example.com' }, '"eve@example.com" <j@example.com>'],
    [{ name: '', address: 'j@example.com' }, 'j@example.com'],
    [{ name: 'J', address: '"a>b"@example.com' }, 'J <"a>b"@example.com>'],
    [{ address: 'a>b@example.com' }, '"a>b"@example.com'],
    [{ address: '"a>b@example.com' }, '"\\"a>b"@example.com'],
    [{ address: 'a>b' }, '"a>b"'],
    [{ address: 'a@example>.com' }, 'a@example?.com'],
  ])('%j → %s', (address, text) => {
    expect(formatAddress(address)).toBe(text)
  })

  test('no field can end the line or add an address', () => {
    const text = formatAddress({ name: 'Ann\r\nBcc: eve@example.com', address: 'a@b.c>\r\n<eve@example.com' })
    expect(text).not.toMatch(/[\r\n]/)
    expect(parseAddressList(text)).toHaveLength(1)
  })

  // The brackets were removed, so a reply to "a>b"@example.com went to ab@example.com.
  test('a formatted address is parsed to the same mailbox or to none, for random addresses', () => {
    const random = seededRandom(4)
    const alphabet = [...'ab<>"\\@. ,;']
    for (let i = 0; i < 5000; i++) {
      const local = Array.from({ length: 1 + random.below(8) }, () => random.pick(alphabet)).join('')
      const address = `${random.pick([local, `"${local}"`])}@a.bc`.trim()
      const quoted = `"${address.slice(0, -'@a.bc'.length).replace(/["\\]/g, '\\$&')}"@a.bc`
      const read = parseRecipient(formatAddress({ name: 'Ann', address }))
      if (read) expect(read.address, address).toBe(normaliseAddress(address) ?? quoted)
    }
  })

  test('a formatted address with a name is parsed to the same one, for random names', () => {
    const random = seededRandom(2)
    const alphabet = [...'ab Z."\\,;:<>@()üß例😀\'']
    for (let i = 0; i < 3000; i++) {
      const name = Array.from({ length: 1 + random.below(12) }, () => random.pick(alphabet))
        .join('')
        .trim()
      if (name === '') continue
      const address = { name, address: 'ann@example.com' }
      expect(parseAddressList(formatAddress(address)), JSON.stringify(name)).toEqual([address])
    }
  })
})

describe('one recipient from a client', () => {
  test.each([
    ['Ann@Example.com', { address: 'ann@example.com' }],
    [' <ann@example.com> ', { address: 'ann@example.com' }],
    ['Ann Smith <ann@example.com>', { name: 'Ann Smith', address: 'ann@example.com' }],
    ['"Smith, \\"Ann\\"" <ann@example.com>', { name: 'Smith, "Ann"', address: 'ann@example.com' }],
    ['Smith, Ann <ann@example.com>', { name: 'Smith, Ann', address: 'ann@example.com' }],
    ['"a <b> c" <ann@example.com>', { name: 'a <b> c', address: 'ann@example.com' }],
  ])('%s is accepted', (text, expected) => {
    expect(parseRecipient(text)).toEqual(expected)
  })

  test.each([
    '',
    'ann',
    'Ann <>',
    'Ann <ann@example.com',
    'ann@example.com>',
    'ann@example.com, bob@example.com',
    'a@example.com <b@example.com> <c@example.com>',
    '<a@example.com> <b@example.com>',
    'Ann\r\nBcc: x <ann@example.com>',
    'Ann <ann@exa\nmple.com>',
    `${'x'.repeat(100_000)} <ann@example.com>`,
  ])('%j is refused', (text) => {
    expect(parseRecipient(text)).toBeUndefined()
  })
})

test.each(['evil.example/é', 'evil.example?é', 'evil.example#é', 'evil.example\\é', '%62ank.é.example', 'a@é.example'])(
  'the name %s is no domain: nothing is decoded, or cut off',
  (domain) => {
    expect(normaliseDomain(domain)).toBeUndefined()
    expect(normaliseAddress(`ann@${domain}`)).toBeUndefined()
  },
)
