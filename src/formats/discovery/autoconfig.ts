/**
 * The settings of a domain for Thunderbird and other programs that read its format (Thunderbird's Autoconfiguration, config-v1.1.xml).
 * Pure.
 */
import { escapeHtml } from '../html/escape-html.ts'

/** A server as mail programs reach it. */
export interface DiscoveredServer {
  readonly protocol: 'submission' | 'imap'
  readonly host: string
  readonly port: number
  /** TLS with the first byte; otherwise STARTTLS. */
  readonly isImplicitTls: boolean
}

const ELEMENTS = {
  submission: { name: 'outgoingServer', type: 'smtp' },
  imap: { name: 'incomingServer', type: 'imap' },
} as const

export function autoconfigXml(domain: string, servers: readonly DiscoveredServer[]): string {
  const blocks = servers.map(({ protocol, host, port, isImplicitTls }) => {
    const { name, type } = ELEMENTS[protocol]
    return `    <${name} type="${type}">
      <hostname>${escapeHtml(host)}</hostname>
      <port>${port}</port>
      <socketType>${isImplicitTls ? 'SSL' : 'STARTTLS'}</socketType>
      <authentication>password-cleartext</authentication>
      <username>%EMAILADDRESS%</username>
    </${name}>
`
  })
  return `<?xml version="1.0" encoding="UTF-8"?>
<clientConfig version="1.1">
  <emailProvider id="${escapeHtml(domain)}">
    <domain>${escapeHtml(domain)}</domain>
    <displayName>${escapeHtml(domain)}</displayName>
    <displayShortName>${escapeHtml(domain)}</displayShortName>
${blocks.join('')}  </emailProvider>
</clientConfig>
`
}
