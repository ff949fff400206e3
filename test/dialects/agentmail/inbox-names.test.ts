/** Tests which names new inboxes may have, through plain HTTP, against the whole program. */

import { expect, test } from 'vitest'
import { newDomain } from '../../../src/mail/domains/domains.ts'
import { openStore } from '../../../src/store/store.ts'
import { storeNeeds } from '../../store/test-store.ts'
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
  const tooLong = expect.stringMatching(
    /^400 ValidationError validation_error: username must have 1 to 64 bytes in UTF-8/,
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
    ['a'.repeat(65), tooLong],
    ['é'.repeat(33), tooLong], // 66 bytes
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
    'a'.repeat(64),
    'é'.repeat(32),
  ]
  for (const username of allowed)
    expect(await create(username)).toBe(`${username.normalize('NFC').toLowerCase()}@mail.localhost`)
})

const reserved = [
  ...['postmaster', 'hostmaster', 'webmaster', 'abuse', 'noc', 'security', 'usenet', 'news', 'www', 'uucp', 'ftp'],
  ...['admin', 'administrator', 'root', 'ssladmin', 'ssladministrator', 'sslwebmaster', 'mailer-daemon'],
]

// Every key of a pod could create them, and read the replies to bounces or get a certificate for the domain.
test('in the shared domain only a key of the organization creates inboxes with reserved names', async () => {
  await using world = await startWorld()
  const { podId } = await world.agentmail.pods.create({ name: 'red' })
  const { apiKey } = await world.agentmail.pods.apiKeys.create(podId, {})
  for (const path of ['/v0/inboxes', `/v0/pods/${podId}/inboxes`]) {
    const create = creating(world, path, apiKey)
    for (const username of [...reserved, 'Admin', '"abuse"', 'WWW']) {
      const address = `${username.replaceAll('"', '').toLowerCase()}@mail.localhost`
      const message = `The name of ${address} is reserved: only a key of the organization can create this inbox`
      expect(await create(username)).toBe(`403 ForbiddenError forbidden: ${message}`)
    }
    for (const username of ['ｒｏｏｔ', 'ro\u200bot', 'rооt']) expect(await create(username)).toMatch(/^400 /)
  }
  const free = ['info', 'sales', 'support', 'marketing', 'noreply', 'admin2', 'news.letter', 'administrators']
  const create = creating(world, '/v0/inboxes', apiKey)
  for (const username of free) expect(await create(username)).toBe(`${username}@mail.localhost`)

  const ofOrganization = creating(world, `/v0/pods/${podId}/inboxes`)
  const taken = '403 IsTakenError resource_taken: The inbox postmaster@mail.localhost is already taken'
  expect(await ofOrganization('postmaster')).toBe(taken)
  for (const username of reserved.slice(1)) expect(await ofOrganization(username)).toBe(`${username}@mail.localhost`)
  // Existing inboxes are as before for the keys of their pod.
  expect(await world.request('GET', '/v0/inboxes/abuse@mail.localhost', { key: apiKey })).toMatchObject({ status: 200 })
})

test('in the domain of a pod the key of that pod creates inboxes with reserved names', async () => {
  await using world = await startWorld()
  const { organizationId } = await world.agentmail.organizations.get()
  const { podId } = await world.agentmail.pods.create({ name: 'red' })
  const { apiKey } = await world.agentmail.pods.apiKeys.create(podId, {})
  await world.stop()
  await addDomains(world, { 'pod.test': podId, 'all.test': null }, organizationId)
  await world.restart()

  const create = creating(world, '/v0/inboxes', apiKey)
  expect(await create('admin', 'pod.test')).toBe('admin@pod.test')
  expect(await create('ada', 'all.test')).toBe('ada@all.test')
  for (const domain of ['all.test', 'mail.localhost'])
    expect(await create('admin', domain)).toMatch(/^403 ForbiddenError forbidden: /)
  expect(await creating(world, '/v0/inboxes')('admin', 'all.test')).toBe('admin@all.test')
})

/** No call creates domains yet, so they are written to the database of a stopped server. @param domains their pods */
async function addDomains(world: World, domains: Record<string, string | null>, organizationId: string): Promise<void> {
  const needs = storeNeeds({ dataDir: world.dataDir })
  const store = await openStore({ ...needs, config: { ...needs.config, databaseUrl: world.shared.databaseUrl } })
  await store.transaction(async (tx) => {
    for (const [domain, podId] of Object.entries(domains)) {
      const ids = { id: tx.newId(), organization_id: organizationId, pod_id: podId }
      const verified = { status: 'VERIFIED' as const, holds_name: 1 }
      await tx
        .insertInto('domains')
        .values({ ...newDomain(domain, 'martlet'), ...ids, ...verified, created_at: tx.now, updated_at: tx.now })
        .execute()
    }
  })
  await store.close()
}
