import { expect, test } from 'vitest'
import { startWorld } from '../support/world.ts'

test('in capture mode a message to an external address is held, and its bytes can be read', async () => {
  await using world = await startWorld()
  const ada = await world.agentmail.inboxes.create({ username: 'ada' })
  const socket = await world.subscribe({ eventTypes: ['message.held'] })

  const sent = await world.agentmail.inboxes.messages.send(ada.inboxId, {
    to: 'Zoë <zoe@example.test>',
    subject: 'grüße',
    text: 'hello',
    attachments: [
      { filename: 'a.txt', content: Buffer.from('attached').toString('base64'), contentType: 'text/plain' },
    ],
  })

  await socket.next('message.held')
  const id = encodeURIComponent(sent.messageId)
  const { body } = await world.request('GET', `/v0/inboxes/${ada.email}/messages/${id}/deliveries`)
  expect(body.deliveries).toMatchObject([{ recipient: 'zoe@example.test', state: 'held', attempts: 1 }])
  expect(body.deliveries[0].history).toMatchObject([{ target: 'capture', outcome: 'held' }])

  const raw = await world.agentmail.inboxes.messages.getRaw(ada.inboxId, sent.messageId)
  const text = await (await fetch(raw.downloadUrl)).text()
  expect(text).toMatch(/^DKIM-Signature: /)
  expect(text).toContain(`Message-ID: ${sent.messageId}`)
  expect(Buffer.byteLength(text)).toBe(raw.size)
  expect(text).toContain(Buffer.from('attached').toString('base64'))
  const copy = await world.agentmail.inboxes.messages.get(ada.inboxId, sent.messageId)
  expect(copy.labels).toEqual(['sent']) // held is a state of the queue, not a label of the message
})
