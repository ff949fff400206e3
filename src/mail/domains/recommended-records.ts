/**
 * Records of a domain that help: by them mail programs find this server, and other servers learn that it has TLS. They are not checked,
 * and nothing depends on them. Pure.
 */
import { isLocalhost } from '../../host-name.ts'
import { type MailListeners, type MailService, mailServices } from './mail-services.ts'
import { type MtaStsMode, mtaStsRecord } from './mta-sts.ts'

export interface RecommendedRecord {
  readonly type: 'SRV' | 'CNAME' | 'TXT'
  readonly name: string
  /** Weight, port and host of an SRV record (RFC 2782); a host, or a text. */
  readonly value: string
  /** The priority of an SRV record. */
  readonly priority?: number
}

export interface RecommendingServer extends MailListeners {
  readonly publicUrl: string | undefined
  readonly mtaSts: MtaStsMode | 'off'
}

/** RFC 6186 §3.1, §3.2; RFC 8314 §5.1. */
const SERVICE_NAMES = { submission: '_submission', imap: '_imap' } as const
const HTTPS_PORT = 443

/** @returns empty if the server has no public name */
export function recommendedRecords(domain: string, server: RecommendingServer): RecommendedRecord[] {
  const { hostname, mtaSts } = server
  if (isLocalhost(hostname)) return []
  const services = mailServices(server)
  const web = webHost(server.publicUrl)
  return [
    ...services.map((service) => serviceRecord(domain, service)),
    ...(web === undefined || services.length === 0 ? [] : discoveryRecords(domain, web)),
    ...(web === undefined || mtaSts === 'off' ? [] : mtaStsRecords(domain, { hostname, web, mode: mtaSts })),
  ]
}

function serviceRecord(domain: string, { protocol, isImplicitTls, host, port }: MailService): RecommendedRecord {
  const service = `${SERVICE_NAMES[protocol]}${isImplicitTls ? 's' : ''}`
  const priority = isImplicitTls ? 0 : 1
  return { type: 'SRV', name: `${service}._tcp.${domain}`, value: `1 ${port} ${host}`, priority }
}

/**
 * Thunderbird asks autoconfig.DOMAIN. Outlook follows the SRV record to a name for which the proxy has a certificate already, so no alias
 * autodiscover.DOMAIN is needed.
 */
function discoveryRecords(domain: string, web: string): RecommendedRecord[] {
  return [
    { type: 'CNAME', name: `autoconfig.${domain}`, value: web },
    { type: 'SRV', name: `_autodiscover._tcp.${domain}`, value: `1 ${HTTPS_PORT} ${web}`, priority: 0 },
  ]
}

/** RFC 8461 §3.1, §3.3. */
function mtaStsRecords(
  domain: string,
  { hostname, web, mode }: { readonly hostname: string; readonly web: string; readonly mode: MtaStsMode },
): RecommendedRecord[] {
  return [
    { type: 'CNAME', name: `mta-sts.${domain}`, value: web },
    { type: 'TXT', name: `_mta-sts.${domain}`, value: mtaStsRecord(hostname, mode) },
  ]
}

/** @returns the host of the proxy that terminates TLS; undefined: there is none that others could use */
function webHost(publicUrl: string | undefined): string | undefined {
  const url = publicUrl === undefined ? undefined : new URL(publicUrl)
  const isReachable = url?.protocol === 'https:' && url.port === '' && !/^[\d.]+$|^\[/.test(url.hostname)
  return isReachable ? url.hostname : undefined
}
