/**
 * Routes that other programs call for a domain, without a key: the settings of mail programs (Thunderbird's autoconfig, Microsoft's
 * Autodiscover), and the MTA-STS policy for servers that send mail to the domain (RFC 8461 §3.2). They reveal nothing that is not in DNS.
 *
 * The domain is in Host, so the proxy in front must pass it on; for Autodiscover it is that of the address.
 */
import { MailError } from '../../../errors.ts'
import { normaliseAddress, normaliseDomain, splitAddress } from '../../../formats/address/address.ts'
import { autoconfigXml, type DiscoveredServer } from '../../../formats/discovery/autoconfig.ts'
import { autodiscoverAddress, autodiscoverXml } from '../../../formats/discovery/autodiscover.ts'
import type { HttpApp } from './http-dialect.ts'

export interface Discovery {
  /** Empty: mail programs cannot reach this server. */
  readonly servers: readonly DiscoveredServer[]
  /** Whether a domain is one of this server, perhaps for sending only. */
  isHeld(domain: string): Promise<boolean>
  /** Whether mail for the domain is received here. */
  isOurs(domain: string): Promise<boolean>
  /** undefined: off. */
  readonly mtaStsPolicy: string | undefined
}

const REQUEST_BYTES_MAX = 16 * 1024
const XML = 'application/xml; charset=utf-8'

export function discoveryRoutes(app: HttpApp, discovery: Discovery): void {
  const { servers, mtaStsPolicy, isHeld, isOurs } = discovery

  app.get('/.well-known/mta-sts.txt', async ({ headers }, reply) => {
    const domain = belowLabel('mta-sts', headers.host)
    if (mtaStsPolicy === undefined || domain === undefined || !(await isOurs(domain))) throw notFound()
    return reply.type('text/plain; charset=utf-8').send(mtaStsPolicy)
  })

  for (const path of ['/mail/config-v1.1.xml', '/.well-known/autoconfig/mail/config-v1.1.xml']) {
    app.get<{ Querystring: { emailaddress?: unknown } }>(path, async ({ headers, query }, reply) => {
      // The second path is asked for at the domain itself, which may be an alias of this server.
      const domain = belowLabel('autoconfig', headers.host) ?? domainOf(query.emailaddress) ?? hostOf(headers.host)
      if (servers.length === 0 || domain === undefined || !(await isHeld(domain))) throw notFound()
      return reply.type(XML).send(autoconfigXml(domain, servers))
    })
  }

  for (const path of ['/autodiscover/autodiscover.xml', '/Autodiscover/Autodiscover.xml']) {
    const options = { bodyLimit: REQUEST_BYTES_MAX, config: { rawBody: true, access: 'public' } } as const
    app.post<{ Body: Buffer }>(path, options, async ({ body }, reply) => {
      const address = Buffer.isBuffer(body) ? normaliseAddress(autodiscoverAddress(body.toString()) ?? '') : undefined
      if (servers.length === 0 || address === undefined || !(await isHeld(splitAddress(address).domain)))
        throw notFound()
      return reply.type(XML).send(autodiscoverXml(address, servers))
    })
  }
}

/** @returns the domain whose subdomain with this label is the host */
function belowLabel(label: string, host: string | undefined): string | undefined {
  const name = hostOf(host)
  return name?.startsWith(`${label}.`) ? name.slice(label.length + 1) : undefined
}

/** @param host with or without a port */
function hostOf(host: string | undefined): string | undefined {
  return normaliseDomain((host ?? '').replace(/:\d{1,5}$/, '').replace(/\.$/, ''))
}

/** @param address of a query: anything */
function domainOf(address: unknown): string | undefined {
  const normalised = typeof address === 'string' ? normaliseAddress(address) : undefined
  return normalised === undefined ? undefined : splitAddress(normalised).domain
}

function notFound(): MailError {
  return new MailError('not_found', { what: 'Page' })
}
