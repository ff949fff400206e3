/** The settings of what clients of the API may do: from which pages, and how often. Part of settings.ts, which documents all settings. */
import { MIB } from './limits/limit.ts'
import { derived, fixed } from './setting.ts'
import { readBodyBytes, readCorsOrigins, readCount } from './setting-readers.ts'

export const clientSettings = {
  corsOrigins: derived({
    variable: 'MARTLET_CORS_ORIGINS',
    default: '`*` if the domain ends in `.localhost`, otherwise `none`',
    description:
      'Origins whose pages may use the API in a browser (CORS), such as `https://app.example.com,http://localhost:5173`. `*`: every origin. `none`: no page of another origin. A page needs a key in any case. WebSockets are open to every origin, because their key is in the URL.',
    read: readCorsOrigins,
  }),
  /** 0: no limit. */
  keyRequestsMax: fixed({
    variable: 'MARTLET_KEY_REQUESTS',
    default: '1000',
    description:
      'Requests per minute of one API key, in all dialects together; further ones get 429 with `Retry-After`. All nodes share the limit. `off`: no limit. The root key has none.',
    read: readCount,
  }),
  /** 0: no limit. */
  organizationRequestsMax: fixed({
    variable: 'MARTLET_ORGANIZATION_REQUESTS',
    default: 'off',
    description:
      'The same for all API keys of an organization together. Without it, an organization that creates more keys may make more requests.',
    read: readCount,
  }),
  /** 0: no limit. */
  inboxSendsMax: fixed({
    variable: 'MARTLET_INBOX_SENDS',
    default: '10000',
    description:
      'Messages per day (UTC) that one inbox may send, by the API and by mail programs; further ones get 429, or `451 4.7.1` from SMTP, and are not accepted. A repeated request with the same Idempotency-Key does not count again. `off`: no limit.',
    read: readCount,
  }),
  /** 0: no limit. */
  organizationSendsMax: fixed({
    variable: 'MARTLET_ORGANIZATION_SENDS',
    default: '10000',
    description: 'The same for all inboxes of an organization together.',
    read: readCount,
  }),
  /** 0: no limit. */
  organizationInboxesMax: fixed({
    variable: 'MARTLET_ORGANIZATION_INBOXES',
    default: 'off',
    description:
      "Inboxes of one organization, without the postmaster's; another one gets 403 `limit_exceeded`. `off`: no limit.",
    read: readCount,
  }),
  bodyBytesMax: fixed({
    variable: 'MARTLET_BODY_BYTES_MAX',
    default: `${MIB}`,
    description:
      'JSON body of a request that does not send a message, in bytes. `MARTLET_MESSAGE_BYTES_MAX` limits what is sent.',
    read: readBodyBytes,
  }),
}
