/**
 * Fetches the attachments that a message or draft names by URL, before it is composed and outside of any transaction. The
 * requests have no credentials, and no redirect leads into a private network (net/fetch/safe-fetch.ts checks each).
 *
 * All or nothing: if one attachment cannot be fetched, the message is rejected with a sentence that says which and why.
 * Bounded per message: time, bytes, redirects and concurrent requests; and per node the messages that fetch, which are
 * divided among pods and organizations. The bytes count as they arrive.
 */
import type { Limits } from '../../../config/limits.ts'
import { MailError } from '../../../errors.ts'
import { FetchFailed, type SafeFetch } from '../../../net/fetch/safe-fetch.ts'
import type { InboxRow } from '../../../store/schema/tenant-rows.ts'
import type { RequestMemory } from '../../access/body-memory.ts'
import { CapacityShares } from '../../jobs/capacity-shares.ts'
import type { LinkedAttachment, OutgoingAttachment } from './outgoing.ts'

type FetchableAttachment = OutgoingAttachment | LinkedAttachment

/**
 * @param inbox the inbox that sends
 * @param memory of the request; undefined: the bytes are not counted
 * @returns the attachments with their bytes, in order
 * @throws validation_error for something that is no http or https URL; message_rejected; too_many_at_once, too_many_bodies
 */
export type FetchAttachments = (
  attachments: readonly FetchableAttachment[],
  inbox: Pick<InboxRow, 'organization_id' | 'pod_id'>,
  memory?: RequestMemory,
) => Promise<OutgoingAttachment[]>

interface FetchAttachmentsNeeds {
  readonly download: SafeFetch['download']
  readonly limits: Limits
}

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])

export function createFetchAttachments({ download, limits }: FetchAttachmentsNeeds): FetchAttachments {
  const { attachmentUrlsBytesMax, attachmentUrlsMs, attachmentUrlsAtOnceMax, attachmentRedirectsMax } = limits.sending
  const shares = new CapacityShares(limits.sending.fetchingMessagesMax)

  return async function fetchAttachments(attachments, inbox, memory) {
    const urls = attachments.map((attachment, index) =>
      'url' in attachment ? parseUrl(attachment.url, index) : undefined,
    )
    if (urls.every((url) => url === undefined)) return attachments as OutgoingAttachment[]
    const owner = { organizationId: inbox.organization_id, podId: inbox.pod_id }
    if (shares.capacity(owner) === 0) {
      const max = limits.sending.fetchingMessagesMax
      throw new MailError('too_many_at_once', { what: 'messages with attachments by URL', max })
    }
    shares.add(owner, 1)
    const failed = new AbortController()
    try {
      return await fetchAll(attachments, urls, createRequest(failed.signal, memory))
    } finally {
      failed.abort() // the other requests of the message, if one has failed
      shares.add(owner, -1)
    }
  }

  function parseUrl(text: string, index: number): URL {
    const url = text.length <= limits.sending.attachmentUrlCharsMax && URL.canParse(text) ? new URL(text) : undefined
    if (url && /^https?:$/.test(url.protocol)) return withoutCredentials(url)
    throw new MailError('validation_error', {
      detail: `The url of an attachment must be an http or https URL of at most ${limits.sending.attachmentUrlCharsMax} characters, or a data: URL`,
      path: ['attachments', index, 'url'],
    })
  }

  async function fetchAll(
    attachments: readonly FetchableAttachment[],
    urls: readonly (URL | undefined)[],
    request: (url: URL) => Promise<Fetched>,
  ): Promise<OutgoingAttachment[]> {
    const loaded: OutgoingAttachment[] = []
    let next = 0
    const worker = async () => {
      while (next < attachments.length) {
        const index = next
        next += 1
        const [attachment, url] = [attachments[index]!, urls[index]]
        loaded[index] = 'url' in attachment ? attach(attachment, url!, await request(url!)) : attachment
      }
    }
    await Promise.all(Array.from({ length: attachmentUrlsAtOnceMax }, worker))
    return loaded
  }

  /** Returns the function that fetches one URL of a message, within the bounds of the whole message. */
  function createRequest(signal: AbortSignal, memory: RequestMemory | undefined): (url: URL) => Promise<Fetched> {
    const endsAtMs = performance.now() + attachmentUrlsMs
    let bytesLeft = attachmentUrlsBytesMax
    const onBytes = (count: number) => {
      bytesLeft -= count
      if (bytesLeft < 0)
        throw rejected(
          `its attachments by URL have more than ${attachmentUrlsBytesMax} bytes together`,
          'Send smaller or fewer files, in several messages if need be.',
        )
      memory?.add(count)
    }

    return async (first) => {
      let url = first
      for (let redirects = 0; redirects <= attachmentRedirectsMax; redirects += 1) {
        const answer = await requestOnce(url)
        const { location } = answer.headers
        if (!REDIRECTS.has(answer.status) || location === undefined) return checked(first, answer)
        if (!URL.canParse(location, url.href)) throw unfetchable(first, 'it redirects to something that is not a URL')
        url = withoutCredentials(new URL(location, url))
      }
      throw unfetchable(first, `it redirects more than ${attachmentRedirectsMax} times`)

      async function requestOnce(to: URL): Promise<Fetched> {
        const timeoutMs = Math.max(1, Math.round(endsAtMs - performance.now()))
        const headers = { accept: '*/*', 'accept-encoding': 'identity', 'user-agent': 'Martlet' }
        try {
          return await download({ url: to.href, headers, timeoutMs, signal, onBytes })
        } catch (error) {
          if (!(error instanceof FetchFailed)) throw error
          const isLate = error.reason === 'timeout'
          throw unfetchable(first, isLate ? `no complete response within ${attachmentUrlsMs} ms` : error.message)
        }
      }
    }
  }
}

