/**
 * How many messages, and how many pages of 50 messages, does one process return per second, and how much CPU time does
 * each take?
 *
 *   npm run bench -- reads            # mailboxes of 1,000 and 10,000 messages; MAILBOXES=1000,100000
 *   npm run bench -- reads            BEFORE=../older/dist/cli.js  MAILBOXES=300  CASES=message
 *   npm run bench -- reads            MAILBOXES=1000,1000000  CASES='list of 50'
 *
 * The same run measures Fastify alone (bare-http.ts), which returns the same bytes from memory, and with BEFORE another
 * build. They run alternately; the medians are printed, and the median of the ratios per round. The CPU time is that of
 * the event loop and of the whole server process (Linux only). A round reads all messages in turn, and all pages from the
 * newest to the oldest. Of a mailbox of more than 10,000 messages, 1,000 are delivered, and the others are copies of
 * their rows with the same contents, which are written into the database of the running server (SQLite only).
 */
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { loadHttp } from './http-load.ts'
import { createMailPool } from './mail-pool.ts'
import { multiplyMessages } from './multiply-messages.ts'
import { atLeast, report } from './report.ts'
import { type BenchServer, cpuMs, eventLoopMs, KEY, startBenchServer } from './server.ts'
import { Session } from './smtp-load.ts'

const MAILBOXES = (process.env.MAILBOXES ?? '1000,10000').split(',').map(Number)
const CASES = process.env.CASES?.split(',') ?? ['message', 'list of 50', 'threads']
const ROUNDS = Number(process.env.ROUNDS ?? 5)
const ROUND_MS = Number(process.env.ROUND_MS ?? 3_000)
/** Per second and process. */
const GOALS: Readonly<Record<string, number>> = { message: 5_000, 'list of 50': 1_500 }
const CONNECTIONS = Number(process.env.CONNECTIONS ?? 10)
const SESSIONS = 20
/** Messages of a mailbox that are read. */
const READ_MAX = 2_000
const WARM_UP_MS = 3_000
/** From here on, COPIED messages are delivered and the others are copies. */
const DELIVERED_MAX = 10_000
const COPIED = 1_000

const headers = { authorization: `Bearer ${KEY}` }

interface Target {
  readonly name: string
  readonly url: string
  readonly pid: number
  readonly pathsOf: Record<string, readonly string[]>
}

interface Measured {
  readonly perSecond: number
  /** CPU time per request, in microseconds. */
  readonly eventLoopUs: number
  readonly allUs: number
}

const servers: { name: string; server: BenchServer }[] = []
if (process.env.BEFORE) servers.push({ name: 'before', server: await startBenchServer({}, [], process.env.BEFORE) })
servers.push({ name: 'now', server: await startBenchServer() })
const folder = mkdtempSync('.bench-bodies-')
try {
  for (const count of MAILBOXES) await measure(count)
} finally {
  for (const { server } of servers) await server.stop()
  rmSync(folder, { recursive: true })
}

async function measure(messages: number): Promise<void> {
  const targets: Target[] = []
  for (const { name, server } of servers) {
    const inbox = await fill(server, messages)
    targets.push({ name, url: server.url, pid: server.pid, pathsOf: await listPaths(server, inbox) })
  }
  const [{ url, pathsOf }] = targets as [Target]
  const files = await Promise.all(
    CASES.map(async (each, index) => {
      const file = `${folder}/${index}`
      writeFileSync(file, await (await fetch(`${url}${pathsOf[each]![0]}`, { headers })).text())
      return file
    }),
  )
  const bare = await startBare(files)
  targets.push({ name: 'Fastify alone', ...bare })
  try {
    for (const each of CASES) {
      const measured = targets.map((): Measured[] => [])
      for (const target of targets) await run(target, each, WARM_UP_MS)
      for (let round = 0; round < ROUNDS; round += 1) {
        for (const [index, target] of targets.entries()) measured[index]!.push(await run(target, each, ROUND_MS))
      }
      const [now, alone] = [measured.at(-2)!, measured.at(-1)!]
      report({
        what: `${each}, mailbox of ${messages}`,
        measured: describe(now),
        beside: `Fastify alone ${describe(alone)}`,
        ratio: ratioOf(now, alone, 'perSecond').median,
        ...atLeast(median(now.map(({ perSecond }) => perSecond)), GOALS[each], '/s'),
      })
      if (targets.length === 2) continue
      const { median: ratio, range } = ratioOf(now, measured[0]!, 'eventLoopUs')
      report({
        what: `${each}: event loop, now and before (${range})`,
        measured: describe(now),
        beside: describe(measured[0]!),
        ratio,
      })
    }
  } finally {
    bare.stop()
  }
}

