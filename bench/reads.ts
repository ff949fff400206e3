/**
 * How many messages, and how many pages of 50 messages, does one process return per second, and how much CPU time does
 * each take?
 *
 *   npm run bench -- reads            # mailboxes of 1,000 and 10,000 messages; MAILBOXES=1000,100000
 *
 * The same run measures Fastify alone (bare-http.ts), which returns the same bytes from memory. The two run
 * alternately; the medians are printed. The CPU time is that of the whole server process (Linux only). A round reads
 * all messages in turn, and all pages from the newest to the oldest.
 */
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { loadHttp } from './http-load.ts'
import { type BenchServer, cpuMs, KEY, startBenchServer } from './server.ts'
import { Session, sampleMail } from './smtp-load.ts'

const MAILBOXES = (process.env.MAILBOXES ?? '1000,10000').split(',').map(Number)
const ROUNDS = Number(process.env.ROUNDS ?? 5)
const ROUND_MS = Number(process.env.ROUND_MS ?? 3_000)
const CONNECTIONS = Number(process.env.CONNECTIONS ?? 10)
const SESSIONS = 20
/** Messages of a mailbox that are read. */
const READ_MAX = 2_000

const headers = { authorization: `Bearer ${KEY}` }

interface Target {
  readonly url: string
  readonly pid: number
  readonly paths: readonly string[]
}

interface Measured {
  readonly perSecond: number
  readonly cpuUs: number
}

const server = await startBenchServer()
const folder = mkdtempSync('.bench-bodies-')
try {
  for (const count of MAILBOXES) await measure(await fill(server, count), count)
} finally {
  await server.stop()
  rmSync(folder, { recursive: true })
}

async function measure(path: string, count: number): Promise<void> {
  const { messages, pages } = await pathsOf(path)
  const bodies = await Promise.all(
    [messages[0]!, pages[0]!].map(async (each, index) => {
      const file = `${folder}/${index}`
      writeFileSync(file, await (await fetch(`${server.url}${each}`, { headers })).text())
      return file
    }),
  )
  const bare = await startBare(bodies)
  const cases = { message: messages, 'list of 50': pages }
  for (const [index, [name, paths]] of Object.entries(cases).entries()) {
    const ours: Measured[] = []
    const theirs: Measured[] = []
    for (let round = 0; round < ROUNDS + 1; round += 1) {
      ours.push(await run({ ...server, paths }))
      theirs.push(await run({ ...bare, paths: [`/${index}`] }))
    }
    const [our, their] = [medianOf(ours.slice(1)), medianOf(theirs.slice(1))] // the first round warms up
    console.log(
      `${name}, mailbox of ${count}: ${our.perSecond.toFixed(0)}/s, ${our.cpuUs.toFixed(0)} us of CPU time; Fastify alone ${their.perSecond.toFixed(0)}/s, ${their.cpuUs.toFixed(0)} us; ratio ${(our.perSecond / their.perSecond).toFixed(2)}`,
    )
  }
  bare.stop()
}

async function run({ url, pid, paths }: Target): Promise<Measured> {
  let next = 0
  const before = cpuMs(pid)
  const path = () => paths[next++ % paths.length]!
  const { count, perSecond } = await loadHttp({ url, path, headers, connections: CONNECTIONS, durationMs: ROUND_MS })
  return { perSecond, cpuUs: ((cpuMs(pid) - before) / count) * 1_000 }
}

/** Fills an inbox over SMTP. @returns the path of its messages */
async function fill({ smtpPort, request }: BenchServer, count: number): Promise<string> {
  await request('POST', '/inboxes', { username: `box-${count}` })
  let left = count
  await Promise.all(
    Array.from({ length: SESSIONS }, async () => {
      const session = await Session.open(smtpPort)
      while (left-- > 0) {
        const mail = sampleMail(randomUUID(), `Message ${left} of a mailbox`)
        await session.deliver('ann@example.test', `box-${count}@mail.localhost`, mail)
      }
      await session.quit()
    }),
  )
  return `/v0/inboxes/box-${count}@mail.localhost/messages`
}

interface ListedPage {
  readonly next_page_token?: string
  readonly messages: readonly { readonly message_id: string }[]
}

async function pathsOf(path: string): Promise<{ messages: string[]; pages: string[] }> {
  const messages: string[] = []
  const pages: string[] = []
  for (let token: string | undefined = ''; token !== undefined; ) {
    const page = `${path}?limit=50${token && `&page_token=${token}`}`
    const listed = (await (await fetch(`${server.url}${page}`, { headers })).json()) as ListedPage
    if (listed.messages.length === 50) pages.push(page)
    for (const { message_id } of listed.messages) messages.push(`${path}/${encodeURIComponent(message_id)}`)
    token = messages.length < READ_MAX ? listed.next_page_token : undefined
  }
  return { messages, pages }
}

async function startBare(files: readonly string[]) {
  const script = fileURLToPath(new URL('bare-http.js', import.meta.url))
  const child = spawn(process.execPath, [script, ...files], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = await new Promise<[string]>((resolve) =>
    createInterface({ input: child.stdout! }).once('line', (...lines: [string]) => resolve(lines)),
  )
  return { url: (JSON.parse(line) as { url: string }).url, pid: child.pid!, stop: () => void child.kill() }
}

function medianOf(all: readonly Measured[]): Measured {
  const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!
  return { perSecond: median(all.map((each) => each.perSecond)), cpuUs: median(all.map((each) => each.cpuUs)) }
}