type Fetched = Awaited<ReturnType<SafeFetch['download']>>

function checked(url: URL, answer: Fetched): Fetched {
  const { status, headers } = answer
  if (status < 200 || status > 299) throw unfetchable(url, `the response was ${status}`)
  const encoding = headers['content-encoding'] ?? 'identity'
  // It was not requested (RFC 9110 §12.5.3). A file must not be compressed by surprise.
  if (encoding !== 'identity') throw unfetchable(url, `the response has the content encoding ${encoding.slice(0, 100)}`)
  return answer
}

/** The fields of the request take precedence over those of the response and the name in the URL. */
function attach({ url: _, ...fields }: LinkedAttachment, url: URL, { headers, bytes }: Fetched): OutgoingAttachment {
  const [contentType] = /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+/.exec(headers['content-type'] ?? '') ?? []
  return {
    ...fields,
    filename: fields.filename ?? nameIn(url),
    contentType: fields.contentType ?? contentType?.toLowerCase(),
    bytes,
  }
}

function nameIn({ pathname }: URL): string | undefined {
  const name = pathname.slice(pathname.lastIndexOf('/') + 1)
  try {
    const decoded = decodeURIComponent(name)
    return /^[^\p{Cc}/\\]{1,255}$/u.test(decoded) ? decoded : undefined
  } catch {
    return undefined // not UTF-8: the attachment then has no name
  }
}

/** Attachments are fetched without authentication (docs/compatibility/agentmail.md). */
function withoutCredentials(url: URL): URL {
  url.username = ''
  url.password = ''
  return url
}

function unfetchable(url: URL, reason: string): MailError {
  // Without the query, which may contain the signature of a link.
  return rejected(
    `the attachment at ${(url.origin + url.pathname).slice(0, 200)} could not be fetched: ${reason}`,
    SEND_CONTENT,
  )
}

const SEND_CONTENT =
  'Give a URL that this server can fetch without a login, or send the file itself, in base64, as the content of the attachment.'

function rejected(detail: string, fix: string): MailError {
  return new MailError('message_rejected', { detail, fix })
}
