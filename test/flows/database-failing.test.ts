import { join } from 'node:path'
import BetterSqlite from 'better-sqlite3'
import { expect } from 'vitest'
import { notSupported } from '../support/test-database.ts'
import { startWorld } from '../support/world.ts'

notSupported('postgres', 'it has no file that another program could lock')(
  'while the database cannot be written, requests get 451 or 503 and store nothing; afterwards the server recovers',
  async () => {
    await using world = await startWorld({ limits: { store: { diskCheckMs: 20 } } })
    const ada = await world.agentmail.inboxes.create({ username: 'ada' })
    const send = () =>
      world.request('POST', `/v0/inboxes/${ada.email}/messages/send`, {
        body: { to: 'zoe@example.test', text: 'hello' },
      })
    const thief = new BetterSqlite(join(world.dataDir, 'martlet.db'))
    thief.exec('begin immediate') // holds the lock that our writer needs

    const refused = await send()
    expect(refused).toMatchObject({ status: 503, body: { code: 'service_unavailable' } })
    expect(refused.headers.get('retry-after')).toBeTruthy()
    await expect(world.smtp.send({ to: ada.email, subject: 'refused', text: 'x' })).rejects.toMatchObject({
      responseCode: 451,
    })
    expect((await world.request('GET', `/v0/inboxes/${ada.email}`)).status).toBe(200) // reads still work

    thief.exec('rollback')
    thief.close()
    for (;;) {
      const answer = await send()
      if (answer.status === 200) break
      expect(answer.status).toBe(503)
    }
    await world.smtp.send({ to: ada.email, subject: 'kept', text: 'x' })
    const { messages } = await world.agentmail.inboxes.messages.list(ada.inboxId)
    expect(messages.map(({ subject }) => subject)).toContain('kept')
    expect(messages).toHaveLength(2)
  },
)
