/** Operations of AgentMail's clients that Martlet does not have yet: each says so, after the checks of key and scope. */
import { expect, test } from 'vitest'
import { unbuiltOperations } from '../../../src/edges/http/dialects/agentmail/routes/agentmail-unbuilt.ts'
import { startWorld } from '../../support/world.ts'

test('an operation that is not built answers 401, 404 outside the scope, and then says that it is not built', async () => {
  await using world = await startWorld()
  const { inboxId } = await world.agentmail.inboxes.create({ username: 'ada' })
  const pod = await world.agentmail.pods.create({ name: 'red' })
  const { body: key } = await world.request('POST', `/v0/inboxes/${inboxId}/api-keys`, { body: { permissions: {} } })
  const other = await world.agentmail.pods.inboxes.create(pod.podId, { username: 'bob' })
  const fill = (path: string, inbox: string) =>
    `/v0${path.replace(':inbox_id', encodeURIComponent(inbox)).replace(':pod_id', pod.podId).replace(/:\w+/g, 'x')}`

  for (const { method, path } of unbuiltOperations()) {
    const of = `${method} ${path}`
    const body = method === 'POST' ? { body: '{"not json' } : {}
    const answer = await world.request(method, fill(path, inboxId), body)
    if (/\/(accounts|providers|apps)\//.test(path)) {
      expect(answer, of).toMatchObject({ status: 404, body: { code: 'not_found' } })
      continue
    }
    const shown = `${method} /v0${path.replace(/:(\w+)/g, '{$1}')}`
    expect(answer, of).toMatchObject({
      status: 403,
      body: {
        code: 'not_implemented',
        message: expect.stringContaining(shown),
        fix: expect.stringContaining('No permission'),
      },
    })
    expect((await world.request(method, fill(path, inboxId), { ...body, key: '' })).status, of).toBe(401)
    if (!path.startsWith('/inboxes/:')) continue
    expect((await world.request(method, fill(path, 'nobody@mail.localhost'), body)).status, of).toBe(404)
    const foreign = await world.request(method, fill(path, other.inboxId), { ...body, key: key.api_key })
    expect(foreign, of).toMatchObject({ status: 404, body: { message: 'Inbox not found' } })
  }
})
