/** Tests searches through the client, on one server. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { startWorld, type World } from '../../support/world.ts'

let world: World
beforeAll(async () => {
  world = await startWorld({
    limits: { search: { pageRowsMax: 20, scopeRowsMax: 7, scopeInboxesMax: 2 }, lists: { scanRowsMax: 1 } },
  })
})
afterAll(() => world[Symbol.asyncDispose]())

interface Mail {
  readonly from?: string
  readonly subject: string
  readonly text?: string
  readonly messageId?: string
  readonly inReplyTo?: string
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

  // As many addresses as fragments of a text.
  const to = Array.from({ length: 5 }, (_, index) => `to${index}@many.test`)
  await world.smtp.send({ envelope: { from: 'a@x.test', to: inbox }, to, subject: 'to many', text: 'x' })
  const [toMany] = (await searchAll(inbox, 'many.test')).found
  expect(toMany?.highlights).toEqual({ recipients: [0, 1, 2].map((index) => `to${index}@**many.test**`) })
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
  for (const [index, q] of queries.entries()) {
    expect((await searchAll(inbox, q)).subjects, q).toEqual([`s${index}`])
    const { threads } = await world.agentmail.inboxes.threads.search(inbox, { q })
    expect(
      threads.map(({ subject }) => subject),
      q,
    ).toEqual([`s${index}`])
  }
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

/** Calls a search until there is no next page. Returns what `idOf` returns for each item. */
async function allPages<Item>(
  search: (page: { pageToken?: string }) => Promise<{ items: Item[]; nextPageToken?: string | undefined }>,
): Promise<Item[]> {
  const found: Item[] = []
  let pageToken: string | undefined
  do {
    const page = await search(pageToken === undefined ? {} : { pageToken })
    found.push(...page.items)
    pageToken = page.nextPageToken
  } while (pageToken !== undefined)
  return found
}

test('a thread is found once by any of its visible messages, at every level, in pages of any size', async () => {
  const { pods, threads, inboxes } = world.agentmail
  const [red, blue] = [(await pods.create({ name: 'red' })).podId, (await pods.create({ name: 'blue' })).podId]
  const addresses: string[] = []
  for (const [index, podId] of [red, blue, red, red, blue].entries()) {
    const { inboxId } = await pods.inboxes.create(podId, { username: `thread${index}` })
    addresses.push(inboxId)
    if (index === 3) continue // an inbox without mail
    const mail = (id: string, text: string, answered?: string) =>
      world.smtp.send({
        to: inboxId,
        subject: `${answered ? 'Re: ' : ''}plan ${id[0]} of ${index}`,
        text,
        messageId: `<${id}@x.test>`,
        ...(answered !== undefined && { inReplyTo: `<${answered}@x.test>` }),
      })
    await mail('a1', 'an ocelot')
    await mail('b1', 'nothing')
    await mail('a2', 'two ocelots', 'a1')
    await mail('c1', 'ocelot')
    await mail('a3', 'no animal', 'a2')
    for (let count = 2; count < 8; count += 1) await mail(`c${count}`, 'OCELOT', `c${count - 1}`)
    await mail('b2', 'the last ocelot', 'b1')
  }
  const at = {
    organization: (page: object) => threads.search({ q: 'ocelot', ...page }),
    red: (page: object) => pods.threads.search(red, { q: 'ocelot', ...page }),
    inbox: (page: object) => inboxes.threads.search(addresses[0]!, { q: 'ocelot', ...page }),
  }
  const all = (search: keyof typeof at, more: object = {}) =>
    allPages(async (page) => {
      const { threads: items, nextPageToken } = await at[search]({ ...page, ...more })
      return { items, nextPageToken }
    })
  const subjects = (...indexes: number[]) =>
    indexes.flatMap((index) => ['b', 'c', 'a'].map((thread) => `plan ${thread} of ${index}`))
  for (const limit of [1, 2, 50]) {
    const found = async (search: keyof typeof at) => (await all(search, { limit })).map(({ subject }) => subject)
    expect(await found('organization'), `${limit}`).toEqual(subjects(4, 2, 1, 0))
    expect(await found('red'), `${limit}`).toEqual(subjects(2, 0))
    expect(await found('inbox'), `${limit}`).toEqual(subjects(0))
  }
  const [b, , a] = await all('inbox')
  expect(a).toMatchObject({ messageCount: 3, highlights: { text: ['two **ocelot**s'] } })
  const { items } = { items: (await inboxes.threads.list(addresses[0]!)).threads }
  const { highlights: _, ...item } = b!
  expect(item).toEqual(items.find(({ threadId }) => threadId === b!.threadId)) // the same as in a list

  // A message that arrives between two pages was on none of them.
  const first = await at.inbox({ limit: 2 })
  await world.smtp.send({ to: addresses[0]!, subject: 'Re: plan a of 0', text: 'new ocelot', inReplyTo: '<a1@x.test>' })
  const rest = await allPages(async (page) => {
    const { threads: items, nextPageToken } = await at.inbox({ limit: 2, pageToken: first.nextPageToken, ...page })
    return { items, nextPageToken }
  })
  expect(rest.map(({ threadId }) => threadId)).toEqual([a!.threadId])

  // Neither is one outside of the requested times: its thread is found by an earlier message.
  const [newest] = (await inboxes.messages.list(addresses[0]!, { limit: 1 })).messages
  const earlier = await all('inbox', { limit: 1, before: newest!.timestamp })
  expect(earlier.map(({ subject }) => subject)).toEqual(subjects(0))

  // Hidden messages are not found through their thread, and do not show in its fields.
  const { messages } = inboxes
  await messages.update(addresses[0]!, '<b2@x.test>', { addLabels: ['spam'] })
  expect((await all('inbox')).map(({ threadId }) => threadId)).not.toContain(b!.threadId)
  const { body } = await world.request('GET', `/v0/inboxes/${addresses[0]}/threads/search?q=ocelot&include_spam=true`)
  expect(body.threads.map(({ thread_id }: { thread_id: string }) => thread_id)).toContain(b!.threadId)

  const key = async (path: string) => (await world.request('POST', `${path}/api-keys`, { body: {} })).body.api_key
  const ofInbox = world.agentmailAs(await key(`/v0/inboxes/${addresses[1]}`))
  const ofPod = world.agentmailAs(await key(`/v0/pods/${red}`))
  const inboxesFound = async (client: typeof ofPod) =>
    new Set(
      (
        await allPages(async (page) => {
          const { threads: items, nextPageToken } = await client.threads.search({ q: 'ocelot', ...page })
          return { items, nextPageToken }
        })
      ).map(({ inboxId }) => inboxId),
    )
  expect(await inboxesFound(ofInbox)).toEqual(new Set([addresses[1]]))
  expect(await inboxesFound(ofPod)).toEqual(new Set([addresses[0], addresses[2]]))
  await expect(ofPod.pods.threads.search(blue, { q: 'x' })).rejects.toMatchObject({ statusCode: 404 })
  await expect(ofInbox.pods.threads.search(red, { q: 'x' })).rejects.toMatchObject({ statusCode: 403 })
  await expect(ofPod.inboxes.threads.search(addresses[1]!, { q: 'x' })).rejects.toMatchObject({ statusCode: 404 })

  // A token that names an inbox outside of the scope finds nothing in it.
  const page = await ofPod.threads.search({ q: 'ocelot', limit: 1 })
  const parts = (token: string) => JSON.parse(Buffer.from(token, 'base64url').toString())
  const [version, hash] = parts(page.nextPageToken!)
  const foreign = await inboxes.threads.search(addresses[1]!, { q: 'ocelot', limit: 1 })
  const [, , number, position] = parts(foreign.nextPageToken!)
  const tokenWith = (id: string) => Buffer.from(JSON.stringify([version, hash, number, id])).toString('base64url')
  const forged = await ofPod.threads.search({ q: 'ocelot', pageToken: tokenWith(position) })
  expect(forged.threads.map(({ inboxId }) => inboxId)).not.toContain(addresses[1])
  const invalid = ofPod.threads.search({ q: 'ocelot', pageToken: tokenWith('x') })
  await expect(invalid).rejects.toMatchObject({ statusCode: 400 })
})

