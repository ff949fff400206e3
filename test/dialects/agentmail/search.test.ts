/** Tests searches through the client, on one server. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startWorld, type World } from '../../support/world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld({ limits: { search: { pageRowsMax: 20 } } })
})
afterAll(() => world[Symbol.asyncDispose]())

interface Mail {
  readonly from?: string
  readonly subject: string
  readonly text?: string
  readonly messageId?: string
}

async function createInbox(username: string, ...mails: readonly Mail[]): Promise<string> {
  const { inboxId } = await world.agentmail.inboxes.create({ username })
  for (const mail of mails) await world.smtp.send({ to: inboxId, text: 'nothing', ...mail })
  return inboxId
}

/** Returns all results of a search, and the number of its pages. */
async function searchAll(inboxId: string, q: string, more: Record<string, unknown> = {}) {
  const found = []
  let pages = 0
  let pageToken: string | undefined
  do {
    const page = await world.agentmail.inboxes.messages.search(inboxId, {
      ...{ q, ...more },
      ...(pageToken !== undefined && { pageToken }),
    })
    found.push(...page.messages)
    pageToken = page.nextPageToken
    pages += 1
  } while (pageToken !== undefined)
  return { found, pages, subjects: found.map(({ subject }) => subject) }
}

test('a search finds messages by subject, addresses and words of the text, newest first, and marks what matched', async () => {
  const inbox = await createInbox(
    'finder',
    { from: 'Ann Invoice <ann@example.test>', subject: 'one', text: 'nothing here' },
    { from: 'bo@example.test', subject: 'Your INVOICE for May', text: 'paid' },
    { from: 'cy@example.test', subject: 'three', text: 'Please pay the amount.\nThe invoice is attached.' },
  )
  const { messages, count, limit, nextPageToken } = await world.agentmail.inboxes.messages.search(inbox, {
    q: 'invoice',
  })
  expect({ count, limit, nextPageToken }).toEqual({ count: 3, limit: 50, nextPageToken: undefined })
  expect(messages.map(({ subject, highlights }) => [subject, highlights])).toEqual([
    ['three', { text: ['Please pay the amount. The **invoice** is attached.'] }],
    ['Your INVOICE for May', { subject: ['Your **INVOICE** for May'] }],
    ['one', { from: ['Ann **Invoice** <ann@example.test>'] }],
  ])
  expect(messages[0]).toMatchObject({ inboxId: inbox, from: 'cy@example.test', labels: ['received', 'unread'] })

  // The words of a text may be apart; those of a subject or an address may not.
  expect((await searchAll(inbox, 'attached pay')).found.map(({ highlights }) => highlights)).toEqual([
    { text: ['Please **pay** the amount. The invoice is **attached**.'] },
  ])
  expect((await searchAll(inbox, 'may invoice')).found).toEqual([])
  for (const q of ['Ann Invoice <ann@example.test>', 'ann@example', 'invoice <ann'])
    expect((await searchAll(inbox, q)).subjects, q).toEqual(['one'])
  const [byAddress] = (await searchAll(inbox, inbox, { limit: 1 })).found
  expect(byAddress?.highlights).toEqual({ recipients: [`**${inbox}**`] })
})

test('any text is plain text', async () => {
  const texts = [
    '100% sure',
    'snake_case',
    'a * b',
    'say "hi" to me',
    "it's -not OR this",
    '您的验证码是42',
    'ä',
    '🎉!',
    '\\d+',
  ]
  const inbox = await createInbox('plain', ...texts.map((text, index) => ({ subject: `s${index}`, text })))
  const queries = ['0% s', 'e_c', '*', '"hi" to', '-not OR', '验', 'ä', '🎉', '\\d+']
  for (const [index, q] of queries.entries()) expect((await searchAll(inbox, q)).subjects, q).toEqual([`s${index}`])
  for (const q of ['%', '_', "' or 1=1 --", 'AND', '.*', '[a-z]', '(', '\\\\'])
    expect((await searchAll(inbox, q)).subjects.length, q).toBeLessThan(2)

  const messages = world.agentmail.inboxes.messages
  const manyWords = Array.from({ length: 65 }, (_, index) => String.fromCodePoint(0x4e00 + index)).join(' ')
  const refused = { statusCode: 400, body: { code: 'validation_error' } }
  for (const q of ['', ' \t', 'a\0b', 'a'.repeat(10_000), manyWords])
    await expect(messages.search(inbox, { q }), q.slice(0, 9)).rejects.toMatchObject(refused)
  await expect(messages.search(inbox, { q: 'a', limit: 101 })).rejects.toMatchObject(refused)
  await expect(messages.search(inbox, { q: 'a', pageToken: 'x' })).rejects.toMatchObject(refused)
  expect(await world.request('GET', `/v0/inboxes/${inbox}/messages/search`)).toMatchObject({ status: 400 })
})

