/**
 * Sends one question to DNS servers and returns its records with their time to live, which Node's resolver does not
 * return. Over UDP with EDNS (RFC 6891), each time from a new port and with a random id, so that answers are hard to forge
 * (RFC 5452 §9); over TCP if the answer was truncated (RFC 7766 §5).
 *
 * Answers are not trusted: only records that answer this question count, also through a chain of aliases.
 */
import { randomInt } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { connect } from 'node:net'
import * as packet from 'dns-packet'

export type RecordType = 'A' | 'AAAA' | 'MX' | 'PTR' | 'TXT'

/** Records of one type. */
export interface DnsAnswer {
  /** For MX records "preference exchange"; for TXT records their strings, joined, as latin1. */
  readonly records: readonly string[]
  /** Seconds for which the answer may be cached. */
  readonly ttlSeconds: number
}

/**
 * `code` is as in Node: ENOTFOUND (the name does not exist), ENODATA (it has no such record), EBADNAME (it cannot exist);
 * with the others a later query may succeed: ETIMEOUT, ESERVFAIL, EREFUSED, EBADRESP, ECONNREFUSED.
 */
export class DnsError extends Error {
  override readonly name = 'DnsError'
  readonly code: string
  /** Seconds for which "there is no such record" may be cached (RFC 2308 §5). */
  readonly ttlSeconds: number
  constructor(code: string, question: string, ttlSeconds = 0) {
    super(`${code} ${question}`)
    this.code = code
    this.ttlSeconds = ttlSeconds
  }
}

/** An address and a port. */
export interface DnsServer {
  readonly address: string
  readonly port: number
}

interface AskOptions {
  readonly timeoutMs: number
  /** How often each server is asked. */
  readonly triesMax: number
  /** Aborts when the answer is not needed any more: it fails with ETIMEOUT. */
  readonly ended?: AbortSignal
}

/** RFC 6891 §6.2.5 and the DNS flag day of 2020: fits in one packet everywhere. */
const UDP_BYTES_MAX = 1232
/** RFC 1034 §3.6.2: chains of aliases should be avoided. Longer ones are loops. */
const ALIASES_MAX = 10
const FORMERR = 1
const NXDOMAIN = 3
const NOTIMP = 4
/** Errors of a whole answer (RFC 1035 §4.1.1 RCODE). */
const RCODES: Readonly<Record<number, string>> = {
  [FORMERR]: 'EFORMERR',
  2: 'ESERVFAIL',
  [NOTIMP]: 'ENOTIMP',
  5: 'EREFUSED',
}
const HEADER_BYTES = 12

/**
 * Asks the servers in their order until one answers.
 *
 * @throws DnsError
 */
export async function askServers(
  servers: readonly DnsServer[],
  name: string,
  type: RecordType,
  { timeoutMs, triesMax, ended }: AskOptions,
): Promise<DnsAnswer> {
  const question = `${type} ${name}`
  if (!isAskable(name)) throw new DnsError('EBADNAME', question)
  let failure = new DnsError('ECONNREFUSED', question)
  for (let attempt = 0; attempt < triesMax; attempt += 1) {
    for (const server of servers) {
      try {
        return readAnswer(await ask(server, name, type, { timeoutMs, ended }), name, type)
      } catch (error) {
        failure = error instanceof DnsError ? error : new DnsError('ECONNREFUSED', question)
        if (isNoSuchRecord(failure) || ended?.aborted) throw failure
      }
    }
  }
  throw failure
}

/** Whether DNS has answered that there is no such record. */
export function isNoSuchRecord({ code }: { readonly code?: string }): boolean {
  return code === 'ENOTFOUND' || code === 'ENODATA' || code === 'EBADNAME'
}

/** RFC 1035 §2.3.4. Names with other bytes than ASCII are not asked for: A-labels are. */
function isAskable(name: string): boolean {
  if (name.length === 0 || name.length > 253 || !/^[\x21-\x7e]+$/.test(name)) return false
  return name.split('.').every((label) => label.length > 0 && label.length <= 63)
}

