/**
 * Does the deletion of a large inbox delay the mail that arrives meanwhile?
 *
 *   npm run bench -- deletion         MESSAGES=20000 in the inbox; DATABASE=postgres
 *
 * Messages of 5 KB arrive at a steady 50 per second over 20 sessions, even if earlier ones are late: first alone, then
 * from the DELETE until the name of the inbox is free again. Each is measured from MAIL FROM to its 250.
 */
import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { KEY, startBenchServer } from './server.ts'
import { Session, sampleMail } from './smtp-load.ts'

const MESSAGES = Number(process.env.MESSAGES ?? 20_000)
const SECONDS_ALONE = Number(process.env.SECONDS ?? 15)
const PER_SECOND = 50
const SESSIONS = 20
const POLL_MS = 250

const server = await startBenchServer()
try {
  for (const username of ['load', 'old']) await server.request('POST', '/inboxes', { username })
  const sessions = await Promise.all(Array.from({ length: SESSIONS }, () => Session.open(server.smtpPort)))
  await fill(sessions)

  const alone = await arriveUntil(sessions, delay(SECONDS_ALONE * 1_000))
  const startedAt = performance.now()
  const beside = await arriveUntil(sessions, deleteInbox())
  const tookS = (performance.now() - startedAt) / 1_000
  console.log(`${MESSAGES} messages deleted in ${tookS.toFixed(1)} s, ${Math.round(MESSAGES / tookS)}/s`)
  print('a message, alone', alone)
  print('a message, beside the deletion', beside)
  console.log(`ratio: p50 ${ratio(0.5)}, p99 ${ratio(0.99)}`)
  for (const session of sessions) await session.quit()

  function ratio(share: number): string {
    return (percentile(beside, share) / percentile(alone, share)).toFixed(2)
  }
} finally {
  await server.stop()
}

/** Each message begins a thread of its own. */
async function fill(sessions: readonly Session[]): Promise<void> {
  let left = MESSAGES
  await Promise.all(
    sessions.map(async (session) => {
      while (left > 0) {
        left -= 1
        const mail = sampleMail(randomUUID(), `Old message ${left}`)
        await session.deliver('ann@example.test', 'old@mail.localhost', mail)
      }
    }),
  )
}

/** Resolves when all messages are gone. */
async function deleteInbox(): Promise<void> {
  await fetch(`${server.url}/v0/inboxes/old@mail.localhost`, {
    method: 'DELETE',
    headers: { authorization: `Bearer ${KEY}` },
  })
  while ((await server.request('POST', '/inboxes', { username: 'old' })).inbox_id === undefined) await delay(POLL_MS)
}

/** @returns ms of each message */
async function arriveUntil(sessions: readonly Session[], end: Promise<void>): Promise<number[]> {
  let isOver = false
  const ending = end.then(() => {
    isOver = true
  })
  const times: number[] = []
  const startedAt = performance.now()
  let next = 0
  await Promise.all(
    sessions.map(async (session) => {
      for (;;) {
        const dueAt = startedAt + (next * 1_000) / PER_SECOND
        next += 1
        await delay(Math.max(0, dueAt - performance.now()))
        if (isOver) return
        const sentAt = performance.now()
        await session.deliver('ann@example.test', 'load@mail.localhost', sampleMail(randomUUID()))
        times.push(performance.now() - sentAt)
      }
    }),
  )
  await ending
  return times
}

function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))]!
}

function print(name: string, values: readonly number[]): void {
  const at = (share: number) => percentile(values, share).toFixed(1)
  console.log(`${name}: ${values.length} of them, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${at(1)} ms`)
}
