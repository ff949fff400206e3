/**
 * Recognises a path that contains its query: the `fetch` of AgentMail's TypeScript client escapes the "?" of a relative
 * URL. `…/messages/wait%3Ffrom=x` would look for a message with that id, and be "not found".
 */
import { MailError } from '../../../../errors.ts'
import { pathOf } from './request-log.ts'

const ESCAPED_QUERY = /\/([\w-]{1,64})%3f[\w.-]{1,64}=/i

/**
 * @param url path and query of the request line
 * @throws validation_error
 */
export function rejectEscapedQuery(url: string | undefined): void {
  const [, segment] = ESCAPED_QUERY.exec(pathOf(url)) ?? []
  if (segment === undefined) return
  const detail = `The "?" after "${segment}" is escaped as %3F, so the query is part of the path; with the fetch of a client, pass an absolute URL: new URL(path, baseUrl)`
  throw new MailError('validation_error', { detail })
}
