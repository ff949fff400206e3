/** Translates errors of the core to refusals of IMAP (RFC 5530, RFC 9051 §7.1). */
import type { ErrorKind } from '../../../errors/error-definition.ts'
import { type ErrorCode, MailError } from '../../../errors.ts'
import type { Log } from '../../../log.ts'
import { DamagedContent } from '../../../mail/messages/content/damaged-content.ts'
import { ImapRefusal, type RefusalCode } from '../session/mail-store.ts'

const byCode: Partial<Record<ErrorCode, RefusalCode>> = {
  login_failed: 'AUTHENTICATIONFAILED',
  login_forbidden: 'AUTHORIZATIONFAILED',
  missing_permission: 'NOPERM',
  mailbox_exists: 'ALREADYEXISTS',
  mailbox_refused: 'CANNOT',
  flag_not_allowed: 'CANNOT',
  search_too_costly: 'LIMIT',
  limit_exceeded: 'LIMIT',
  inbox_full: 'OVERQUOTA',
  disk_full: 'UNAVAILABLE',
}

const byKind: Readonly<Record<ErrorKind, RefusalCode>> = {
  invalid: 'CANNOT',
  unauthenticated: 'AUTHENTICATIONFAILED',
  forbidden: 'NOPERM',
  taken: 'ALREADYEXISTS',
  rejected: 'CANNOT',
  not_found: 'NONEXISTENT',
  conflict: 'INUSE',
  unprocessable: 'CANNOT',
  too_large: 'TOOBIG',
  rate_limited: 'LIMIT',
  temporary: 'UNAVAILABLE',
  unknown: 'UNAVAILABLE',
  internal: 'SERVERBUG',
}

/**
 * @param isTarget whether messages were to be added to the mailbox: if it does not exist, the code is TRYCREATE (RFC 9051 §6.4.7)
 * @returns the refusal; an error that is not in the catalogue is logged, and its text is not shown
 */
export function refusalFor(error: unknown, log: Log, isTarget = false): unknown {
  if (error instanceof ImapRefusal || isAbort(error)) return error
  if (error instanceof MailError) {
    const { code, kind, message } = error as MailError
    if (isTarget && code === 'mailbox_not_found') return new ImapRefusal('TRYCREATE', message, code)
    return new ImapRefusal(byCode[code] ?? byKind[kind], message, code)
  }
  if (error instanceof DamagedContent) return new ImapRefusal('CORRUPTION', 'What is stored of a message is damaged')
  log.error({ err: error }, 'IMAP command failed in the mail store')
  return new ImapRefusal('SERVERBUG', 'The server has a problem; try again later')
}

/** The session has ended: nobody reads the answer. */
function isAbort(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError'
}
