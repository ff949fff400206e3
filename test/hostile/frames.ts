/** WebSocket attacks: floods, frames that are malformed or never end, and clients that never read. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { WebSocket } from 'ws'
import { type Random, seededRandom } from '../formats/random.ts'
import { ATTACKERS, type Attack, fill, scale, type Target } from './attack.ts'
import { exchange, type Piece } from './http-peer.ts'

export function frameAttacks(random: Random): Attack[] {
  return [...frameFloods(random), ...rawFrames(), ...handshakes()]
}

type Play = (socket: WebSocket) => void

/** A socket without a frame for this time has got all its answers. */
const QUIET_MS = 200

/** Frames that are valid, and so reach the database. */
export function frameFloods(random: Random): Attack[] {
  const ids = (count: number) => Array.from({ length: count }, (_, i) => `inbox${i}@mail.localhost`)
  const subscribe = (more: object = {}) => JSON.stringify({ type: 'subscribe', ...more })
  const seed = random.below(2 ** 31)
  const floods: Record<string, Play> = {
    'subscribes without a pause': (socket) => repeat(scale.flood, () => socket.send(subscribe())),
    'subscribes of a thousand ids': (socket) =>
      repeat(scale.flood / 100, () => socket.send(subscribe({ inbox_ids: ids(1_000) }))),
    'a subscribe of the same id a thousand times': (socket) =>
      repeat(scale.flood / 100, () =>
        socket.send(subscribe({ inbox_ids: Array(1_000).fill('victim@mail.localhost') })),
      ),
    'a subscribe of too many ids': (socket) => socket.send(subscribe({ pod_ids: ids(3_000) })),
    'subscribes from the beginning': (socket) =>
      repeat(scale.flood / 20, () => socket.send(subscribe({ after: 'earliest' }))),
    'subscribes of random values': (socket) => {
      const values = seededRandom(seed)
      repeat(scale.fuzzed, () => socket.send(JSON.stringify(randomFrame(values))))
    },
    'unknown types': (socket) => repeat(scale.flood / 4, (i) => socket.send(`{"type":"t${i}"}`)),
    'texts that are no JSON': (socket) => repeat(scale.flood / 4, () => socket.send('{"type":')),
    'empty frames': (socket) => repeat(scale.flood, () => socket.send('')),
    'binary frames': (socket) => repeat(scale.flood / 4, () => socket.send(randomBytes(100))),
    'lists in lists': (socket) => socket.send(fill('[', 60_000)),
    'a frame of 60 KB': (socket) => socket.send(subscribe({ after: fill('x', 60_000) })),
    'a frame that is too large': (socket) => socket.send(fill('x', scale.largeBytes)),
    'fragments without an end': (socket) =>
      repeat(scale.flood, (i) => socket.send('x', { fin: false, ...(i === 0 && { binary: false }) })),
    'empty fragments without an end': (socket) => repeat(scale.flood, () => socket.send('', { fin: false })),
    'pings without a pause': (socket) => repeat(scale.flood, () => socket.ping(fill('p', 125))),
    'pongs that nobody asked for': (socket) => repeat(scale.flood, () => socket.pong()),
  }
  const played = Object.entries(floods).map(([name, play]) => ({
    name: `frames: ${name}`,
    run: (target: Target) => withSocket(target, play),
  }))
  const connections = {
    name: 'frames: sockets that are opened and cut',
    async run(target: Target) {
      for (let count = 0; count < scale.held; count++) {
        const socket = open(target, target.rootKey)
        if (count % 2 === 0) await once(socket, 'open').catch(() => undefined) // it may be refused
        socket.terminate()
      }
      return 'socket cut'
    },
  }
  return [...played, connections]
}

function repeat(count: number, act: (index: number) => void): void {
  for (let index = 0; index < count; index++) act(index)
}

function randomFrame(random: Random): object {
  const values: unknown[] = [null, 0, true, '', 'x', [], [null], ['x', 'x'], [['x']], {}, 'latest', 'A'.repeat(500)]
  const names = ['type', 'event_types', 'inbox_ids', 'pod_ids', 'after', '__proto__', 'constructor', 'length']
  const members = Array.from({ length: random.below(6) }, () => [random.pick(names), random.pick(values)] as const)
  return { type: 'subscribe', ...Object.fromEntries(members) }
}

/** Opens a socket of an attacker. */
export function open({ httpPort }: Target, key: string, localAddress = ATTACKERS[0]!): WebSocket {
  const socket = new WebSocket(`ws://127.0.0.1:${httpPort}/v0`, {
    headers: { authorization: `Bearer ${key}` },
    localAddress,
  })
  return socket.on('error', () => undefined) // "close" follows
}

/** Runs an attack on a new socket, and checks every frame until the server has handled it or closed the socket. */
async function withSocket(target: Target, play: Play): Promise<string> {
  const socket = open(target, target.rootKey)
  const faults: string[] = []
  let frames = 0
  socket.on('message', (data) => {
    frames += 1
    const fault = faultOf(String(data))
    if (fault !== undefined) faults.push(fault)
  })
  const closed = new Promise<string>((resolve) => socket.on('close', (code) => resolve(`socket closed with ${code}`)))
  const quiet = async () => {
    for (let before = -1; before !== frames; await delay(QUIET_MS)) before = frames
    return frames === 0 ? 'socket silent' : 'socket answered'
  }
  await Promise.race([once(socket, 'open').catch(() => undefined), closed])
  if (socket.readyState === WebSocket.OPEN) play(socket)
  const wait = delay(scale.answerTimeoutMs, 'silent', { ref: false })
  const ending = await Promise.race([closed, wait, answeredPing(socket).then(quiet)])
  socket.terminate()
  if (faults.length > 0) throw new Error(faults[0]!)
  if (ending === 'silent') throw new Error(`a ping was not answered within ${scale.answerTimeoutMs} ms`)
  return ending
}

