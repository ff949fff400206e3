/** The form of an entry of the error catalogue (../errors.ts). */

/** The class of an error. It decides whether a retry can help; nothing may parse the message for that. */
export type ErrorKind =
  | 'invalid' // the request is malformed; change it
  | 'unauthenticated' // no valid credentials
  | 'forbidden' // the credentials do not allow this
  | 'taken' // the name is already in use
  | 'rejected' // well-formed and allowed, but policy refuses this message
  | 'not_found' // it does not exist, or this caller may not know that it exists
  | 'conflict' // the current state does not allow it
  | 'unprocessable' // well-formed, but cannot be done as requested
  | 'too_large' // over a size limit
  | 'rate_limited' // too many at once or per second
  | 'temporary' // caused by this server or its environment; the same request can succeed later
  | 'unknown' // it is not known whether the request was done: close the connection without a response, as a crash would
  | 'internal' // a bug, or damaged data; only the log has details

/** One entry of the catalogue. */
export interface ErrorDefinition<Params> {
  kind: ErrorKind
  /** For the caller. */
  message: (params: Params) => string
  /** What to do about it, if the message alone does not say. */
  fix?: string
  /** A conflict with something that is in progress: the same request can succeed in a moment, without any change. */
  endsByItself?: boolean
}

export function define<Params = Record<never, never>>(definition: ErrorDefinition<Params>): ErrorDefinition<Params> {
  return definition
}
