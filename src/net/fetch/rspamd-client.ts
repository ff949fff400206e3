/**
 * Asks rspamd about a message: one POST to /checkv2 of its normal worker, with the message as the body and the envelope in header
 * fields (https://rspamd.com/doc/developers/protocol.html). The operator names the server, so its address may be private.
 */
import { Agent as HttpAgent, request as httpRequest, type IncomingMessage, type RequestOptions } from 'node:http'
import { Agent as HttpsAgent, request as httpsRequest } from 'node:https'

export interface RspamdMail {
  readonly bytes: Uint8Array
  readonly sender: string
  readonly recipients: readonly string[]
  readonly ipAddress: string
  readonly helo: string
  /** The confirmed name of the client's address. */
  readonly clientName?: string | undefined
  /** An id that both servers log. */
  readonly queueId: string
  /** The name of this server. */
  readonly hostname: string
}

export interface RspamdReply {
  /** "no action", "greylist", "add header", "rewrite subject", "soft reject", "reject", and what later versions add. */
  readonly action: string
  readonly score: number
  /** Score of the action reject. */
  readonly requiredScore: number
  /** Scores of the actions, in newer versions. */
  readonly thresholds: Readonly<Record<string, number>>
  readonly symbols: readonly { readonly name: string; readonly score: number; readonly description?: string }[]
}

export interface RspamdClient {
  /** @throws an Error if there is no usable response in time */
  check(mail: RspamdMail): Promise<RspamdReply>
  close(): void
}

interface ClientNeeds {
  /** Without slash at the end. */
  readonly url: string
  readonly timeoutMs: number
  readonly requestsMax: number
  readonly replyBytesMax: number
}

export function createRspamdClient({ url, timeoutMs, requestsMax, replyBytesMax }: ClientNeeds): RspamdClient {
  const isTls = url.startsWith('https:')
  const agent = new (isTls ? HttpsAgent : HttpAgent)({ keepAlive: true, maxSockets: requestsMax })
  const request = isTls ? httpsRequest : httpRequest

  return {
    async check(mail) {
      const options: RequestOptions = {
        method: 'POST',
        agent,
        headers: headersOf(mail),
        signal: AbortSignal.timeout(timeoutMs),
      }
      const response = await new Promise<IncomingMessage>((resolve, reject) => {
        request(`${url}/checkv2`, options, resolve).on('error', reject).end(mail.bytes)
      })
      const chunks: Buffer[] = []
      let sizeBytes = 0
      for await (const chunk of response as AsyncIterable<Buffer>) {
        sizeBytes += chunk.length
        if (sizeBytes > replyBytesMax) throw new Error(`rspamd sent more than ${replyBytesMax} bytes`)
        chunks.push(chunk)
      }
      if (response.statusCode !== 200) throw new Error(`rspamd answered with status ${response.statusCode}`)
      return readReply(JSON.parse(Buffer.concat(chunks).toString('utf8')))
    },

    close: () => agent.destroy(),
  }
}

function headersOf(mail: RspamdMail): Record<string, string | string[]> {
  return {
    'content-type': 'application/octet-stream',
    'content-length': String(mail.bytes.length),
    from: headerText(mail.sender),
    rcpt: mail.recipients.map(headerText),
    ip: headerText(mail.ipAddress),
    helo: headerText(mail.helo),
    ...(mail.clientName !== undefined && { hostname: headerText(mail.clientName) }),
    'queue-id': headerText(mail.queueId),
    'mta-name': headerText(mail.hostname),
  }
}

/** Node takes one byte per character; a line end would begin another field. */
function headerText(text: string): string {
  return Buffer.from(text.replace(/\p{Cc}/gu, ' '), 'utf8').toString('latin1')
}

function readReply(reply: unknown): RspamdReply {
  const { action, score, required_score: requiredScore, thresholds, symbols } = asRecord(reply)
  if (typeof action !== 'string' || !isScore(score)) throw new Error('rspamd sent no action and score')
  return {
    action,
    score,
    requiredScore: isScore(requiredScore) ? requiredScore : score,
    thresholds: Object.fromEntries(
      Object.entries(asRecord(thresholds)).filter((entry): entry is [string, number] => isScore(entry[1])),
    ),
    symbols: Object.entries(asRecord(symbols)).map(([name, symbol]) => {
      const { score: own, description } = asRecord(symbol)
      return { name, score: isScore(own) ? own : 0, ...(typeof description === 'string' && { description }) }
    }),
  }
}

/** JSON.parse returns Infinity for 1e999, which no JSON can show. */
function isScore(value: unknown): value is number {
  return Number.isFinite(value)
}

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}
