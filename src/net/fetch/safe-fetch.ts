/**
 * HTTP requests to URLs that strangers chose (docs/adr/0016): a webhook must not make this server call services that
 * only this server can reach. Names are resolved here, and private addresses are dropped. The address of the open
 * connection is checked again before a byte is sent, because a name can resolve differently the second time (DNS
 * rebinding).
 *
 * One request per call: a redirect is an ordinary response. Time and size are bounded (that of a download by its caller);
 * certificates are verified.
 * A few connections per host and port stay open for the next request, for limits.webhooks.idleSocketMs.
 */

import { type ClientRequest, Agent as HttpAgent, type IncomingMessage, request as requestHttp } from 'node:http'
import { Agent as HttpsAgent, request as requestHttps } from 'node:https'
import { isIP, type LookupFunction, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { Limits } from '../../config/limits.ts'
import { MailError } from '../../errors.ts'
import { withoutBrackets } from '../../host-name.ts'
import { isPrivateIp } from '../private-networks.ts'

/** Resolves a name to addresses. Rejects with an Error when there are none. */
export type Lookup = (hostname: string) => Promise<readonly { readonly address: string; readonly family: number }[]>

export interface SafeRequest {
  /** http or https. */
  readonly url: string
  readonly method: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string
  /** Total time for DNS, connection, request and response. */
  readonly timeoutMs: number
  readonly signal?: AbortSignal | undefined
}

export interface SafeResponse {
  readonly status: number
  /** Names in lower case; the first value of a repeated field. */
  readonly headers: Readonly<Record<string, string | undefined>>
  /** The beginning of the body, up to limits.webhooks.responseBytesMax. */
  readonly body: string
}

/** A GET request for a whole file. */
export interface SafeDownload extends Pick<SafeRequest, 'url' | 'headers' | 'timeoutMs' | 'signal'> {
  /** Called with the size of each part of the body before it is kept. What it throws ends the download and is thrown. */
  readonly onBytes: (count: number) => void
}

export interface DownloadedBytes extends Omit<SafeResponse, 'body'> {
  /** Empty unless the status is 2xx. */
  readonly bytes: Buffer
}

export interface SafeFetch {
  /** @throws FetchFailed for every failure; its message is written for the person who chose the URL */
  fetch(request: SafeRequest): Promise<SafeResponse>
  /** @throws FetchFailed; a MailError of `onBytes` */
  download(request: SafeDownload): Promise<DownloadedBytes>
  /** Closes all connections, also those in use: call it when no request is running. */
  close(): void
}

/** Thrown when there is no response. */
export class FetchFailed extends Error {
  override readonly name = 'FetchFailed'
  readonly reason: 'private_address' | 'timeout' | 'aborted' | 'unreachable'

  constructor(reason: FetchFailed['reason'], message: string, options?: { cause?: unknown }) {
    super(message, options)
    this.reason = reason
  }
}

interface SafeFetchNeeds {
  readonly lookup: Lookup
  readonly allowPrivateNetworks: boolean
  readonly limits: Limits
  /** Which addresses are refused; only tests replace it. */
  readonly isRefusedIp?: (address: string) => boolean
}

type Request = Omit<SafeRequest, 'body'> & { readonly body?: string }
type Read<Result> = (response: IncomingMessage) => Promise<Result>

/** Unused connections kept per host and port. */
const FREE_SOCKETS_MAX = 2

export function createSafeFetch(needs: SafeFetchNeeds): SafeFetch {
  const { limits, lookup } = needs
  const isRefusedIp = needs.allowPrivateNetworks ? () => false : (needs.isRefusedIp ?? isPrivateIp)
  const options = {
    keepAlive: true,
    // As many per host as in total: with fewer, a URL that hangs would block the other URLs of the same host.
    maxSockets: limits.webhooks.concurrencyMax,
    maxFreeSockets: FREE_SOCKETS_MAX,
    timeout: limits.webhooks.idleSocketMs,
  }
  const agents = {
    'http:': guard(new HttpAgent(options), isRefusedIp),
    'https:': guard(new HttpsAgent(options), isRefusedIp),
  }

  return {
    fetch: (request) => run(request, (response) => readBeginning(response, limits.webhooks.responseBytesMax)),

    download: ({ onBytes, ...request }) =>
      run({ ...request, method: 'GET' }, (response) => readWhole(response, onBytes)),

    close() {
      for (const agent of Object.values(agents)) agent.destroy()
    },
  }

  async function run<Result>(request: Request, read: Read<Result>): Promise<Result> {
    const url = new URL(request.url)
    if (url.protocol !== 'http:' && url.protocol !== 'https:') {
      throw new FetchFailed('unreachable', `The protocol ${url.protocol} is not supported`)
    }
    // Node connects to an address literal without DNS. The WHATWG parser has already normalised forms such as 0x7f.1.
    const host = withoutBrackets(url.hostname)
    if (isIP(host) && isRefusedIp(host)) throw privateIpFailure(host)
    const ended = new AbortController()
    const timer = setTimeout(() => ended.abort('timeout'), request.timeoutMs)
    const abort = () => ended.abort('aborted')
    request.signal?.addEventListener('abort', abort, { once: true })
    if (request.signal?.aborted) abort()
    try {
      return await exchange(url, request, ended.signal, read)
    } catch (error) {
      if (error instanceof FetchFailed || error instanceof MailError) throw error
      if (ended.signal.reason === 'timeout')
        throw new FetchFailed('timeout', `No response within ${request.timeoutMs} ms`)
      if (ended.signal.aborted) throw new FetchFailed('aborted', 'The request was aborted')
      throw new FetchFailed('unreachable', messageOf(error), { cause: error })
    } finally {
      clearTimeout(timer)
      request.signal?.removeEventListener('abort', abort)
    }
  }

  async function exchange<Result>(
    url: URL,
    request: Request,
    signal: AbortSignal,
    read: Read<Result>,
  ): Promise<Result> {
    try {
      return await once(url, request, signal, read)
    } catch (error) {
      // The server closed an idle connection at the moment we used it. It has read nothing of this request: send again.
      if (!(error instanceof StaleSocket) || signal.aborted) throw error
      return once(url, request, signal, read)
    }
  }

  function once<Result>(
    url: URL,
    { method, headers, body }: Request,
    signal: AbortSignal,
    read: Read<Result>,
  ): Promise<Result> {
    return new Promise((resolve, reject) => {
      let hasResponse = false
      const send = url.protocol === 'https:' ? requestHttps : requestHttp
      const agent = agents[url.protocol as 'http:' | 'https:']
      const length = body !== undefined && { 'content-length': String(Buffer.byteLength(body)) }
      const sent: ClientRequest = send(
        url,
        { method, headers: { ...headers, ...length }, agent, signal, lookup: resolver },
        (response) => {
          hasResponse = true
          read(response).then(resolve, reject)
        },
      )
      // An unsolicited 101: Node would emit neither a response nor an error.
      sent.on('upgrade', ({ statusCode }, socket) => {
        socket.destroy()
        reject(new Error(`The response was ${statusCode}, a switch to another protocol`))
      })
      // The request ended without a response or an error: nothing else would settle the promise.
      sent.on('close', () => {
        if (!hasResponse) reject(new Error('The connection was closed without a response'))
      })
      sent.on('error', (error: NodeJS.ErrnoException) => {
        const isStale = sent.reusedSocket && error.code === 'ECONNRESET'
        reject(isStale ? new StaleSocket() : error)
      })
      sent.end(body)
    })
  }

  /** Has the signature of Node's `lookup`: `options.all` means that Node may try several addresses. */
  function resolver(...[hostname, options, done]: Parameters<LookupFunction>): void {
    lookup(hostname).then(
      (answers) => {
        const known = answers.filter(({ address }) => isIP(address) !== 0)
        const open = known.filter(({ address }) => !isRefusedIp(address))
        const [first] = open
        if (known.length === 0) done(new Error(`${hostname} has no address`), '', 0)
        else if (!first) done(privateIpFailure(hostname), '', 0)
        else if (options.all) done(null, [...open])
        else done(null, first.address, first.family)
      },
      // Without an error Node would use the empty address as the answer, and throw where no code can catch it.
      (error: unknown) => done(error instanceof Error ? error : new Error(`${hostname} was not found`), '', 0),
    )
  }
}

/** Checks each new connection before anything is written to it. */
function guard<Agent extends HttpAgent | HttpsAgent>(agent: Agent, isRefusedIp: (address: string) => boolean): Agent {
  const connect = agent.createConnection.bind(agent)
  agent.createConnection = (...given: Parameters<HttpAgent['createConnection']>) => {
    const socket = connect(...given) as Duplex & Pick<Socket, 'remoteAddress'>
    // Before all other listeners: the one that sends the request waits for the same event.
    socket.prependOnceListener('connect', () => {
      const { remoteAddress } = socket
      if (remoteAddress === undefined || isRefusedIp(remoteAddress))
        socket.destroy(privateIpFailure(remoteAddress ?? ''))
    })
    return socket
  }
  return agent
}

/** Reads the response to its end, so that the connection can be reused, but not past the limit. */
async function readBeginning(response: IncomingMessage, bytesMax: number): Promise<SafeResponse> {
  const chunks: Buffer[] = []
  let sizeBytes = 0
  for await (const chunk of response as AsyncIterable<Buffer>) {
    chunks.push(chunk)
    sizeBytes += chunk.length
    if (sizeBytes > bytesMax) break // leaving the loop closes the connection
  }
  return { ...headOf(response), body: Buffer.concat(chunks).subarray(0, bytesMax).toString() }
}

async function readWhole(response: IncomingMessage, onBytes: (count: number) => void): Promise<DownloadedBytes> {
  const head = headOf(response)
  const chunks: Buffer[] = []
  if (head.status < 200 || head.status > 299) response.destroy()
  else
    for await (const chunk of response as AsyncIterable<Buffer>) {
      onBytes(chunk.length)
      chunks.push(chunk)
    }
  return { ...head, bytes: Buffer.concat(chunks) }
}

function headOf(response: IncomingMessage): Omit<SafeResponse, 'body'> {
  const headers = Object.fromEntries(
    Object.entries(response.headers).map(([name, value]) => [name, Array.isArray(value) ? value[0] : value]),
  )
  return { status: response.statusCode ?? 0, headers }
}

class StaleSocket extends Error {}

function privateIpFailure(address: string): FetchFailed {
  const reason = 'is in a private network, to which this server does not connect (MARTLET_ALLOW_PRIVATE_NETWORKS)'
  return new FetchFailed('private_address', `${address} ${reason}`)
}

/** Returns the text of an error. When Node tries several addresses, its AggregateError has no message of its own. */
function messageOf(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(messageOf).join('; ')
  return error instanceof Error ? error.message || error.name : String(error)
}