async function run({ url, pid, pathsOf }: Target, name: string, durationMs: number): Promise<Measured> {
  const paths = pathsOf[name]!
  let next = 0
  const before = { eventLoop: eventLoopMs(pid), all: cpuMs(pid) }
  const path = () => paths[next++ % paths.length]!
  const { count, perSecond } = await loadHttp({ url, path, headers, connections: CONNECTIONS, durationMs })
  const usOf = (ms: number) => (ms / count) * 1_000
  return {
    perSecond,
    eventLoopUs: usOf(eventLoopMs(pid) - before.eventLoop),
    allUs: usOf(cpuMs(pid) - before.all),
  }
}

/** Fills an inbox over SMTP. @returns its path */
async function fill(server: BenchServer, count: number): Promise<string> {
  const { smtpPort, request } = server
  await request('POST', '/inboxes', { username: `box-${count}` })
  const to = `box-${count}@mail.localhost`
  const nextMail = createMailPool()
  const delivered = count > DELIVERED_MAX ? COPIED : count
  let left = delivered
  await Promise.all(
    Array.from({ length: SESSIONS }, async () => {
      const session = await Session.open(smtpPort)
      while (left-- > 0) await session.deliver('ann@example.test', to, nextMail(to))
      await session.quit()
    }),
  )
  if (count > delivered) {
    multiplyMessages(server, to, count)
    await delay(100) // fetch must notice that the server has closed its idle connection meanwhile
  }
  return `/v0/inboxes/${to}`
}

interface ListedPage {
  readonly next_page_token?: string
  readonly messages: readonly { readonly message_id: string }[]
}

async function listPaths({ url }: BenchServer, inbox: string): Promise<Target['pathsOf']> {
  const messages: string[] = []
  const pages: string[] = []
  for (let token: string | undefined = ''; token !== undefined; ) {
    const page = `${inbox}/messages?limit=50${token && `&page_token=${token}`}`
    const listed = (await (await fetch(`${url}${page}`, { headers })).json()) as ListedPage
    if (listed.messages.length === 50) pages.push(page)
    for (const { message_id } of listed.messages) messages.push(`${inbox}/messages/${encodeURIComponent(message_id)}`)
    token = messages.length < READ_MAX ? listed.next_page_token : undefined
  }
  return { message: messages, 'list of 50': pages, threads: [`${inbox}/threads?limit=50`], key: ['/v0/auth/me'] }
}

async function startBare(files: readonly string[]): Promise<Omit<Target, 'name'> & { stop(): void }> {
  const script = fileURLToPath(new URL('bare-http.js', import.meta.url))
  const child = spawn(process.execPath, [script, ...files], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = await new Promise<[string]>((resolve) =>
    createInterface({ input: child.stdout! }).once('line', (...lines: [string]) => resolve(lines)),
  )
  return {
    url: (JSON.parse(line) as { url: string }).url,
    pid: child.pid!,
    pathsOf: Object.fromEntries(CASES.map((each, index) => [each, [`/${index}`]])),
    stop: () => void child.kill(),
  }
}

function describe(all: readonly Measured[]): string {
  const of = (member: keyof Measured) => median(all.map((each) => each[member])).toFixed(0)
  return `${of('perSecond')}/s, ${of('eventLoopUs')} us of the event loop, ${of('allUs')} us of all threads`
}

/** Of the ratios of the rounds. */
function ratioOf(one: readonly Measured[], other: readonly Measured[], member: keyof Measured) {
  const ratios = one.map((each, index) => each[member] / other[index]![member])
  const range = `${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)}`
  return { median: median(ratios), range }
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!
}
