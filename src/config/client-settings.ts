/** The settings of what clients of the API may do: from which pages, and how often. Part of settings.ts, which documents all settings. */
import { derived } from './setting.ts'
import { readCorsOrigins } from './setting-readers.ts'

export const clientSettings = {
  corsOrigins: derived({
    variable: 'MARTLET_CORS_ORIGINS',
    default: '`*` if the domain ends in `.localhost`, otherwise `none`',
    description:
      'Origins whose pages may use the API in a browser (CORS), such as `https://app.example.com,http://localhost:5173`. `*`: every origin. `none`: no page of another origin. A page needs a key in any case. WebSockets are open to every origin, because their key is in the URL.',
    read: readCorsOrigins,
  }),
}
