/**
 * A database that was set back to an older copy: its log goes on from there and gives numbers a second time. Whoever holds
 * a place in what is gone is told so, and whoever holds one that the copy has goes on from it.
 */
import { expect, test } from 'vitest'
import { backUp } from '../database.ts'
import { type Frame, openSocket } from '../socket-client.ts'
import { startWorld, type World } from '../world.ts'

test('cursors of what was lost have expired, also when the log has grown past them; earlier ones go on', async () => {
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
  const gone = [await lost.next(), await lost.next()]
  await world.stop()
  await copy.restore()

  await world.restart()
  await expectExpired(world, gone)
  for (const subject of ['new 1', 'new 2', 'new 3']) await world.smtp.send({ to: email, subject, text: 'x' })
  await expectExpired(world, gone) // their numbers are those of new events by now

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