test('inboxes are found by the starts of words in address and display name, the exact address first', async () => {
  const { podId } = await world.agentmail.pods.create({ name: 'names' })
  const create = (username: string, displayName?: string) =>
    world.agentmail.pods.inboxes.create(podId, { username, ...(displayName !== undefined && { displayName }) })
  await create('ann')
  await create('joann', 'Jo Ann')
  await create('sales.ann', 'Sales Team')
  await create('desk', '客服中心 Über')
  await create('banner')
  const search = (q: string, more: object = {}) =>
    allPages(async (page) => {
      const answer = await world.agentmail.pods.inboxes.search(podId, { q, ...more, ...page })
      return { items: answer.inboxes, nextPageToken: answer.nextPageToken }
    })
  const names = async (q: string, more: object = {}) =>
    (await search(q, more)).map(({ inboxId }) => inboxId.split('@')[0])
  for (const limit of [1, 2, 100])
    expect(await names('ann', { limit }), `${limit}`).toEqual(['sales.ann', 'joann', 'ann'])
  expect(await names('ANN@mail.localhost', { limit: 1 })).toEqual(['ann', 'sales.ann']) // sales.ann@… contains the word
  expect(await names('team sal')).toEqual(['sales.ann'])
  expect(await names('客服')).toEqual(['desk'])
  expect(await names('中心 über')).toEqual(['desk'])
  for (const q of ['nn', 'sales desk', '%', '_', '*', '"']) expect(await names(q), q).toEqual([])
  const [found] = await search('desk')
  expect(found).toEqual(await world.agentmail.inboxes.get('desk@mail.localhost'))
  const everywhere = await allPages(async (page) => {
    const answer = await world.agentmail.inboxes.search({ q: 'desk', ...page })
    return { items: answer.inboxes, nextPageToken: answer.nextPageToken }
  })
  expect(everywhere).toEqual([found])
  for (const query of [{ q: '' }, { q: 'a', limit: 101 }, { q: 'a\0' }, { q: 'a'.repeat(251) }])
    await expect(world.agentmail.inboxes.search(query)).rejects.toMatchObject({ statusCode: 400 })
  const key = (await world.request('POST', '/v0/inboxes/ann@mail.localhost/api-keys', { body: {} })).body.api_key
  const own = await world.agentmailAs(key).inboxes.search({ q: 'ann' })
  expect(own.inboxes.map(({ inboxId }) => inboxId)).toEqual(['ann@mail.localhost'])
  await expect(world.agentmailAs(key).pods.inboxes.search(podId, { q: 'ann' })).rejects.toMatchObject({
    statusCode: 403,
  })
})
