/**
 * Sends the hostile corpus to a separate server process with a small heap: every input by shape and size, many at once,
 * while honest peers send mail and use the API. The server must keep running with bounded memory and answer each input
 * with a usable error, and the honest peers must lose nothing.
 *
 * Takes a few seconds here; `npm run test:hostile` uses large sizes and several rounds. TEST_SEED=n repeats the inputs
 * of a round.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { type Random, seededRandom } from '../formats/random.ts'
import { IMAP_ON } from '../imap/martlet-under-test.ts'
import { amount } from '../support/amount.ts'
import { MAIL_PROGRAMS_OFF } from '../support/free-port.ts'
import { ROOT_KEY } from '../support/root-key.ts'
import { OPTIMIZED, type ServerProcess, startServer } from '../support/server-process.ts'
import { createTestDatabase, databaseName } from '../support/test-database.ts'
import { type Attack, MIB, runAttacks, scale, type Target } from './attack.ts'
import { frameAttacks, frameFloods } from './frames.ts'
import { HonestPeers, percentile, startProbe } from './honest-peers.ts'
import { httpAttacks, httpDatabaseAttacks } from './http-attacks.ts'
import { imapAttacks } from './imap-attacks.ts'
import { mailAttacks, smtpAttacks } from './smtp-attacks.ts'
import { SmtpPeer } from './smtp-peer.ts'
import { squat } from './squatters.ts'

const HEAP_MIB = 512
/** The heap, and memory outside it: bodies, messages and unsent events, SQLite, and the code itself. */
const RSS_BYTES_MAX = 1_024 * MIB
const READY_P99_MS = 250
/** The number of simultaneous attacks. */
const CONCURRENCY = 12
/** Messages with large events, for subscribers that never read, and the address that sends them. */
const LOUD_MESSAGES = amount({ short: 5, long: 30 })
const LOUD = '127.0.0.98'

const firstSeed = Number(process.env.TEST_SEED ?? 1)
const seeds = Array.from({ length: scale.rounds }, (_, index) => firstSeed + index)

test.each(seeds)(
  'nothing in the hostile corpus stops the server or blocks honest peers (seed %d)',
  {
    timeout: amount({ short: 120_000, long: 1_800_000 }),
  },
  async (seed) => {
    const { server, target } = await startTarget()
    const isAlive = () => server.exitCode() === undefined
    const memory = watchMemory(server, target)
    const probe = startProbe(target)
    const honest = new HonestPeers(target, 'honest@mail.localhost')
    const squatters = await squat(target)
    const random = seededRandom(seed)
    const attacks = shuffled(attacksOf(random, seed), seed)

    const [{ endings, faults }] = await Promise.all([
      runAttacks(attacks, target, { concurrency: CONCURRENCY, isAlive }),
      loudMessages(target),
    ])
    const held = squatters.open()
    squatters.leave()
    const refusal = await honest.stop().then(
      () => undefined,
      (error: Error) => error.message,
    )
    const ready = await probe.stop()
    const rssBytes = await memory.stop()

    report({ seed, attacks: attacks.length, endings, held, honest, ready, rssBytes })
    const found = {
      ...{ isAlive: isAlive(), refusal, faults: beginning(faults) },
      ...{ notReady: beginning(ready.failures), log: beginning(failuresIn(server)) },
    }
    const nothing = { isAlive: true, refusal: undefined, faults: [], notReady: [], log: [] }
    expect(found, `seed ${seed}`).toEqual(nothing)
    expect(rssBytes, `seed ${seed}: peak memory`).toBeLessThan(RSS_BYTES_MAX)
    await expectAllArrived(target, honest)
    await expectReadable(target)
    if (process.env.TEST_LONG) expect(percentile(ready.answeredMs, 0.99)).toBeLessThanOrEqual(READY_P99_MS)
  },
)

/**
 * On PostgreSQL, only what reaches the database: the rest cannot tell the difference. A short run there takes a third of it,
 * another one for each seed.
 */
function attacksOf(random: Random, seed: number): Attack[] {
  if (databaseName() === 'sqlite') {
    return [...httpAttacks(random), ...frameAttacks(random), ...smtpAttacks(random), ...imapAttacks()]
  }
  const attacks = [...httpDatabaseAttacks(random), ...frameFloods(random), ...mailAttacks(random), ...imapAttacks()]
  const share = amount({ short: 3, long: 1 })
  return attacks.filter((_, index) => (index + seed) % share === 0)
}

