/**
 * Finds the organizational domain of a name: its public suffix and one label more (RFC 7489 §3.2), by the public suffix list
 * with its private section, so that users of github.io cannot write as each other.
 *
 * DMARCbis (RFC 9989 §4.10) walks up the DNS tree instead, and needs no list: it finds the same domain, unless a registry
 * or an owner of a subdomain publishes psd=.
 */

/** 200 KB of data, which a start does not load. */
let list: Promise<typeof import('tldts')> | undefined

/** @returns the name itself if it is a public suffix, or is not a name */
export async function organizationalDomain(domain: string): Promise<string> {
  list ??= import('tldts')
  const { getDomain } = await list
  return getDomain(domain, { allowPrivateDomains: true }) ?? domain
}