test('every message is found once, in pages of any size, and a page that examined enough may be empty', async () => {
  const fill = Array.from({ length: 44 }, (_, index) => ({ subject: `filler ${index}` }))
  const inbox = await createInbox('pages', { subject: 'needle 1' }, ...fill, { subject: 'needle 2' })
  await world.smtp.send({ to: inbox, subject: 'needle 3', text: 'nothing' })
  const { subjects, pages } = await searchAll(inbox, 'needle')
  expect(subjects).toEqual(['needle 3', 'needle 2', 'needle 1'])
  expect(pages).toBeGreaterThan(2) // with a budget of 20 messages, the page in the middle is empty
  expect((await searchAll(inbox, 'needle', { limit: 1 })).subjects).toEqual(['needle 3', 'needle 2', 'needle 1'])
  const { nextPageToken } = await world.agentmail.inboxes.messages.search(inbox, { q: 'needle', limit: 1 })
  const other = world.agentmail.inboxes.messages.search(inbox, { q: 'filler', limit: 1, pageToken: nextPageToken! })
  await expect(other).rejects.toMatchObject({ statusCode: 400 })

  const all = (await searchAll(inbox, 'needle')).found
  const [third, second, first] = all
  expect((await searchAll(inbox, 'needle', { before: third!.timestamp })).subjects).not.toContain('needle 3')
  const between = await searchAll(inbox, 'needle', { after: first!.timestamp, before: third!.timestamp })
  expect(between.subjects).toEqual(second!.timestamp < third!.timestamp ? ['needle 2'] : [])
})

test('hidden messages are found only on request and with the permission, and foreign ones never', async () => {
  const inbox = await createInbox('hider', { subject: 'needle in spam' }, { subject: 'needle in trash' })
  const [trash, spam] = (await searchAll(inbox, 'needle')).found
  const { messages } = world.agentmail.inboxes
  await messages.update(inbox, spam!.messageId, { addLabels: ['spam'] })
  await messages.update(inbox, trash!.messageId, { addLabels: ['trash'] })
  expect((await searchAll(inbox, 'needle')).found).toEqual([])
  const path = `/v0/inboxes/${inbox}/messages/search?q=needle`
  const subjectsOf = async (query: string, key?: string) => {
    const { body } = await world.request('GET', `${path}${query}`, key === undefined ? {} : { key })
    return body.messages?.map(({ subject }: { subject: string }) => subject)
  }
  expect(await subjectsOf('&include_spam=true')).toEqual(['needle in spam'])

  const keyWith = async (permissions: object, path = '/v0/api-keys') =>
    (await world.request('POST', path, { body: { permissions } })).body.api_key
  expect(await subjectsOf('&include_spam=true', await keyWith({ message_read: true }))).toEqual([])
  const blind = await world.request('GET', path, { key: await keyWith({ inbox_read: true }) })
  expect(blind).toMatchObject({ status: 403, body: { fix: expect.stringContaining('message_read') } })
  const elsewhere = await createInbox('elsewhere')
  const foreign = await keyWith({ message_read: true }, `/v0/inboxes/${elsewhere}/api-keys`)
  expect(await world.request('GET', path, { key: foreign })).toMatchObject({ status: 404 })
})