/** Starts a server with a small heap. Creates the attackers' keys, one inbox for them and one for the honest peers. */
async function startTarget(): Promise<{ server: ServerProcess; target: Target }> {
  const dataDir = await mkdtemp(join(tmpdir(), 'martlet-test-'))
  const database = await createTestDatabase('started', dataDir)
  const env = {
    ...{ MARTLET_DATA_DIR: dataDir, MARTLET_DATABASE_URL: database.url ?? '' },
    ...{ MARTLET_HTTP_PORT: '0', MARTLET_SMTP_PORT: '0', ...MAIL_PROGRAMS_OFF, ...IMAP_ON },
    ...{ MARTLET_ROOT_KEY: ROOT_KEY, MARTLET_ALLOW_PRIVATE_NETWORKS: 'false' },
    MARTLET_KEY_REQUESTS: 'off', // every attack shall reach what it attacks
  }
  const server = await startServer(env, undefined, [OPTIMIZED, `--max-old-space-size=${HEAP_MIB}`])
  onTestFinished(async () => {
    server.signal('SIGKILL')
    await server.exited
    await database[Symbol.asyncDispose]()
    await rm(dataDir, { recursive: true, force: true })
  })
  const { url, smtpPort } = server
  const make = async (path: string, body: object) => {
    const headers = { authorization: `Bearer ${ROOT_KEY}`, 'content-type': 'application/json' }
    const answer = await fetch(`${url}${path}`, { method: 'POST', headers, body: JSON.stringify(body) })
    expect(answer.status).toBe(200)
    return (await answer.json()) as Record<string, string>
  }
  await make('/v0/inboxes', { username: 'honest' })
  const { inbox_id: victim } = await make('/v0/inboxes', { username: 'victim' })
  const { api_key: inboxKey } = await make(`/v0/inboxes/${victim}/api-keys`, {})
  const { password: appPassword } = await make(`/v0/inboxes/${victim}/app-passwords`, {})
  const { api_key: powerlessKey } = await make('/v0/api-keys', { permissions: {} })
  const { imapPort, imapsPort } = server.lines.find(({ msg }) => msg === 'ready')!
  const target = {
    ...{ url, httpPort: Number(new URL(url).port), smtpPort, rootKey: ROOT_KEY },
    ...{ imapPorts: { plain: imapPort as number, tls: imapsPort as number }, appPassword: appPassword! },
    ...{ inboxKey: inboxKey!, powerlessKey: powerlessKey!, victim: victim!, messageId: '<1@example.test>' },
  }
  const peer = await SmtpPeer.inData(target, target.victim)
  expect(await peer.command('Message-ID: <1@example.test>\r\n\r\nhello\r\n.')).toMatch(/^250 /)
  peer.leave()
  return { server, target }
}

/** Sends messages whose events have 100 KB each. */
async function loudMessages(target: Target): Promise<void> {
  for (let count = 0; count < LOUD_MESSAGES; count++) {
    const peer = await SmtpPeer.inData(target, target.victim, LOUD)
    await peer.send(`Subject: loud ${count}\r\n\r\n${'loud '.repeat(20_000)}\r\n.\r\n`)
    await peer.reply()
    peer.leave()
  }
}

function shuffled(attacks: readonly Attack[], seed: number): Attack[] {
  const random = seededRandom(seed)
  return attacks
    .map((attack) => ({ attack, place: random.below(2 ** 31) }))
    .sort((a, b) => a.place - b.place)
    .map(({ attack }) => attack)
}

/** Returns log lines that no input may cause, and what the process wrote outside its log. */
function failuresIn(server: ServerProcess): string[] {
  const bad = server.lines.filter(({ level, msg, err }) => {
    const type = (err as { type?: string } | undefined)?.type ?? ''
    const isBug = /^(?:TypeError|RangeError|ReferenceError|SyntaxError|AssertionError)$/.test(type)
    return level === 'fatal' || level === 'error' || isBug || /unhandled|uncaught/i.test(String(msg))
  })
  return [
    ...bad.map((line) => JSON.stringify(line).slice(0, 1_000)),
    ...server.errors.map((text) => text.slice(0, 1_000)),
  ]
}

