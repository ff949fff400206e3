/**
 * `martlet domain`: lists the domains of the organization on the running server, adds one, and checks its DNS records: it
 * shows the expected value beside the one in DNS.
 */
import type { Writable } from 'node:stream'
import { parseArgs } from 'node:util'
import { StartupError } from '../errors.ts'
import { isLocalhost } from '../host-name.ts'
import { isOutranked } from '../mail/domains/domain-records.ts'
import { RequestRejected, type ServerClient } from './server-client.ts'
import { printable } from './terminal-text.ts'

/** The fields of the server's answer that are shown. */
interface ShownDomain {
  readonly domain: string
  readonly status: string
  readonly reason?: string
  readonly usable_until?: string
  readonly records: readonly {
    readonly type: 'MX' | 'TXT'
    readonly name: string
    readonly value: string
    readonly priority?: number
    readonly status: string
    readonly reason?: string
    readonly seen: readonly { readonly value: string; readonly priority?: number }[]
  }[]
  readonly recommended_records?: readonly {
    readonly type: string
    readonly name: string
    readonly value: string
    readonly priority?: number
  }[]
}

const options = { 'send-only': { type: 'boolean' }, json: { type: 'boolean' }, url: { type: 'string' } } as const
const PAGE_ITEMS = 500

/**
 * @param open creates the client for a URL; undefined: the configured URL
 * @returns the exit code: 1 if a checked domain is not verified, 2 for an unknown action
 * @throws StartupError with a sentence for the operator
 */
export async function runDomain(
  args: readonly string[],
  open: (url: string | undefined) => Promise<ServerClient>,
  out: Writable,
): Promise<number> {
  const [action = '', ...rest] = args
  const { values, positionals } = parseArgs({ args: [...rest], options, allowPositionals: true })
  const [domain] = positionals
  if (action === 'list' && positionals.length === 0) return list(await open(values.url), values, out)
  if (!['add', 'check'].includes(action)) return 2
  if (domain === undefined || positionals.length > 1) throw new StartupError(`Name one domain to ${action}`)
  const isSendOnly = values['send-only'] === true
  if (isSendOnly && action !== 'add') throw new StartupError('--send-only is an option of martlet domain add')
  const client = await open(values.url)
  const path = `/v0/domains/${encodeURIComponent(domain)}`
  if (action === 'check') await verify(client, path)
  const shown = (
    action === 'add' ? await add(client, domain, isSendOnly) : await client.request('GET', path)
  ) as ShownDomain
  if (values.json) out.write(`${JSON.stringify(shown)}\n`)
  else out.write(action === 'add' ? instructions(shown) : report(shown))
  return action === 'check' && shown.status !== 'VERIFIED' ? 1 : 0
}

async function verify(client: ServerClient, path: string): Promise<void> {
  try {
    await client.request('POST', `${path}/verify`)
  } catch (error) {
    if (!(error instanceof RequestRejected) || error.code !== 'not_found') throw error
    const advice =
      'martlet domain list shows all domains; martlet check looks at the one of the server itself (MARTLET_DOMAIN)'
    throw new RequestRejected(`${error.message}. ${advice}`, error.code)
  }
}

/** A repeated call shows the records again. */
async function add(client: ServerClient, domain: string, isSendOnly: boolean): Promise<unknown> {
  try {
    return await client.request('POST', '/v0/domains', { domain, ...(isSendOnly && { inbound_enabled: false }) })
  } catch (error) {
    if (!(error instanceof RequestRejected) || error.code !== 'resource_taken') throw error
    const path = `/v0/domains/${encodeURIComponent(domain)}`
    return isSendOnly ? client.request('PATCH', path, { inbound_enabled: false }) : client.request('GET', path)
  }
}

async function list(client: ServerClient, { json }: { json?: boolean }, out: Writable): Promise<number> {
  const query = new URLSearchParams({ limit: String(PAGE_ITEMS), ascending: 'true' })
  let count = 0
  for (;;) {
    const page = (await client.request('GET', `/v0/domains?${query}`)) as {
      domains: readonly { domain: string }[]
      next_page_token?: string
    }
    for (const { domain } of page.domains) {
      const shown = (await client.request('GET', `/v0/domains/${encodeURIComponent(domain)}`)) as ShownDomain
      out.write(json ? `${JSON.stringify(shown)}\n` : `${shown.domain}  ${stateOf(shown)}\n`)
    }
    count += page.domains.length
    if (page.next_page_token === undefined) break
    query.set('page_token', page.next_page_token)
  }
  if (count === 0 && !json) out.write('There are no domains; add one with martlet domain add example.com\n')
  return 0
}

function stateOf({ status, reason, usable_until }: ShownDomain): string {
  const until = usable_until === undefined ? '' : `, used until ${usable_until}`
  return `${status}${reason === undefined ? '' : ` (${reason})`}${until}`
}

function instructions(shown: ShownDomain): string {
  const records = shown.records.map(({ type, name, value, priority }) => `${name} ${type} ${data(value, priority)}`)
  const recommended = (shown.recommended_records ?? []).map(
    ({ type, name, value, priority }) => `  ${name} ${type} ${type === 'CNAME' ? value : data(value, priority)}`,
  )
  const has = (isWanted: (record: ShownDomain['records'][number]) => boolean) => shown.records.some(isWanted)
  const advice = [
    ...(has(({ type }) => type === 'MX')
      ? [
          'The MX record moves all mail of the domain to this server. If other servers receive mail for it, add a subdomain instead,',
          `or only send from it: martlet domain add ${shown.domain} --send-only`,
        ]
      : []),
    ...(has(({ value }) => value.startsWith('v=spf1 '))
      ? ['A name has one SPF record: if there is one, insert the second word of the one above into it.']
      : []),
    'p=none and p=quarantine are accepted, too: p=reject also applies to the mail that other servers send from the domain.',
  ]
  const isUnreachable = shown.records.some(({ type, value }) => type === 'MX' && isLocalhost(value))
  return [
    ...(isUnreachable ? ['No other server can reach this one under its name: set MARTLET_HOSTNAME first.'] : []),
    'Publish these DNS records:',
    ...records.map((line) => `  ${line}`),
    ...advice,
    ...(recommended.length === 0
      ? []
      : ['These help mail programs and other servers; they are not checked:', ...recommended]),
    `Then run: martlet domain check ${shown.domain}`,
    '',
  ].join('\n')
}

/** Shows each record; the value in DNS only if it is not the right one. It is a stranger's text. */
function report(shown: ShownDomain): string {
  const lines = shown.records.flatMap(({ type, name, value, priority, status, reason, seen }) => {
    const title = `${status.padEnd(8)} ${name} ${type}${reason === undefined ? '' : ` (${reason})`}`
    if (status === 'VALID') return [title]
    const found = seen.map((each) => `         in DNS    ${printable(data(each.value, each.priority))}`)
    return [
      title,
      `         expected  ${data(value, priority)}`,
      ...(found.length > 0 ? found : ['         in DNS    nothing']),
      ...(isOutranked({ type, value }, seen)
        ? ['         another MX is preferred: senders use the lowest number first']
        : []),
    ]
  })
  return [`${shown.domain}  ${stateOf(shown)}`, ...lines, ''].join('\n')
}

function data(value: string, priority: number | undefined): string {
  return priority === undefined ? `"${value}"` : `${priority} ${value}`
}
