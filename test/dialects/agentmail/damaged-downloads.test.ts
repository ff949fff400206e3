/** Tests what clients get of a message whose stored bytes are damaged or lost. A client that got 404 took it for deleted. */
import { randomBytes } from 'node:crypto'
import { rm, truncate } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { createLog } from '../../../src/log.ts'
import { blobFile } from '../../support/blob-file.ts'
import { changeRows, readRows } from '../../support/test-database.ts'
import { startWorld } from '../../support/world.ts'

const MESSAGE_ID = '<1@x.test>'
/** Of one attachment, which is sent while it is read; the other one is read at once. */
const LARGE_BYTES = 100_000
/** Longer than what a row holds, for the file of the bodies. */
const text = randomBytes(2_000).toString('hex')

async function startWithMessage() {
  const lines: string[] = []
  const log = createLog('error', { write: (line) => void lines.push(line) })
  const world = await startWorld({ log, limits: { store: { inlineBytesMax: 1_000 } } })
  const { inboxId } = await world.agentmail.inboxes.create({ username: 'ada' })
  const attachments = [
    { filename: 'small.txt', content: 'small' },
    { filename: 'large.bin', content: randomBytes(LARGE_BYTES) },
  ]
  await world.smtp.send({ to: inboxId, text, messageId: MESSAGE_ID, attachments })
  const { messages } = world.agentmail.inboxes
  const message = await messages.get(inboxId, MESSAGE_ID)
  const [small, large] = await Promise.all(
    message.attachments!.map(async ({ attachmentId }) => {
      const path = `/v0/inboxes/${inboxId}/messages/${encodeURIComponent(MESSAGE_ID)}/attachments/${attachmentId}`
      return (await world.request('GET', path)).body
    }),
  )
  const links = {
    raw: (await messages.getRaw(inboxId, MESSAGE_ID)).downloadUrl,
    small: small.download_url as string,
    text: small.text_url as string,
    large: large.download_url as string,
  }
  const [[id, source, bodies]] = (await readRows(
    world,
    `select messages.id, blob_key, parsed_blob_key from messages join contents on contents.id = messages.content_id`,
  )) as [[string, string, string]]
  return {
    world,
    inboxId,
    links,
    lines,
    id,
    source: await blobFile(world, source),
    bodies: await blobFile(world, bodies),
  }
}

const statusesOf = async (links: Readonly<Record<string, string>>) =>
  Object.fromEntries(
    await Promise.all(
      Object.entries(links).map(async ([name, url]) => {
        const response = await fetch(url)
        const body = await response.text()
        return [name, response.ok ? 200 : [response.status, JSON.parse(body).code]]
      }),
    ),
  )

const DAMAGED = [500, 'content_damaged']

test.each(['lost', 'too short'])('a download from a file that is %s says so, and all other calls work', async (how) => {
  const { world, inboxId, links, lines, id, source } = await startWithMessage()
  await using _world = world
  expect(await statusesOf(links)).toEqual({ raw: 200, small: 200, text: 200, large: 200 })
  await (how === 'lost' ? rm(source) : truncate(source, LARGE_BYTES))
  // What is before the end of the file can still be read.
  const isWhole = how === 'lost' ? DAMAGED : 200
  expect(await statusesOf(links)).toEqual({ raw: DAMAGED, small: isWhole, text: isWhole, large: DAMAGED })
  expect(await statusesOf({ raw: links.raw! })).toEqual({ raw: DAMAGED })
  const logged = lines.map((line) => JSON.parse(line))
  expect(logged.filter(({ msg }) => msg.startsWith('what is stored of a message'))).toMatchObject([{ messageId: id }])

  const { messages } = world.agentmail.inboxes
  expect((await messages.list(inboxId)).count).toBe(1)
  expect((await messages.get(inboxId, MESSAGE_ID)).text).toBe(text)
  await messages.update(inboxId, MESSAGE_ID, { addLabels: ['seen'] })
  await expect(messages.forward(inboxId, MESSAGE_ID, { to: ['zoe@x.test'] })).rejects.toMatchObject({ statusCode: 500 })
  await messages.reply(inboxId, MESSAGE_ID, { text: 'hello' })
  const path = `/v0/inboxes/${inboxId}/messages/${encodeURIComponent(MESSAGE_ID)}`
  expect((await world.request('DELETE', path)).status).toBeLessThan(300)
  expect(await statusesOf({ raw: links.raw! })).toEqual({ raw: [404, 'not_found'] })
})

test.each([
  ['a download of a message', 100, DAMAGED],
  ['a large message', 200_000, 200], // it is in a file
])('%s whose row cannot be decoded says so', async (_what, words, expected) => {
  await using world = await startWorld({ log: createLog('silent') })
  const { inboxId } = await world.agentmail.inboxes.create({ username: 'ada' })
  await world.smtp.send({ to: inboxId, text: 'hello '.repeat(words), messageId: MESSAGE_ID })
  const { downloadUrl } = await world.agentmail.inboxes.messages.getRaw(inboxId, MESSAGE_ID)
  const noise = world.shared.databaseUrl === undefined ? "x'ff'" : "'\\xff'::bytea"
  await changeRows(world, `update contents set bytes = ${noise}, parsed = ${noise}`)
  expect(await statusesOf({ downloadUrl })).toEqual({ downloadUrl: expected })
  const path = `/v0/inboxes/${inboxId}/messages/${encodeURIComponent(MESSAGE_ID)}`
  expect(await world.request('GET', path)).toMatchObject({ status: 500, body: { code: 'content_damaged' } })
})

test('a message whose bodies are lost says so', async () => {
  const { world, inboxId, bodies, links } = await startWithMessage()
  await using _world = world
  await rm(bodies)
  const path = `/v0/inboxes/${inboxId}/messages/${encodeURIComponent(MESSAGE_ID)}`
  expect(await world.request('GET', path)).toMatchObject({ status: 500, body: { code: 'content_damaged' } })
  expect((await world.agentmail.inboxes.messages.list(inboxId)).count).toBe(1)
  expect(await statusesOf(links)).toEqual({ raw: 200, small: 200, text: 200, large: 200 })
})
