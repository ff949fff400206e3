/**
 * From a request to an actor: where the text of a key stands in it. Whether the key is good is the core's answer
 * (mail/access/credentials.ts).
 */
import type { IncomingMessage } from 'node:http'
import { MailError } from '../../errors.ts'
import type { KeyActor } from '../../mail/access/actor.ts'
import type { Credentials } from '../../mail/access/credentials.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Who is asking. Set before the body is read, on every route that is not open to strangers. */
    actor: KeyActor
  }
}

/**
 * `Authorization: Bearer <key>`; the scheme is case-sensitive as in AgentMail's own service (docs/compatibility/agentmail.md).
 *
 * @throws missing_authorization, unknown_api_key
 */
export async function authenticateHeader(
  credentials: Pick<Credentials, 'authenticate'>,
  request: Pick<IncomingMessage, 'headers'>,
): Promise<KeyActor> {
  return credentials.authenticate(requireBearer(request.headers.authorization))
}

/**
 * For upgrades and event streams, which browsers open without headers of their own: also from a query parameter. The
 * header wins where both are given: AgentMail's Node client sends both (docs/compatibility/agentmail.md). Nowhere else may a key
 * stand in a URL: URLs are logged by every proxy on the way.
 *
 * @param parameter name of the query parameter, for example "api_key"
 * @throws missing_authorization, unknown_api_key
 */
export async function authenticateHeaderOrQuery(
  credentials: Pick<Credentials, 'authenticate'>,
  request: Pick<IncomingMessage, 'headers' | 'url'>,
  parameter: string,
): Promise<KeyActor> {
  if (request.headers.authorization !== undefined) return authenticateHeader(credentials, request)
  const query = new URLSearchParams(queryOf(request.url ?? ''))
  return credentials.authenticate(requireKey(query.get(parameter) ?? ''))
}

function requireBearer(header: string | undefined): string {
  const scheme = 'Bearer '
  return requireKey(header?.startsWith(scheme) ? header.slice(scheme.length) : '')
}

function requireKey(key: string): string {
  if (key === '' || /\s/.test(key)) throw new MailError('missing_authorization', {})
  return key
}

function queryOf(url: string): string {
  const start = url.indexOf('?')
  return start < 0 ? '' : url.slice(start + 1)
}