/** RFC 6891 §7: a server that does not know EDNS says so with FORMERR or NOTIMP, and is asked again without it. */
async function ask(
  server: DnsServer,
  name: string,
  type: RecordType,
  tryLimits: TryLimits,
): Promise<packet.DecodedPacket> {
  const answer = await askOnce(server, name, type, { ...tryLimits, isEdns: true })
  return lacksEdns(answer) ? askOnce(server, name, type, { ...tryLimits, isEdns: false }) : answer
}

function lacksEdns(answer: packet.DecodedPacket): boolean {
  return rcodeOf(answer) === FORMERR || rcodeOf(answer) === NOTIMP
}

function rcodeOf(answer: packet.DecodedPacket): number {
  return (answer as { readonly flags?: number }).flags! & 0xf
}

async function askOnce(
  server: DnsServer,
  name: string,
  type: RecordType,
  { isEdns, ...tryLimits }: TryLimits & { readonly isEdns: boolean },
): Promise<packet.DecodedPacket> {
  const id = randomInt(0x1_0000)
  const options = [
    {
      ...{ type: 'OPT', name: '.', udpPayloadSize: UDP_BYTES_MAX, extendedRcode: 0, ednsVersion: 0, flags: 0 },
      options: [],
    },
  ] as unknown as packet.Answer[]
  const query = packet.encode({
    ...{ type: 'query', id, flags: packet.RECURSION_DESIRED, questions: [{ type, name, class: 'IN' }] },
    ...(isEdns && { additionals: options }),
  })
  const isAnswer = (answer: packet.DecodedPacket) => {
    const [asked] = answer.questions ?? []
    const isSame = asked?.type === type && asked.name.toLowerCase() === name.toLowerCase()
    // A server that could not read the query does not repeat its question.
    const isUnread = isEdns && asked === undefined && lacksEdns(answer)
    return answer.id === id && answer.type === 'response' && (isSame || isUnread)
  }
  const answer = await overUdp(server, query, isAnswer, tryLimits, `${type} ${name}`)
  return answer.flag_tc ? overTcp(server, query, isAnswer, tryLimits, `${type} ${name}`) : answer
}

interface TryLimits {
  readonly timeoutMs: number
  readonly ended: AbortSignal | undefined
}

/** Calls `onLate` after the time, or when the answer is not needed any more. @returns ends the wait */
function startWaiting({ timeoutMs, ended }: TryLimits, onLate: () => void): () => void {
  const timer = setTimeout(onLate, timeoutMs)
  ended?.addEventListener('abort', onLate)
  if (ended?.aborted) queueMicrotask(onLate)
  return () => {
    clearTimeout(timer)
    ended?.removeEventListener('abort', onLate)
  }
}

type IsAnswer = (answer: packet.DecodedPacket) => boolean

function overUdp(
  { address, port }: DnsServer,
  query: Buffer,
  isAnswer: IsAnswer,
  tryLimits: TryLimits,
  question: string,
): Promise<packet.DecodedPacket> {
  return new Promise((resolve, reject) => {
    const socket = createSocket(address.includes(':') ? 'udp6' : 'udp4')
    let isEnded = false
    const end = (settle: () => void) => {
      if (isEnded) return // closing a closed socket throws
      isEnded = true
      stopWaiting()
      socket.close()
      settle()
    }
    const stopWaiting = startWaiting(tryLimits, () => end(() => reject(new DnsError('ETIMEOUT', question))))
    socket.on('error', (error) => end(() => reject(error)))
    socket.on('message', (message) => {
      const answer = decode(message)
      if (answer && isAnswer(answer)) end(() => resolve(answer)) // others are forged, or late
    })
    // A connected socket receives from this server alone. Not as a callback of `connect`: Node would call it with the error, and
    // report none, for a server that this machine cannot reach, for example by IPv6.
    socket.once('connect', () => {
      if (!isEnded) socket.send(query)
    })
    socket.connect(port, address)
  })
}

