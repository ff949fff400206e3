/**
 * How much memory does a server use at the start, after 1,000 messages, and after some idle minutes?
 *
 *   npm run bench -- memory                  # 1,000 messages of 5 KB over 20 sessions into 50 inboxes, then 5 idle minutes
 *   BEFORE=../older/dist/cli.js MINUTES=1 npm run bench -- memory
 *
 * Resident memory, and the parts of it that belong to no file: the heaps of V8 and malloc, and stacks. With BEFORE another
 * build runs at the same time, and the messages are sent to one after the other. Linux only.
 */
import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { createMailPool } from './mail-pool.ts'
import { atMost, report } from './report.ts'
import { type BenchServer, startBenchServer } from './server.ts'
import { Session } from './smtp-load.ts'

const MESSAGES = Number(process.env.MESSAGES ?? 1_000)
const INBOXES = Number(process.env.INBOXES ?? 50)
const SESSIONS = Number(process.env.SESSIONS ?? 20)
const MINUTES = Number(process.env.MINUTES ?? 5)
const MINUTE_MS = 60_000
const [GOAL_MINUTES, GOAL_MB] = [5, 120]

/** The probe has a timer, so that the process would never be idle. */
const withoutProbe = { BENCH_PROBE: '' }

const servers: { name: string; server: BenchServer }[] = []
if (process.env.BEFORE) {
  servers.push({ name: 'before', server: await startBenchServer(withoutProbe, [], process.env.BEFORE) })
}
servers.push({ name: 'now', server: await startBenchServer(withoutProbe) })
try {
  print('at the start')
  for (const { server } of servers) await deliver(server)
  print(`after ${MESSAGES} messages`)
  for (let minute = 1; minute <= MINUTES; minute += 1) {
    await delay(MINUTE_MS)
    print(`idle for ${minute} min`, minute >= GOAL_MINUTES)
  }
} finally {
  for (const { server } of servers) await server.stop()
}

async function deliver({ request, smtpPort }: BenchServer): Promise<void> {
  for (let inbox = 0; inbox < INBOXES; inbox += 1) await request('POST', '/inboxes', { username: `load${inbox}` })
  const nextMail = createMailPool()
  let sent = 0
  await Promise.all(
    Array.from({ length: SESSIONS }, async () => {
      const session = await Session.open(smtpPort)
      while (sent < MESSAGES) {
        const to = `load${sent++ % INBOXES}@mail.localhost`
        await session.deliver('ann@example.test', to, nextMail(to))
      }
      await session.quit()
    }),
  )
}

/** proc(5), `smaps_rollup` and `status`. */
function print(when: string, isGoal = false): void {
  for (const { name, server } of servers) {
    const rollup = readFileSync(`/proc/${server.pid}/smaps_rollup`, 'utf8')
    const mb = (field: string) => Math.round(Number(new RegExp(`^${field}: +(\\d+) kB`, 'm').exec(rollup)?.[1]) / 1_024)
    const threads = /^Threads:\s+(\d+)/m.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1]
    report({
      what: `memory ${when}, ${name}`,
      measured: `${mb('Rss')} MB, ${mb('Anonymous')} of them in no file; ${threads} threads`,
      ...atMost(mb('Rss'), isGoal ? GOAL_MB : undefined, ' MB'),
    })
  }
}
