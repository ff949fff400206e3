/**
 * How much memory do idle WebSocket subscribers need, and how long does it take until one message has reached all of
 * them?
 *
 *   npm run bench -- sockets          SOCKETS=10000; each end needs as many open files (ulimit -n)
 *
 * The same run measures `ws` alone (bare-sockets.ts) with as many sockets and a frame of the same size: the cost that
 * remains when nothing is checked, filtered or read. Memory is what the system reports for the process (VmRSS).
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { WebSocket } from 'ws'
import { atMost, report } from './report.ts'
import { KEY, startBenchServer } from './server.ts'
import { Session, sampleMail } from './smtp-load.ts'

const SOCKETS = Number(process.env.SOCKETS ?? 10_000)
const ROUNDS = Number(process.env.ROUNDS ?? 5)
/** A key has no more than limits.sockets.perKeyMax. */
const SOCKETS_PER_KEY = 1_000
/** The number of handshakes at a time. */
const OPENING = 100
/** Time for the garbage collector to free what was allocated during set-up. */
const SETTLE_MS = 5_000

interface Measured {
  /** Bytes per socket. */
  readonly memory: number
  /** Time from the send to the first, the middle and the last socket's frame; median of the rounds, in ms. */
  readonly first: number
  readonly middle: number
  readonly last: number
  readonly frameBytes: number
}

const ours = await measureMartlet()
const bare = await measureBare(ours.frameBytes)
report({
  what: `memory of an idle WebSocket, ${SOCKETS} of them`,
  measured: kib(ours.memory),
  beside: `ws alone ${kib(bare.memory)}`,
  ratio: ours.memory / bare.memory,
  ...atMost(ours.memory / 1_024, 20, ' KiB'),
})
report({
  what: `a message to ${SOCKETS} WebSockets, a frame of ${ours.frameBytes} bytes each, until the last one`,
  measured: times(ours),
  beside: `ws alone ${times(bare)}`,
  ratio: ours.last / bare.last,
})

async function measureMartlet(): Promise<Measured> {
  const server = await startBenchServer({}, ['--max-semi-space-size=16'])
  try {
    await server.request('POST', '/inboxes', { username: 'load' })
    const session = await Session.open(server.smtpPort)
    const send = async () => {
      await session.deliver('ann@example.test', 'load@mail.localhost', sampleMail(crypto.randomUUID()))
    }
    await send() // the first message loads and compiles code
    const keys: string[] = []
    while (keys.length * SOCKETS_PER_KEY < SOCKETS) {
      keys.push(String((await server.request('POST', '/api-keys', { name: `${keys.length}` })).api_key))
    }
    const measured = await measure({
      url: server.url,
      pid: server.pid,
      keys,
      send,
      greet: (socket) => socket.send('{"type":"subscribe"}'),
    })
    await session.quit()
    return measured
  } finally {
    await server.stop()
  }
}

async function measureBare(frameBytes: number): Promise<Measured> {
  const path = fileURLToPath(new URL('./bare-sockets.js', import.meta.url))
  const child = spawn(process.execPath, ['--max-semi-space-size=16', path], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  const { url } = JSON.parse(line) as { url: string }
  const sockets: WebSocket[] = []
  const text = 'x'.repeat(frameBytes)
  const measured = await measure({
    url,
    pid: child.pid!,
    keys: [KEY],
    greet: (socket) => {
      sockets.push(socket)
      if (sockets.length === 1) socket.send('hello')
      else socket.emit('message', Buffer.alloc(0)) // the bare server sends no answer, so report the socket as ready
    },
    send: async () => sockets[0]!.send(text),
  })
  child.kill('SIGTERM')
  await once(child, 'exit')
  return measured
}

interface Subject {
  readonly url: string
  readonly pid: number
  /** Used in turn. */
  readonly keys: readonly string[]
  /** Called when a socket is open; the first frame that arrives marks it as ready. */
  readonly greet: (socket: WebSocket) => void
  readonly send: () => Promise<void>
}

async function measure({ url, pid, keys, greet, send }: Subject): Promise<Measured> {
  await delay(SETTLE_MS)
  const before = residentBytes(pid)
  const sockets: WebSocket[] = []
  while (sockets.length < SOCKETS) {
    const opening = Array.from({ length: Math.min(OPENING, SOCKETS - sockets.length) }, (_, index) =>
      open(url, keys[(sockets.length + index) % keys.length]!, greet),
    )
    sockets.push(...(await Promise.all(opening)))
  }
  await delay(SETTLE_MS)
  const memory = (residentBytes(pid) - before) / SOCKETS

  let frameBytes = 0
  const rounds: number[][] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    const heard = Promise.all(
      sockets.map(async (socket) => {
        const [data] = (await once(socket, 'message')) as [Buffer]
        frameBytes = data.byteLength
        return performance.now()
      }),
    )
    await send()
    const sentAt = performance.now()
    rounds.push((await heard).map((at) => at - sentAt).sort((a, b) => a - b))
  }
  for (const socket of sockets) socket.terminate()
  const median = (values: number[]) => values.sort((a, b) => a - b)[Math.floor(values.length / 2)]!
  return {
    memory,
    frameBytes,
    first: median(rounds.map((times) => times[0]!)),
    middle: median(rounds.map((times) => times[Math.floor(times.length / 2)]!)),
    last: median(rounds.map((times) => times.at(-1)!)),
  }
}

async function open(url: string, key: string, greet: Subject['greet']): Promise<WebSocket> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/v0`, {
    headers: { authorization: `Bearer ${key}` },
    perMessageDeflate: false,
  })
  await once(socket, 'open')
  const ready = once(socket, 'message')
  greet(socket)
  await ready
  return socket
}

function residentBytes(pid: number): number {
  const [, kib] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))!
  return Number(kib) * 1_024
}

function kib(bytes: number): string {
  return `${(bytes / 1_024).toFixed(1)} KiB`
}

function times({ first, middle, last }: Measured): string {
  return `first ${first.toFixed(1)} ms, middle ${middle.toFixed(1)} ms, last ${last.toFixed(1)} ms`
}
