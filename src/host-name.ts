/** Rules for host names that several layers apply in the same way. Pure. */

/** Whether the name always means this machine (RFC 6761 §6.3): localhost, or a name that ends with .localhost. */
export function isLocalhost(name: string): boolean {
  return /(?:^|\.)localhost\.?$/i.test(name)
}

/** Returns the host of a URL as other APIs accept it: an IPv6 address without brackets. */
export function withoutBrackets(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '')
}

/** Returns the name in lower case and without the dot of a fully qualified name (RFC 1034 §3.1), to compare it. */
export function bareHostName(name: string): string {
  return name.toLowerCase().replace(/\.$/, '')
}
