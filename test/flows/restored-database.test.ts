/**
 * Tests a database that was restored from a backup: its log continues from there and assigns sequence numbers a second
 * time. A cursor of a lost event has expired, and a cursor that the backup contains can be resumed.
 */
import { expect, test } from 'vitest'
import { type Frame, openSocket } from '../support/socket-client.ts'
import { backUp } from '../support/test-database.ts'
import { startWorld, type World } from '../support/world.ts'

test('the cursors of lost events expire, even if the log has grown past them; earlier cursors resume', async () => {
  await using world = await startWorld()
  const { email } = await world.agentmail.inboxes.create({ username: 'ada' })
  const socket = await world.subscribe()
  const receive = async (subject: string): Promise<Frame> => {
    await world.smtp.send({ to: email, subject, text: 'x' })
    return socket.next('message.received')
  }
  const kept = [await receive('kept 1'), await receive('kept 2')]
  await world.stop()
  const copy = await backUp(world)

  await world.restart()
  const lost = await world.subscribe({ after: kept[1]!.cursor })
  for (const subject of ['lost 1', 'lost 2']) await world.smtp.send({ to: email, subject, text: 'x' })
  const lostEvents = [await lost.next(), await lost.next()]
  await world.stop()
  await copy.restore()

  await world.restart()
  await expectExpired(world, lostEvents)
  for (const subject of ['new 1', 'new 2', 'new 3']) await world.smtp.send({ to: email, subject, text: 'x' })
  await expectExpired(world, lostEvents) // new events have their sequence numbers by now

  const subjects = async (after: string, count: number) => {
    const back = await world.subscribe({ after })
    return Promise.all(Array.from({ length: count }, async () => (await back.next()).message.subject))
  }
  expect(await subjects(kept[1]!.cursor, 3)).toEqual(['new 1', 'new 2', 'new 3'])
  expect(await subjects(kept[0]!.cursor, 4)).toEqual(['kept 2', 'new 1', 'new 2', 'new 3'])
})

async function expectExpired(world: World, events: readonly Frame[]): Promise<void> {
  for (const { cursor } of events) {
    const socket = await openSocket(`${world.url.replace('http', 'ws')}/v0`, world.rootKey)
    socket.send({ type: 'subscribe', after: cursor })
    const answer = await socket.nextFrame(({ type }) => type !== 'event')
    socket.close()
    expect(answer).toMatchObject({ type: 'error', code: 'cursor_expired' })
  }
}
