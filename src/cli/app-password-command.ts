/** `martlet app-password`: creates, lists, rotates and deletes the app passwords of an inbox on the running server. */
import type { Writable } from 'node:stream'
import { parseArgs } from 'node:util'
import { StartupError } from '../errors.ts'
import type { ServerClient } from './server-client.ts'
import { printable } from './terminal-text.ts'
import { usage } from './usage.ts'

/** The fields of the server's answer that are shown. */
interface ShownPassword {
  readonly app_password_id: string
  readonly prefix: string
  readonly name: string
  readonly used_at?: string
  readonly expires_at?: string
}

const options = { name: { type: 'string' }, json: { type: 'boolean' }, url: { type: 'string' } } as const
const PAGE_ITEMS = 500
const WANTED: Readonly<Record<string, number>> = { create: 1, list: 1, rotate: 2, delete: 2 }

/**
 * @param open creates the client for a URL; undefined: the configured URL
 * @returns the exit code: 2 for an unknown action
 * @throws StartupError with a sentence for the operator
 */
export async function runAppPassword(
  args: readonly string[],
  open: (url: string | undefined) => Promise<ServerClient>,
  out: Writable,
): Promise<number> {
  const [action = '', ...rest] = args
  const { values, positionals } = parseArgs({ args: [...rest], options, allowPositionals: true })
  const wanted = WANTED[action]
  if (wanted === undefined) return 2
  if (positionals.length !== wanted) {
    const named = wanted === 2 ? 'an inbox and the id of its app password' : 'one inbox'
    throw new StartupError(`martlet app-password ${action} takes ${named}\n\n${usage('app-password').trimEnd()}`)
  }
  const [inbox, id] = positionals as [string, string?]
  const client = await open(values.url)
  const all = `/v0/inboxes/${encodeURIComponent(inbox)}/app-passwords`
  const one = `${all}/${encodeURIComponent(id ?? '')}`
  if (action === 'list') return list(client, all, values.json ?? false, out)
  if (action === 'delete') {
    await client.request('DELETE', one)
    return 0
  }
  const made =
    action === 'create'
      ? await client.request('POST', all, values.name === undefined ? {} : { name: values.name })
      : await client.request('POST', `${one}/rotate`)
  out.write(values.json ? `${JSON.stringify(made)}\n` : `${(made as { password: string }).password}\n`)
  return 0
}

async function list(client: ServerClient, path: string, isJson: boolean, out: Writable): Promise<number> {
  const query = new URLSearchParams({ limit: String(PAGE_ITEMS), ascending: 'true' })
  for (;;) {
    const page = (await client.request('GET', `${path}?${query}`)) as {
      app_passwords: readonly ShownPassword[]
      next_page_token?: string
    }
    for (const shown of page.app_passwords) out.write(isJson ? `${JSON.stringify(shown)}\n` : `${lineOf(shown)}\n`)
    if (page.next_page_token === undefined) return 0
    query.set('page_token', page.next_page_token)
  }
}

/** The name is a client's text. */
function lineOf({ app_password_id, prefix, name, used_at, expires_at }: ShownPassword): string {
  const used = used_at === undefined ? 'never used' : `used ${used_at}`
  return `${app_password_id}  ${prefix}…  ${used}${expires_at === undefined ? '' : `, expires ${expires_at}`}  ${printable(name)}`
}
