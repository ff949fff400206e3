/**
 * `martlet queue`: lists recipients that wait for delivery, as a table or as JSON, and holds, releases, cancels or
 * retries them on the running server.
 */
import type { Writable } from 'node:stream'
import { parseArgs } from 'node:util'
import { StartupError } from '../errors.ts'
import type { ServerClient } from './server-client.ts'
import { printable } from './terminal-text.ts'

/** One item of the server's list: the fields that are shown. */
interface Recipient {
  readonly recipient_id: string
  readonly state: string
  readonly recipient: string
  readonly inbox_id?: string
  readonly subject?: string
  readonly last_reply?: string
  readonly next_attempt_at?: string
  readonly delivering_since?: string
  readonly delivering_to?: string
}

const actions = {
  hold: { done: 'Held', unmatched: 'No match in the queue, or held already' },
  release: { done: 'Released', unmatched: 'No match in the queue, or not held' },
  cancel: { done: 'Cancelled', unmatched: 'No match in the queue' },
  retry: { done: 'Retrying now', unmatched: 'No match in the queue, or held, or due already' },
} as const

/**
 * Fits most values. Longer ones are truncated, so that the columns after them stay in place; `--json` shows all. The last column
 * is never truncated: it says why a message is still in the queue.
 */
const COLUMN_CHARS_MAX = 40
const PAGE_ITEMS = 500

const options = {
  state: { type: 'string' },
  domain: { type: 'string' },
  inbox: { type: 'string' },
  all: { type: 'boolean' },
  via: { type: 'string' },
  json: { type: 'boolean' },
  url: { type: 'string' },
} as const

/**
 * @param open  creates the client for a URL; undefined: the configured URL
 * @returns the exit code: 1 if an id matches no recipient that the action applies to, 2 for an unknown action
 * @throws StartupError with a sentence for the operator
 */
export async function runQueue(
  args: readonly string[],
  open: (url: string | undefined) => Promise<ServerClient>,
  out: Writable,
): Promise<number> {
  const [name = '', ...rest] = args
  const { values, positionals } = parseArgs({ args: [...rest], options, allowPositionals: true })
  if (name === 'list') {
    if (positionals.length > 0 || values.all || values.via !== undefined) {
      throw new StartupError('queue list accepts --state, --domain, --inbox and --json')
    }
    await list(await open(values.url), values, out)
    return 0
  }
  if (!isAction(name)) return 2
  const { state, domain, inbox, all, via } = values
  if (positionals.length === 0 && domain === undefined && inbox === undefined && !all) {
    throw new StartupError(`Select what to ${name}: recipient ids, --domain, --inbox, or --all`)
  }
  const ids = [...new Set(positionals)]
  const selection = {
    ...(ids.length > 0 && { recipient_ids: ids }),
    state,
    domain,
    inbox_id: inbox,
    all,
    route: via,
  }
  const { changed, busy } = await change(await open(values.url), name, selection)
  const unmatched = Math.max(0, ids.length - changed - busy) // a filter may match nothing, an id may not
  if (values.json) out.write(`${JSON.stringify({ changed, busy })}\n`)
  else {
    out.write(`${actions[name].done}: ${changed}\n`)
    if (name === 'release' && changed > 0) out.write(whereReleased(via))
    if (busy > 0) out.write(`Not changed, because delivery is in progress: ${busy}. Try again in a minute.\n`)
    if (unmatched > 0) out.write(`${actions[name].unmatched}: ${unmatched} of the ids given.\n`)
  }
  return unmatched > 0 ? 1 : 0
}

/**
 * Says where released mail goes. A release is how an operator lets a captured message out, so it does not obey MARTLET_OUTBOUND=capture
 * (mail/sending/targets/routing.ts). The server does not say how it is configured, and this command may run with other settings.
 */
function whereReleased(via: string | undefined): string {
  if (via === 'relay') return 'Mail to other domains will be sent through the relay.\n'
  if (via === 'direct') return 'Mail to other domains will be sent to their mail servers.\n'
  return `Mail to other domains will be sent, as MARTLET_OUTBOUND of the server says. If that is capture: through the relay of
MARTLET_RELAY_URL, or without one to the mail servers of the domains.
`
}

async function list(
  client: ServerClient,
  { state, domain, inbox, json }: { state?: string; domain?: string; inbox?: string; json?: boolean },
  out: Writable,
): Promise<void> {
  const query = new URLSearchParams({ limit: String(PAGE_ITEMS), ascending: 'true' })
  for (const [name, value] of Object.entries({ state, domain, inbox_id: inbox })) if (value) query.set(name, value)
  let count = 0
  for (;;) {
    const page = (await client.request('GET', `/v0/queue?${query}`)) as {
      recipients: readonly Recipient[]
      next_page_token?: string
    }
    if (json) for (const recipient of page.recipients) out.write(`${JSON.stringify(recipient)}\n`)
    else if (page.recipients.length > 0) out.write(table(page.recipients))
    count += page.recipients.length
    if (page.next_page_token === undefined) break
    query.set('page_token', page.next_page_token)
  }
  if (json) return
  const isFiltered = [state, domain, inbox].some((value) => value !== undefined)
  if (count === 0) out.write(isFiltered ? 'Nothing in the queue matches.\n' : 'The queue is empty.\n')
  const { paused_at } = (await client.request('GET', '/v0/outbound')) as { paused_at?: string }
  if (paused_at !== undefined) {
    out.write(`Outbound mail and webhooks are paused since ${paused_at}; end this with martlet resume\n`)
  }
}

function table(recipients: readonly Recipient[]): string {
  const rows = [
    ['ID', 'STATE', 'TO', 'FROM', 'SUBJECT', 'NEXT ATTEMPT', 'LAST REPLY'],
    ...recipients.map((each) => [
      each.recipient_id,
      each.state,
      each.recipient,
      each.inbox_id ?? '',
      each.subject ?? '',
      nextAttempt(each),
      each.delivering_to === undefined ? (each.last_reply ?? '') : `Now at ${each.delivering_to}`,
    ]),
  ].map((row) => row.map((text, column) => (column === row.length - 1 ? printable(text) : cell(text))))
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  return rows
    .map(
      (row) =>
        `${row
          .map((text, column) => text.padEnd(widths[column]!))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('')
}

function nextAttempt({ next_attempt_at, delivering_since }: Recipient): string {
  const seconds = (time: string) => time.replace(/\.\d+Z$/, 'Z')
  if (delivering_since !== undefined) return `since ${seconds(delivering_since)}`
  return next_attempt_at === undefined ? '' : seconds(next_attempt_at)
}

function cell(text: string): string {
  const plain = printable(text)
  return plain.length > COLUMN_CHARS_MAX ? `${plain.slice(0, COLUMN_CHARS_MAX - 1)}…` : plain
}

/**
 * Repeats the request until no recipient is left: one call changes a limited number of them.
 *
 * @returns how many recipients were changed, and how many were not because they are being delivered
 */
async function change(
  client: ServerClient,
  action: keyof typeof actions,
  selection: object,
): Promise<{ readonly changed: number; readonly busy: number }> {
  let changed = 0
  let busy = 0
  for (;;) {
    const answer = (await client.request('POST', `/v0/queue/${action}`, selection)) as {
      changed: number
      busy?: number
      more?: boolean
    }
    changed += answer.changed
    busy = answer.busy ?? 0
    if (!answer.more || answer.changed === 0) return { changed, busy }
  }
}

function isAction(name: string): name is keyof typeof actions {
  return Object.hasOwn(actions, name)
}
