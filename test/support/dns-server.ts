/**
 * A DNS server on loopback with the test's own zones, over UDP and TCP. It answers NODATA if a name has no records of a
 * type, and NXDOMAIN for an unknown name. It records the questions, so that a test can check what was asked.
 */
import { createSocket, type Socket as UdpSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import * as packet from 'dns-packet'

export interface Records {
  readonly MX?: readonly { readonly preference: number; readonly exchange: string }[]
  readonly A?: readonly string[]
  readonly AAAA?: readonly string[]
  /** A list is one record of several strings. */
  readonly TXT?: readonly (string | readonly string[])[]
  readonly NS?: readonly string[]
  readonly PTR?: readonly string[]
  /** The answer to every question for this name; the records of its target are not added. */
  readonly CNAME?: string
  /** Seconds of all records; default 60. */
  readonly ttl?: number
  /** Answers with the records of this name, which was not asked for, in the question and in the records. */
  readonly liesAs?: string
}

/** Records by name. 'fails': SERVFAIL to every question; 'refused': REFUSED; 'garbage': no DNS message; 'silent': no answer. */
export type Zones = Record<string, Records | 'fails' | 'refused' | 'garbage' | 'silent'>

export interface DnsServer extends AsyncDisposable {
  /** The address in the form of MARTLET_DNS_SERVERS. */
  readonly address: string
  /** All questions, such as "MX example.test", in the order of their arrival. */
  readonly questions: readonly string[]
  /** Longer answers over UDP are truncated, so that the client asks again over TCP. */
  udpBytesMax: number
  /** Answers queries with EDNS with this error (RFC 6891 §7): the bare header, or also the question. */
  lacksEdns?: { readonly rcode: number; readonly isBare: boolean }
}

const NXDOMAIN = 3
const SERVFAIL = 2
const REFUSED = 5

export async function startDns(zones: Zones): Promise<DnsServer> {
  const questions: string[] = []
  const server: Pick<DnsServer, 'udpBytesMax' | 'lacksEdns'> = { udpBytesMax: 512 }
  const sockets = new Set<Socket>()
  const { udp, tcp, port } = await listen()
  tcp.on('connection', serveTcp)

  udp.on('message', (message, { address, port: from }) => {
    const answer = reply(message)
    if (!answer) return
    if (answer === 'garbage') return udp.send(Buffer.alloc(40, 0xff), from, address)
    const whole = packet.encode(answer)
    const sent =
      whole.length <= server.udpBytesMax
        ? whole
        : packet.encode({ ...answer, answers: [], flags: answer.flags! | packet.TRUNCATED_RESPONSE })
    udp.send(sent, from, address)
  })

  return Object.assign(server, {
    address: `127.0.0.1:${port}`,
    questions,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy()
      await Promise.all([new Promise<void>((done) => udp.close(done)), new Promise((done) => tcp.close(done))])
    },
  })

  function serveTcp(socket: Socket): void {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
    socket.on('error', () => socket.destroy())
    socket.on('data', (chunk) => {
      const answer = reply(chunk.subarray(2))
      if (!answer || answer === 'garbage') return
      const whole = packet.encode(answer)
      const length = Buffer.alloc(2)
      length.writeUInt16BE(whole.length)
      socket.write(Buffer.concat([length, whole]))
    })
  }

  function reply(message: Buffer): packet.Packet | 'garbage' | undefined {
    const query = packet.decode(message)
    const [question] = query.questions ?? []
    if (!question) return undefined
    if (server.lacksEdns && query.additionals?.some(({ type }) => (type as string) === 'OPT')) {
      const { rcode, isBare } = server.lacksEdns
      return { id: query.id!, type: 'response', flags: rcode, questions: isBare ? [] : [question] }
    }
    const name = question.name.toLowerCase()
    questions.push(`${question.type} ${name}`)
    const records = zones[name]
    if (records === 'silent') return undefined
    if (records === 'garbage') return records
    const rcode =
      records === 'fails' ? SERVFAIL : records === 'refused' ? REFUSED : records === undefined ? NXDOMAIN : 0
    const lie = typeof records === 'object' ? records.liesAs : undefined
    return {
      id: query.id!,
      type: 'response',
      flags: packet.RECURSION_DESIRED | packet.RECURSION_AVAILABLE | rcode,
      questions: [lie === undefined ? question : { ...question, name: lie }],
      answers:
        typeof records === 'object'
          ? answersOf(lie === undefined ? question : { ...question, name: lie }, records)
          : [],
      // RFC 2308 §3: for how long the absence of a record may be cached
      authorities: rcode === NXDOMAIN || rcode === 0 ? [negativeTtl(name)] : [],
    }
  }
}

function answersOf(question: packet.Question, records: Records): packet.Answer[] {
  const { name } = question
  const { ttl = 60 } = records
  if (records.CNAME !== undefined) return [{ type: 'CNAME', name, ttl, data: records.CNAME }]
  if (question.type === 'MX') return (records.MX ?? []).map((data) => ({ type: 'MX', name, ttl, data }))
  if (question.type === 'A') return (records.A ?? []).map((data) => ({ type: 'A', name, ttl, data }))
  if (question.type === 'AAAA') return (records.AAAA ?? []).map((data) => ({ type: 'AAAA', name, ttl, data }))
  if (question.type === 'TXT') {
    return (records.TXT ?? []).map((data) => ({ type: 'TXT', name, ttl, data: data as string | string[] }))
  }
  if (question.type === 'PTR') return (records.PTR ?? []).map((data) => ({ type: 'PTR', name, ttl, data }))
  if (question.type === 'NS') return (records.NS ?? []).map((data) => ({ type: 'NS', name, ttl, data }))
  return []
}

function negativeTtl(name: string): packet.Answer {
  const times = { serial: 1, refresh: 60, retry: 60, expire: 60, minimum: 60 }
  return { type: 'SOA', name, ttl: 60, data: { mname: 'ns.test', rname: 'root.test', ...times } }
}

/** Listens on one port for both; if the port is not free for TCP, it tries another one. */
async function listen(): Promise<{ udp: UdpSocket; tcp: Server; port: number }> {
  const udp = createSocket('udp4')
  await new Promise<void>((done) => udp.bind(0, '127.0.0.1', done))
  const { port } = udp.address()
  const tcp = createServer()
  try {
    tcp.listen(port, '127.0.0.1')
    await once(tcp, 'listening')
    return { udp, tcp, port }
  } catch {
    udp.close()
    return listen()
  }
}
