/**
 * The address of the client of a request. Only proxies that the operator trusts can name another client than the peer of
 * the connection, with X-Forwarded-For; from others the header is a claim, and ignored (docs/adr/0047).
 */
import type { IncomingMessage } from 'node:http'
import { BlockList, isIP } from 'node:net'

export type ClientAddress = (request: Pick<IncomingMessage, 'headers' | 'socket'>) => string

/** @param trustedProxies addresses and CIDR ranges, checked (MARTLET_TRUSTED_PROXIES) */
export function createClientAddress(trustedProxies: readonly string[]): ClientAddress {
  const trusted = new BlockList()
  for (const each of trustedProxies) {
    const [address = '', bits] = each.split('/')
    const family = familyOf(address)
    if (bits === undefined) trusted.addAddress(address, family)
    else trusted.addSubnet(address, Number(bits), family)
  }

  return ({ headers, socket }) => {
    let client = plainAddress(socket.remoteAddress ?? '') // '': the connection is already closed
    const forwarded = headers['x-forwarded-for']
    if (forwarded === undefined || trustedProxies.length === 0) return client
    // Each proxy appends its peer: from right to left, the first address that is no trusted proxy is the client. What is
    // left of it was written by the client. Node joins repeated header fields in their order.
    const hops = String(forwarded).split(',')
    while (hops.length > 0 && isTrusted(client)) {
      const hop = plainAddress(hops.pop()!.trim())
      if (isIP(hop) === 0) break // the proxy does not say who its peer was
      client = hop
    }
    return client
  }

  function isTrusted(address: string): boolean {
    return isIP(address) !== 0 && trusted.check(address, familyOf(address))
  }
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIP(address) === 4 ? 'ipv4' : 'ipv6'
}

/** Removes brackets and a port, which some proxies write, a zone, and the notation for IPv4 in IPv6 (RFC 4291 §2.5.5.2). */
function plainAddress(text: string): string {
  return text
    .replace(/^\[([^\]]*)\](?::\d{1,5})?$/, '$1')
    .replace(/^((?:\d{1,3}\.){3}\d{1,3}):\d{1,5}$/, '$1')
    .replace(/%.*$/, '')
    .replace(/^::ffff:(?=(?:\d{1,3}\.){3}\d{1,3}$)/i, '')
}
