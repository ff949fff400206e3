/** Tests mail in the queue whose file is lost or damaged: it waits until the operator has repaired it, and nobody gets a part of it. */
import { randomBytes } from 'node:crypto'
import { readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { createLog } from '../../src/log.ts'
import { blobFile } from '../support/blob-file.ts'
import { FakeMx } from '../support/fake-mx.ts'
import { readRows } from '../support/test-database.ts'
import { startWorld } from '../support/world.ts'

/** Longer than what a row holds. */
const text = randomBytes(2_000).toString('hex')
const REPLY = 'What is stored of this message or file is damaged or lost, so it cannot be read; will retry'

// A local recipient got the beginning of it, or a bounce at once; a remote one had "Internal error", or got the beginning.
test.each(['lost', 'too short'])(
  'a message whose file is %s is not delivered until the file is repaired',
  async (how) => {
    const logged: string[] = []
    await using relay = new FakeMx({})
    await relay.listen('127.0.0.1', 0)
    await using world = await startWorld({
      ...{ log: createLog('error', { write: (line) => void logged.push(line) }), startPaused: true },
      env: { MARTLET_OUTBOUND: 'relay', MARTLET_RELAY_URL: `smtp://127.0.0.1:${relay.port}` },
      limits: { store: { inlineBytesMax: 1_000 }, delivery: { pollMs: 20, retryFirstMs: 20, retryMsMax: 100 } },
    })
    const { inboxes } = world.agentmail
    const [ada, bob] = [await inboxes.create({ username: 'ada' }), await inboxes.create({ username: 'bob' })]
    const setBob = (status: string) => world.request('PATCH', `/v0/inboxes/${bob.inboxId}`, { body: { status } })
    await setBob('paused')
    const { messageId } = await inboxes.messages.send(ada.inboxId, { to: [bob.email, 'eve@example.test'], text })
    const [[key]] = (await readRows(
      world,
      'select blob_key from submissions join contents on contents.id = submissions.content_id',
    )) as [[string]]
    const file = await blobFile(world, key)
    const whole = await readFile(file)
    await (how === 'lost' ? rm(file) : truncate(file, whole.length - 100))

    await setBob('active')
    await world.request('POST', '/v0/outbound/resume')
    const path = `/v0/inboxes/${ada.inboxId}/messages/${encodeURIComponent(messageId)}/deliveries`
    const states = async () =>
      ((await world.request('GET', path)).body.deliveries as { state: string; last_reply: string }[]).map(
        ({ state, last_reply }) => [state, last_reply],
      )
    await expect.poll(states).toEqual([
      ['queued', REPLY],
      ['queued', REPLY],
    ])
    const attempts = async () => (await readRows(world, 'select min(attempts) from recipients')) as [[number]]
    await expect.poll(async () => (await attempts())[0][0]).toBeGreaterThan(2)
    expect([relay.messages.length, (await inboxes.messages.list(bob.inboxId)).count]).toEqual([0, 0])

    // Both deliveries failed several times for this one reason.
    expect(logged.map((line) => JSON.parse(line))).toEqual([
      expect.objectContaining({ contentId: expect.any(String), submission: expect.any(String) }),
    ])

    await writeFile(file, whole)
    await expect.poll(async () => (await states()).map(([state]) => state)).toEqual(['delivered', 'delivered'])
    expect(relay.messages.map(({ data }) => data.replaceAll('=\r\n', '').includes(text))).toEqual([true])
    const [received] = (await inboxes.messages.list(bob.inboxId)).messages
    expect((await inboxes.messages.get(bob.inboxId, received!.messageId)).text).toBe(text)
  },
)
