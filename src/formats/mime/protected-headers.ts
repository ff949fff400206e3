/**
 * Decides which header fields a client may set on a message that it sends. Fields for identity, routing and structure
 * are written by the server: a client that could write From, Received or DKIM-Signature could impersonate others.
 */

/** In lower case. "*" at the end marks a prefix. */
export const protectedHeaders: readonly string[] = [
  // Originators and recipients (RFC 5322 §3.6.2, §3.6.3, §3.6.6)
  ...['from', 'sender', 'to', 'cc', 'bcc', 'reply-to', 'resent-*'],
  // Identity and thread (RFC 5322 §3.6.1, §3.6.4, §3.6.5): each has its own argument
  ...['subject', 'message-id', 'date', 'in-reply-to', 'references'],
  // Trace and signatures (RFC 5322 §3.6.7, RFC 6376, RFC 8601, RFC 8617)
  ...[
    'return-path',
    'received',
    'received-spf',
    'delivered-to',
    'authentication-results',
    'dkim-signature',
    'domainkey-signature',
  ],
  ...['arc-*'],
  // Structure (RFC 2045)
  ...['mime-version', 'content-*'],
]

/** RFC 5322 §3.6.8: printable ASCII without colon. The limit keeps the first line of the field below 998 characters. */
const FIELD_NAME = /^[!-9;-~]{1,76}$/

/**
 * Whether a client must not set this field: it is protected, or its name is malformed. List-*, X-* and Auto-Submitted
 * are allowed.
 */
export function isForbiddenHeader(name: string): boolean {
  const lower = name.toLowerCase()
  return !FIELD_NAME.test(name) || protectedHeaders.some((pattern) => matches(lower, pattern))
}

function matches(name: string, pattern: string): boolean {
  return pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern
}
