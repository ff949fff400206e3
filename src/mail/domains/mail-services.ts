/**
 * Where mail programs reach this server from outside, whatever it listens on itself: for the SRV records of domains, and for the programs that ask
 * for their settings over HTTP. Pure.
 */
import type { MailServer } from '../../config/setting-readers.ts'
import { isLocalhost } from '../../host-name.ts'

export interface MailService extends MailServer {
  readonly protocol: 'submission' | 'imap'
  /** TLS with the first byte; otherwise STARTTLS. */
  readonly isImplicitTls: boolean
}

type Listener = number | 'off'

/** What a configuration says about the listeners of mail programs. */
export interface MailListeners {
  readonly hostname: string
  readonly submissionPort: Listener
  readonly submissionsPort: Listener
  /** Where a forwarder makes the first one reachable. */
  readonly publicSmtp?: MailServer | undefined
  readonly imapPort: Listener
  readonly imapsPort: Listener
  /** Where a forwarder makes the last one reachable. */
  readonly publicImap?: MailServer | undefined
}

/** @returns with implicit TLS first, which is preferred (RFC 8314 §3); empty if the server has no public name */
export function mailServices(listeners: MailListeners): MailService[] {
  const { hostname: host, submissionPort, submissionsPort, publicSmtp, imapPort, imapsPort, publicImap } = listeners
  if (isLocalhost(host)) return []
  const isOn = (listener: Listener) => listener !== 'off'
  return [
    ...(isOn(submissionsPort) ? [{ protocol: 'submission', isImplicitTls: true, host, port: 465 } as const] : []),
    ...(isOn(submissionPort)
      ? [{ protocol: 'submission', isImplicitTls: false, host, port: 587, ...publicSmtp } as const]
      : []),
    ...(isOn(imapsPort) ? [{ protocol: 'imap', isImplicitTls: true, host, port: 993, ...publicImap } as const] : []),
    ...(isOn(imapPort) ? [{ protocol: 'imap', isImplicitTls: false, host, port: 143 } as const] : []),
  ]
}
