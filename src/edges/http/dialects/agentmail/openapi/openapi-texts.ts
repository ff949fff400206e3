/** Texts of the API description that belong to no route. */

export const introduction = `The API of AgentMail, as npm \`agentmail\` 0.5.27 uses it, with Martlet's additions, which are marked \`x-martlet\`.

- **Key**: \`Authorization: Bearer …\`. \`x-martlet-access\` says which keys an operation accepts: the narrowest scope, and the
  permissions that every request needs or (\`conditional\`) some requests.
- **Errors** have a stable \`code\` and, mostly, a \`fix\`. The SDKs repeat requests after 408, 429 and 5xx; after none of them was
  anything changed.
- **Pages**: send \`next_page_token\` of a page as \`page_token\` for the next one, with the same filters. A page can be empty and
  still have a token.
- **Lists in a query** are a repeated parameter, a JSON array, or joined by commas.
- **Unknown members** and parameters are ignored and named in the response's \`Martlet-Warning\`. With the header field
  \`Martlet-Strict: true\` they are refused with 400.
- **Texts** may not contain U+0000, and no member of a body may be named \`__proto__\`.
- **Not in this version**: calendars, files, polling webhooks, verdicts on prompt injection (Agent Armor) and open tracking
  (\`track_opens: true\`). They get 403 with the code \`not_implemented\`, and are not described here. GET \`/v0/capabilities\` lists every
  operation of AgentMail and every event type with its state.
- **Events** over a WebSocket at \`/v0\`: see docs/events.md of this server.`

export const tags = [
  { name: 'Agent', description: 'Sign-up of an agent without a key.' },
  { name: 'Auth', description: 'What the key of a request is.' },
  { name: 'Organizations', description: 'The organization of the key.' },
  { name: 'Pods', description: 'Groups of inboxes inside the organization.' },
  { name: 'API keys', description: 'Keys of the organization, a pod or an inbox.' },
  { name: 'App passwords', description: 'Passwords of mail programs for one inbox.' },
  { name: 'Inboxes', description: 'Addresses with their mail.' },
  { name: 'Messages', description: 'Messages of an inbox, their labels, bytes and attachments.' },
  { name: 'Sending', description: 'Messages that an inbox sends.' },
  { name: 'Threads', description: 'Messages that answer each other.' },
  { name: 'Drafts', description: 'Messages that are written and not sent yet.' },
  { name: 'Search', description: 'Inboxes, messages and threads by their text.' },
  { name: 'Lists', description: 'Allow and block lists.' },
  { name: 'Verified senders', description: 'Senders that have answered a challenge of an inbox.' },
  { name: 'Queue', description: 'Outgoing mail that waits for delivery.' },
  { name: 'Webhooks', description: 'Events as signed requests to your server.' },
  { name: 'Events', description: 'The event log: pages, long polls, event streams.' },
  { name: 'Metrics', description: 'Counts, totals and rates over time.' },
  { name: 'Domains', description: 'Domains of your own, and their DNS records.' },
  { name: 'Downloads', description: 'Files at signed links.' },
  { name: 'Apps', description: "Services of AgentMail's own, of which Martlet has none." },
  { name: 'Server', description: 'What this version can do.' },
]
