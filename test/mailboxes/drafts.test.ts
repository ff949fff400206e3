/** Tests Drafts: a draft of the API in a mail program, and back. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { MailAccount, OpenMailbox } from '../../src/edges/imap/session/mail-store.ts'
import { append, appendedMail, type MailboxWorld, startMailboxes } from './mailbox-world.ts'

let world: MailboxWorld
let account: MailAccount
let mailbox: OpenMailbox

const memory = { freeBytes: 1_000_000, reserve: async () => false, nextTurn: async () => undefined }

beforeAll(async () => {
  world = await startMailboxes()
  account = await world.logIn()
  mailbox = await account.open('Drafts')
})

afterAll(() => world[Symbol.asyncDispose]())

async function sourceOf(uid: number): Promise<string | undefined> {
  for await (const [found] of mailbox.fetch([uid], { source: 'whole' }, new AbortController().signal)) {
    return found?.source?.bytes?.toString()
  }
  return undefined
}

const uids = async () => Array.from((await mailbox.refresh()).uids)
const list = async () => (await world.node.drafts.list(world.actor, { inbox: world.inboxId }, {}, {}, memory)).items
const get = (id: string) => world.node.drafts.get(world.actor, { inbox: world.inboxId }, id, memory)

test('a draft of the API is in Drafts, and a change over the API is another message', async () => {
  const draft = await world.node.drafts.create(
    world.actor,
    world.inboxId,
    { to: ['bob@x.test'], subject: 'hello', text: 'one' },
    memory,
  )
  const [first] = await uids()
  expect(mailbox.latest().flags[0]).toEqual(['\\Draft', '\\Seen'])
  expect(await sourceOf(first!)).toContain(`X-Martlet-Draft: ${draft.id}\r\n`)
  await world.node.drafts.update(world.actor, world.inboxId, draft.id, { text: 'two' }, memory)
  const [second] = await uids()
  expect(second).toBeGreaterThan(first!)
  expect(await sourceOf(first!)).toBeUndefined()
  expect(await sourceOf(second!)).toContain('two')

  await mailbox.storeFlags([second!], { how: 'add', flags: ['\\Flagged', '\\Deleted', '\\Answered'] })
  await mailbox.refresh()
  expect(mailbox.latest().flags[0]).toEqual(['\\Deleted', '\\Draft', '\\Flagged', '\\Seen'])
  expect((await get(draft.id)).labels).toEqual(['flagged'])
  await mailbox.expunge()
  expect([await uids(), await list()]).toEqual([[], []])
})

test('a mail program edits a draft: by its field, or by its Message-ID; what it schedules is undone', async () => {
  const draft = await world.node.drafts.create(
    world.actor,
    world.inboxId,
    { to: ['bob@x.test'], subject: 'hello', text: 'one', sendAt: Date.now() + 3_600_000 },
    memory,
  )
  const [first] = await uids()
  const edited = `Message-ID: <new@x.test>\nX-Martlet-Draft: ${draft.id}\nTo: Eve <eve@x.test>\nBcc: carl@x.test\nSubject: edited\nMIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=b\n\n--b\n\nbody\n--b\nContent-Type: text/x-note; name=a.txt\nContent-Disposition: attachment; filename=a.txt\nContent-Transfer-Encoding: base64\n\naGk=\n--b--\n`
  const { uid } = await append(account, 'Drafts', appendedMail(edited, { flags: ['\\Draft', '\\Flagged', 'todo'] }))
  expect(await uids()).toEqual([uid])
  const source = (await sourceOf(uid))!
  expect(source.match(/X-Martlet-Draft/g)).toHaveLength(1)
  expect(source.replace(`X-Martlet-Draft: ${draft.id}\r\n`, '')).toBe(
    edited.replaceAll('\n', '\r\n').replace(`X-Martlet-Draft: ${draft.id}\r\n`, ''),
  )
  const shown = await get(draft.id)
  expect(shown).toMatchObject({ subject: 'edited', text: 'body', to: [{ name: 'Eve', address: 'eve@x.test' }] })
  expect(shown.bcc).toEqual([{ address: 'carl@x.test' }])
  expect(shown.attachments).toMatchObject([{ filename: 'a.txt', sizeBytes: 2 }])
  expect([shown.sendStatus, shown.labels]).toEqual([undefined, ['flagged', 'todo']])

  // The program removes the older revision, which has left already: the draft stays.
  await mailbox.storeFlags([first!], { how: 'add', flags: ['\\Deleted'] })
  await mailbox.expunge([first!])
  const again = edited.replace(/X-Martlet-Draft.*\n/, '').replace('body', 'third')
  const third = await append(account, 'Drafts', appendedMail(again))
  expect(await uids()).toEqual([third.uid])
  expect((await get(draft.id)).text).toBe('third')

  const other = await append(account, 'Drafts', appendedMail(again.replace('new@', 'other@')))
  expect(await uids()).toEqual([third.uid, other.uid])
  expect((await list()).length).toBe(2)
  await mailbox.move([third.uid], 'Trash')
  await expect(mailbox.copy([other.uid], 'INBOX')).rejects.toMatchObject({ code: 'CANNOT' })
  await mailbox.storeFlags([other.uid], { how: 'replace', flags: ['\\Deleted'] })
  await mailbox.expunge()
  expect(await list()).toEqual([])
})

test('Drafts needs the permissions of drafts', async () => {
  const writer = await world.logIn(['message_read', 'draft_read', 'draft_create'])
  const { uid } = await append(writer, 'Drafts', appendedMail('Message-ID: <w@x.test>\nSubject: w\n\nw\n'))
  const drafts = await writer.open('Drafts')
  expect(drafts.isReadOnly).toBe(true)
  await expect(writer.append('Drafts', appendedMail('Message-ID: <w@x.test>\n\nw\n'))).rejects.toMatchObject({
    code: 'NOPERM',
  })
  await expect(drafts.storeFlags([uid], { how: 'add', flags: ['\\Deleted'] })).rejects.toMatchObject({ code: 'NOPERM' })
  const search = (value: string) =>
    drafts.search({ key: 'text', in: 'text', value }, drafts.latest(), [], new AbortController().signal)
  expect([await search('W'), await search('none')]).toEqual([[uid], []])
})
