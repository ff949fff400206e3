/** Tests what allow and block lists say about an address, and how entries are read. */
import { expect, test } from 'vitest'
import { entriesMatching, normaliseEntry } from '../../src/mail/inboxes/lists/list-entry.ts'
import { denialOf, describeDenial, type KnownEntries } from '../../src/mail/inboxes/lists/list-rules.ts'

const inbox = { id: 'inbox', pod_id: 'pod', organization_id: 'organization' }

/** @param entries "scope allow|block|bounce entry", all of the direction send */
function known(entries: readonly string[]): KnownEntries {
  const rows = entries.map((text) => text.split(' '))
  return {
    find(scopeId, { direction, type }, entry) {
      if (direction !== 'send') return undefined
      const row = rows.find(
        ([scope, kind, name]) => scope === scopeId && name === entry && (kind === 'bounce' ? 'block' : kind) === type,
      )
      return row && (row[1] === 'bounce' ? 'bounce' : 'entry')
    },
    hasAllowed: (scopeId, direction) =>
      direction === 'send' && rows.some(([scope, kind]) => scope === scopeId && kind === 'allow'),
  }
}

const ANN = 'ann@mail.example.test'

test.each<[title: string, entries: string[], expected: string | undefined]>([
  ['no entry', [], undefined],
  ['another address is blocked', ['inbox block bob@mail.example.test', 'inbox block other.test'], undefined],
  ['the address is blocked', [`inbox block ${ANN}`], `${ANN} (in block list)`],
  ['its domain is blocked', ['pod block mail.example.test'], `${ANN} (mail.example.test is in block list)`],
  ['a domain above is blocked', ['organization block test'], `${ANN} (test is in block list)`],
  [
    'a domain with the same end is another domain',
    ['inbox block ample.test', 'inbox block x.mail.example.test'],
    undefined,
  ],
  ['the address is allowed', [`inbox allow ${ANN}`], undefined],
  ['a domain above is allowed', ['organization allow example.test'], undefined],
  ['only others are allowed', ['inbox allow other.test'], `${ANN} (not in allow list)`],
  ['the organization allows only others', ['organization allow other.test'], `${ANN} (not in allow list)`],
  [
    'block beats allow at one scope',
    [`inbox allow ${ANN}`, 'inbox block example.test'],
    `${ANN} (example.test is in block list)`,
  ],
  [
    'the narrowest scope decides: allowed',
    [`inbox allow ${ANN}`, `pod block ${ANN}`, `organization block ${ANN}`],
    undefined,
  ],
  ['the narrowest scope decides: blocked', [`pod block ${ANN}`, `organization allow ${ANN}`], `${ANN} (in block list)`],
  [
    'an allow list of the pod decides before the organization',
    ['pod allow other.test', `organization allow ${ANN}`],
    `${ANN} (not in allow list)`,
  ],
  [
    'a block list alone does not end the search',
    ['inbox block other.test', `organization block ${ANN}`],
    `${ANN} (in block list)`,
  ],
  [
    'mail to the address bounced',
    [`organization bounce ${ANN}`],
    `${ANN} (mail to it bounced, or was reported as spam)`,
  ],
  [
    'a bounce counts before all lists',
    [`inbox allow ${ANN}`, `organization bounce ${ANN}`],
    `${ANN} (mail to it bounced, or was reported as spam)`,
  ],
  ['a bounce of another address', ['organization bounce bob@mail.example.test'], undefined],
])('%s', (_title, entries, expected) => {
  const denial = denialOf({ inbox, direction: 'send' }, ANN, known(entries))
  expect(denial && describeDenial(denial)).toBe(expected)
  expect(denialOf({ inbox, direction: 'receive' }, ANN, known(entries))).toBeUndefined()
})

test('a sender without a valid address is in no list', () => {
  const ask = (entries: string[]) => denialOf({ inbox, direction: 'send' }, undefined, known(entries))
  expect(ask(['organization block test'])).toBeUndefined()
  expect(ask(['organization allow test'])).toMatchObject({ list: { type: 'allow' }, scopeId: 'organization' })
})

test('entries have a normal form, and an address has a bounded number of them', () => {
  expect(normaliseEntry(' Ann@EXAMPLE.test ')).toBe('ann@example.test')
  expect(normaliseEntry('BÜCHER.example')).toBe('xn--bcher-kva.example')
  expect(normaliseEntry('a.b.c.d.e.f.g.h.i.test')).toBe('a.b.c.d.e.f.g.h.i.test')
  for (const text of ['', 'a.b.c.d.e.f.g.h.i.j.test', '*.test', 'Ann <ann@a.test>', '@a.test', 'a b.test'])
    expect(normaliseEntry(text)).toBeUndefined()
  expect(entriesMatching('ann@mail.example.test')).toEqual([
    'ann@mail.example.test',
    'mail.example.test',
    'example.test',
    'test',
  ])
  const long = `ann@${'a.'.repeat(120)}test`
  const entries = entriesMatching(long)
  expect(entries).toHaveLength(11)
  expect(entries[1]).toBe('a.a.a.a.a.a.a.a.a.test')
})