function overTcp(
  { address, port }: DnsServer,
  query: Buffer,
  isAnswer: IsAnswer,
  tryLimits: TryLimits,
  question: string,
): Promise<packet.DecodedPacket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: address, port })
    const end = (settle: () => void) => {
      stopWaiting()
      socket.destroy()
      settle()
    }
    const failed = (code: string) => end(() => reject(new DnsError(code, question)))
    const stopWaiting = startWaiting(tryLimits, () => failed('ETIMEOUT'))
    let received = Buffer.alloc(0)
    socket.once('error', (error) => end(() => reject(error)))
    socket.once('close', () => failed('EBADRESP'))
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk])
      const whole = received.length >= 2 && received.length >= 2 + received.readUInt16BE(0) // RFC 1035 §4.2.2
      if (!whole) return
      const answer = decode(received.subarray(2))
      if (answer && isAnswer(answer)) end(() => resolve(answer))
      else failed('EBADRESP')
    })
    const length = Buffer.alloc(2)
    length.writeUInt16BE(query.length)
    socket.write(Buffer.concat([length, query]))
  })
}

function decode(message: Buffer): packet.DecodedPacket | undefined {
  if (message.length < HEADER_BYTES) return undefined
  try {
    return packet.decode(message)
  } catch {
    return undefined
  }
}

/** @throws DnsError */
function readAnswer(answer: packet.DecodedPacket, name: string, type: RecordType): DnsAnswer {
  const question = `${type} ${name}`
  const rcode = rcodeOf(answer)
  if (rcode !== 0 && rcode !== NXDOMAIN) throw new DnsError(RCODES[rcode] ?? 'EBADRESP', question)

  const answers = (answer.answers ?? []) as (packet.StringAnswer | packet.TxtAnswer | packet.MxAnswer)[]
  const ownedBy = (owner: string, wanted: string) =>
    answers.filter((one) => one.type === wanted && one.name.toLowerCase() === owner)
  let owner = name.toLowerCase()
  let ttlSeconds = Number.POSITIVE_INFINITY
  for (let aliases = 0; ; aliases += 1) {
    const found = ownedBy(owner, type)
    if (found.length > 0) {
      const ttls = found.map(({ ttl }) => ttl ?? 0)
      return { records: found.map(textOf), ttlSeconds: Math.min(ttlSeconds, ...ttls) }
    }
    const [alias] = ownedBy(owner, 'CNAME') as packet.StringAnswer[]
    if (!alias) break
    if (aliases === ALIASES_MAX) throw new DnsError('ESERVFAIL', question)
    owner = alias.data.toLowerCase()
    ttlSeconds = Math.min(ttlSeconds, alias.ttl ?? 0)
  }
  throw new DnsError(rcode === NXDOMAIN ? 'ENOTFOUND' : 'ENODATA', question, Math.min(ttlSeconds, negativeTtl(answer)))
}

/** RFC 2308 §5: the smaller one of the TTL of the SOA record and its "minimum"; not cached without it. */
function negativeTtl({ authorities }: packet.DecodedPacket): number {
  const soa = (authorities ?? []).find((one) => one.type === 'SOA') as packet.SoaAnswer | undefined
  return soa ? Math.min(soa.ttl ?? 0, soa.data.minimum ?? 0) : 0
}

function textOf(answer: packet.StringAnswer | packet.TxtAnswer | packet.MxAnswer): string {
  if (answer.type === 'TXT') {
    const strings = ([] as (string | Buffer)[]).concat(answer.data as string | Buffer | (string | Buffer)[])
    return strings.map((one) => (typeof one === 'string' ? one : one.toString('latin1'))).join('')
  }
  if (answer.type === 'MX') return `${answer.data.preference ?? 0} ${answer.data.exchange}`
  return String((answer as packet.StringAnswer).data)
}
