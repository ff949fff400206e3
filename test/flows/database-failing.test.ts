import { join } from 'node:path'
import BetterSqlite from 'better-sqlite3'
import { expect } from 'vitest'
import { failingDisk } from '../support/failing-disk.ts'
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

// One failed group refused everyone until the next check of the disk: a twelfth of the messages was accepted.
notSupported('postgres', 'its server writes the files')(
  'sporadic I/O errors refuse no message; when each write fails, intake closes, and it opens with the first commit',
  async () => {
    using disk = failingDisk()
    await using world = await startWorld({ limits: { store: { diskCheckMs: 300 } } })
    const ada = await world.agentmail.inboxes.create({ username: 'ada' })
    const send = (subject: string) => world.smtp.send({ to: ada.email, subject, text: 'x' })
    const subjects = Array.from({ length: 24 }, (_, index) => `sporadic ${index}`)

    disk.failEvery = 29 // a message takes about 17 statements
    for (let at = 0; at < subjects.length; at += 8) await Promise.all(subjects.slice(at, at + 8).map(send))
    expect(disk.failed).toBeGreaterThanOrEqual(10)
    expect((await world.request('GET', '/readyz')).status).toBe(200)

    disk.failEvery = 1
    await expect(send('refused after DATA')).rejects.toMatchObject({ responseCode: 451, command: 'DATA' })
    for (;;) {
      const error = await send('refused').catch((error) => error)
      expect(error).toMatchObject({ responseCode: 451 })
      if (error.command !== 'DATA') break // closed: refused before its bytes are read
    }
    expect(await world.request('GET', '/readyz')).toMatchObject({ status: 503, body: { failing: ['store'] } })

    disk.failEvery = undefined
    while ((await world.request('GET', '/readyz')).status !== 200);
    await send('kept')
    const { messages } = await world.agentmail.inboxes.messages.list(ada.inboxId, { limit: 100 })
    expect(messages.map(({ subject }) => subject).sort()).toEqual(['kept', ...subjects].sort())
  },
)