/** Returns only the first few, so that the output of a failure is readable. */
function beginning(texts: readonly string[]): string[] {
  const different = [...new Set(texts)]
  return different.length > 20 ? [...different.slice(0, 20), `and ${different.length - 20} more`] : different
}

/** Watches the memory of the process. `stop` returns the peak. */
function watchMemory(server: ServerProcess, target: Target): { stop(): Promise<number> } {
  let peakBytes = 0
  const check = async () => {
    peakBytes = Math.max(peakBytes, await rss(server, target).catch(() => 0))
  }
  const timer = setInterval(check, 500)
  return {
    async stop() {
      clearInterval(timer)
      await check()
      return peakBytes
    },
  }
}

/** @returns the peak, if the system reports it (Linux) */
async function rss({ pid }: ServerProcess, { url }: Target): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => undefined)
  if (status !== undefined) return Number(/^VmHWM:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1_024
  const metrics = await (await fetch(`${url}/metrics`)).text()
  return Number(/^martlet_process_resident_memory_bytes (\S+)/m.exec(metrics)?.[1] ?? 0)
}

async function expectAllArrived({ url, rootKey }: Target, { sent, requests }: HonestPeers): Promise<void> {
  expect(sent.length).toBeGreaterThan(0)
  expect(requests).toBeGreaterThan(0)
  const subjects = (await allMessages(url, rootKey, 'honest@mail.localhost')).map(({ subject }) => subject)
  expect(subjects.sort()).toEqual([...sent].sort())
}

/** Lists and reads all that was accepted from attackers. */
async function expectReadable({ url, rootKey, victim }: Target): Promise<void> {
  const headers = { authorization: `Bearer ${rootKey}` }
  const unreadable: string[] = []
  for (const { message_id } of await allMessages(url, rootKey, victim)) {
    const path = `/v0/inboxes/${victim}/messages/${encodeURIComponent(message_id)}`
    for (const each of [path, `${path}/raw`]) {
      const answer = await fetch(`${url}${each}`, { headers })
      await answer.arrayBuffer()
      if (answer.status !== 200) unreadable.push(`${answer.status} ${each}`)
    }
  }
  expect(unreadable).toEqual([])
}

async function allMessages(
  url: string,
  key: string,
  inbox: string,
): Promise<{ message_id: string; subject?: string }[]> {
  const messages: { message_id: string; subject?: string }[] = []
  let token = ''
  do {
    const query = `limit=100&include_spam=true&include_trash=true&include_blocked=true&include_unauthenticated=true${token}`
    const answer = await fetch(`${url}/v0/inboxes/${inbox}/messages?${query}`, {
      headers: { authorization: `Bearer ${key}` },
    })
    const page = (await answer.json()) as { messages: typeof messages; next_page_token?: string }
    messages.push(...page.messages)
    token = page.next_page_token === undefined ? '' : `&page_token=${encodeURIComponent(page.next_page_token)}`
  } while (token !== '')
  return messages
}

interface Report {
  readonly seed: number
  readonly attacks: number
  readonly endings: ReadonlyMap<string, number>
  readonly held: number
  readonly honest: HonestPeers
  readonly ready: Awaited<ReturnType<ReturnType<typeof startProbe>['stop']>>
  readonly rssBytes: number
}

function report({ seed, attacks, endings, held, honest, ready, rssBytes }: Report): void {
  if (!process.env.TEST_LONG && !process.env.TEST_SEED) return
  const ms = (share: number) => `${percentile(ready.answeredMs, share).toFixed(0)} ms`
  console.log(
    [
      `Hostile corpus, seed ${seed}: ${attacks} attacks`,
      `  /readyz     ${ready.answeredMs.length} answers; p50 ${ms(0.5)}, p99 ${ms(0.99)}, longest ${ms(1)}`,
      `  memory      ${(rssBytes / MIB).toFixed(0)} MiB at most`,
      `  honest      ${honest.sent.length} messages, ${honest.requests} requests, ${honest.retries} tried again`,
      `  squatters   ${held} connections still open at the end`,
      ...[...endings]
        .sort((a, b) => b[1] - a[1])
        .map(([ending, count]) => `  ${String(count).padStart(9)}   ${ending}`),
    ].join('\n'),
  )
}
