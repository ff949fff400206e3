/**
 * Finds the API key in a request. The core decides whether the key is valid (mail/access/keys/credentials.ts).
 */
import type { IncomingHttpHeaders } from 'node:http'
import { MailError } from '../../../../errors.ts'
import type { KeyActor } from '../../../../mail/access/actor.ts'
import type { Credentials } from '../../../../mail/access/keys/credentials.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** The caller. Set before the body is read, on every route that requires a key. */
    actor: KeyActor
  }
}

interface GivenRequest {
  readonly headers: IncomingHttpHeaders
  readonly url?: string | undefined
}

/**
 * Reads `Authorization: Bearer <key>`.
 *
 * @throws missing_authorization, unknown_api_key
 */
export async function authenticateHeader(
  credentials: Pick<Credentials, 'authenticate'>,
  request: GivenRequest,
): Promise<KeyActor> {
  return credentials.authenticate(readBearer(request))
}

/**
 * Also accepts the key as a query parameter: for upgrades and event streams, because browsers cannot set headers on
 * them. The header takes precedence if both are given: AgentMail's Node client sends both (docs/compatibility/agentmail.md). No
 * other route accepts a key in the URL, because every proxy logs URLs.
 *
 * @param parameter name of the query parameter, for example "api_key"
 * @throws missing_authorization, unknown_api_key
 */
export async function authenticateHeaderOrQuery(
  credentials: Pick<Credentials, 'authenticate'>,
  request: GivenRequest,
  parameter: string,
): Promise<KeyActor> {
  if (request.headers.authorization !== undefined) return authenticateHeader(credentials, request)
  const query = new URLSearchParams(queryOf(request.url ?? ''))
  return credentials.authenticate(checkKeyFormat(query.get(parameter) ?? '', request))
}

function readBearer(request: GivenRequest): string {
  // RFC 9110 §11.1: the scheme is case-insensitive.
  return checkKeyFormat(/^bearer (.*)$/is.exec(request.headers.authorization ?? '')?.[1] ?? '', request)
}

function checkKeyFormat(key: string, request: GivenRequest): string {
  if (key === '' || /\s/.test(key))
    throw new MailError('missing_authorization', { isMisplaced: hasKeyElsewhere(request) })
  return key
}

/** Whether the request has something that may be meant as a key. An error must not repeat it. */
function hasKeyElsewhere({ headers, url = '' }: GivenRequest): boolean {
  if (headers['x-api-key'] !== undefined) return true
  return !/^(?:bearer)?\s*$/i.test(headers.authorization ?? '') || KEY_PARAMETER.test(queryOf(url))
}

const KEY_PARAMETER = /(?:^|&)(?:api[-_]?key|key|token|access_token)=[^&]/i

function queryOf(url: string): string {
  const start = url.indexOf('?')
  return start < 0 ? '' : url.slice(start + 1)
}
