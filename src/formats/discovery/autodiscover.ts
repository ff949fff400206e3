/** Requests and responses of Autodiscover in its XML form (MS-OXDSCLI §2.2.3, §2.2.4), as far as Outlook needs it for SMTP and IMAP. Pure. */
import { escapeHtml } from '../html/escape-html.ts'
import type { DiscoveredServer } from './autoconfig.ts'

/** Longer than any address. */
const ADDRESS = /<(?:\w{1,20}:)?EMailAddress>\s{0,20}([^<>\s]{3,320})\s{0,20}</i

/** @returns the address in a request, as written; undefined if there is none */
export function autodiscoverAddress(request: string): string | undefined {
  return ADDRESS.exec(request)?.[1]
}

const TYPES = { submission: 'SMTP', imap: 'IMAP' } as const

export function autodiscoverXml(address: string, servers: readonly DiscoveredServer[]): string {
  const blocks = servers.map(
    ({ protocol, host, port, isImplicitTls }) => `      <Protocol>
        <Type>${TYPES[protocol]}</Type>
        <Server>${escapeHtml(host)}</Server>
        <Port>${port}</Port>
        <DomainRequired>off</DomainRequired>
        <LoginName>${escapeHtml(address)}</LoginName>
        <SPA>off</SPA>
        <SSL>on</SSL>
        <Encryption>${isImplicitTls ? 'SSL' : 'TLS'}</Encryption>
        <AuthRequired>on</AuthRequired>
      </Protocol>
`,
  )
  return `<?xml version="1.0" encoding="utf-8"?>
<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006">
  <Response xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a">
    <Account>
      <AccountType>email</AccountType>
      <Action>settings</Action>
${blocks.join('')}    </Account>
  </Response>
</Autodiscover>
`
}
