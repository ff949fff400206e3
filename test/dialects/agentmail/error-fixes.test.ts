/** Tests that errors of users name the setting, the member or the value that helps. */
import { expect, test } from 'vitest'
import { startWorld } from '../../support/world.ts'

test('errors that a setting, a member or another spelling solves say so', async () => {
  const env = { MARTLET_ALLOW_PRIVATE_NETWORKS: 'false', MARTLET_BODY_BYTES_MAX: '65536' }
  await using world = await startWorld({ env })
  const { inboxId } = await world.agentmail.inboxes.create({ username: 'ada' })
  const answerOf = async (method: string, path: string, body?: object) =>
    (await world.request(method, path, body && { body })).body as { message: string; fix: string }

  const url = 'http://127.0.0.1:9/'
  expect((await answerOf('POST', '/v0/webhooks', { url })).fix).toContain('MARTLET_ALLOW_PRIVATE_NETWORKS=true')
  const send = `/v0/inboxes/${inboxId}/messages/send`
  const fetched = await answerOf('POST', send, { to: 'cy@example.test', attachments: [{ url }] })
  expect(fetched.message).toContain('(MARTLET_ALLOW_PRIVATE_NETWORKS)')

  const hook = { url: 'https://hooks.example.com/', event_types: ['message.recieved'] }
  expect(await answerOf('POST', '/v0/webhooks', hook)).toMatchObject({
    message: 'Unknown event type "message.recieved"',
    fix: 'Write message.received.',
  })
  const listed = (await answerOf('GET', '/v0/events?event_types=nothing')).fix
  expect(listed).toMatch(/^The types are .*message\.received,/)
  expect((await answerOf('GET', '/v0/events?after=evt_1')).fix).toContain('Send the `cursor` of an event')

  const broken = { to: 'cy@example.test', attachments: [{ content: '*' }] }
  expect((await answerOf('POST', send, broken)).message).toBe('The content of an attachment is not valid base64')
  const large = await answerOf('POST', '/v0/inboxes', { username: 'bob', display_name: 'x'.repeat(70_000) })
  expect(large.fix).toContain('MARTLET_BODY_BYTES_MAX')
})