/**
 * Resolves when the server has handled everything that was sent before this call. It pings again, because the server refuses a ping above
 * the rate of frames: after a flood that it handles so slowly that it does not close the socket, for example.
 */
async function answeredPing(socket: WebSocket): Promise<void> {
  const last = 'the last one'
  const pong = new Promise<void>((resolve) => {
    socket.on('pong', (data) => {
      if (String(data) === last) resolve()
    })
  })
  const ping = () => {
    if (socket.readyState === WebSocket.OPEN) socket.ping(last)
  }
  ping()
  const timer = setInterval(ping, 1_000)
  socket.once('close', () => clearInterval(timer))
  await pong
  clearInterval(timer)
}

/** @returns what is wrong with a frame from the server */
function faultOf(text: string): string | undefined {
  let frame: { type?: unknown; code?: unknown; message?: unknown }
  try {
    frame = JSON.parse(text)
  } catch {
    return `a frame that is not JSON: ${text.slice(0, 200)}`
  }
  if (!['subscribed', 'event', 'error'].includes(frame.type as string)) return `an unknown frame: ${text.slice(0, 200)}`
  if (frame.type !== 'error') return undefined
  const isWhole = typeof frame.code === 'string' && typeof frame.message === 'string' && frame.code !== 'internal_error'
  return isWhole ? undefined : `an error frame: ${text.slice(0, 200)}`
}

/** Frames that no library sends, each after a handshake. */
function rawFrames(): Attack[] {
  const frames: Record<string, Piece[]> = {
    'no mask': [Buffer.from('8102', 'hex'), '{}'],
    'reserved bits': [Buffer.from('f18000000000', 'hex')],
    'a reserved opcode': [Buffer.from('838000000000', 'hex')],
    'a ping that is too long': [Buffer.from('89fe007e00000000', 'hex'), Buffer.alloc(126)],
    'a ping in fragments': [Buffer.from('098000000000', 'hex')],
    'a continuation of nothing': [Buffer.from('808000000000', 'hex')],
    'a text in the middle of another': [Buffer.from('018000000000818000000000', 'hex')],
    'a length of 2^63': [Buffer.from('81ffffffffffffffffff00000000', 'hex')],
    'a length that is longer than needed': [Buffer.from('81ff000000000000000200000000', 'hex'), '{}'],
    'text that is not UTF-8': [Buffer.from('818400000000', 'hex'), Buffer.from('eda080ff', 'hex')],
    'a close with a code of one byte': [Buffer.from('88810000000001', 'hex')],
    'a close with an invalid code': [Buffer.from('88820000000003e7', 'hex')],
    'frames behind a close': [Buffer.from('888000000000818000000000', 'hex')],
    'half a header': [Buffer.from('81', 'hex'), 300],
    'half a frame': [Buffer.from('81fe400000000000', 'hex'), 'x', 300],
    'bytes at random': [randomBytes(10_000)],
  }
  return Object.entries(frames).map(([name, pieces]) => ({
    name: `raw frame: ${name}`,
    run: (target) => exchange(target, [handshake(target), 20, ...pieces], { answers: 2, silentMs: 1_000 }),
  }))
}

function handshakes(): Attack[] {
  const fields: Record<string, { more?: string[]; without?: string; query?: string }> = {
    'without a key': { without: 'Sec-WebSocket-Key' },
    'without a version': { without: 'Sec-WebSocket-Version' },
    'of another version': { without: 'Sec-WebSocket-Version', more: ['Sec-WebSocket-Version: 99'] },
    'with many protocols': { more: [`Sec-WebSocket-Protocol: ${fill('p,', 8_000)}q`] },
    'with many extensions': { more: [`Sec-WebSocket-Extensions: ${fill('permessage-deflate,', 8_000)}x`] },
    'with a long query': { query: `?${fill('api_key=x&', 8_000)}` },
    'with an unknown key': { without: 'Authorization', query: '?api_key=am_unknown' },
    'without anything': { without: 'Authorization' },
  }
  return Object.entries(fields).map(([name, { more, without, query }]) => ({
    name: `handshake ${name}`,
    run: (target) => exchange(target, [handshake(target, { more, without, query })]),
  }))
}

function handshake(
  { rootKey }: Target,
  {
    more = [],
    without,
    query = '',
  }: { more?: string[] | undefined; without?: string | undefined; query?: string | undefined } = {},
): Buffer {
  const fields = [
    ...['Host: x', 'Connection: Upgrade', 'Upgrade: websocket', `Authorization: Bearer ${rootKey}`],
    ...[`Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`, 'Sec-WebSocket-Version: 13'],
  ].filter((field) => without === undefined || !field.startsWith(`${without}:`))
  return Buffer.from(`GET /v0${query} HTTP/1.1\r\n${[...fields, ...more].join('\r\n')}\r\n\r\n`)
}
