/**
 * What is known about who wrote a message: stored with it, and shown to clients. Types only; mail/receiving/authentication/
 * finds it out.
 */

/**
 * - `own`: sent by this inbox; `local`: by another inbox of this server; `trusted`: by a client in a network that the operator
 *   trusts. Nothing was checked.
 * - `pass`: the domain of From has confirmed the message, by a signature or by the address that it came from.
 * - `fail`: it has not, and its DMARC policy asks to quarantine or reject such mail.
 * - `unverified`: another domain has confirmed it.
 * - `unauthenticated`: no domain has confirmed it; or it uses a domain of this server without having the right to; or the From
 *   is missing or ambiguous.
 * - `temperror`: a DNS failure; it may or may not be authentic.
 */
export type AuthenticationResult =
  | 'own'
  | 'local'
  | 'trusted'
  | 'pass'
  | 'fail'
  | 'unverified'
  | 'unauthenticated'
  | 'temperror'

export interface Authentication {
  readonly result: AuthenticationResult
  /** Why, for people. */
  readonly reason?: string
  /** The domain of From that was compared; missing if the message has no From, or several. */
  readonly fromDomain?: string
  readonly spf?: SpfFinding
  /** In the order of the header; empty if the message is not signed. */
  readonly dkim?: readonly DkimFinding[]
  readonly dmarc?: DmarcFinding
  readonly arc?: ArcFinding
  readonly iprev?: IprevFinding
  /** A stranger's From is in a domain of the inbox's own organization, or in the shared one. */
  readonly ownDomainUnverified?: true
}

/** RFC 8601 §2.7. */
interface Finding<Result extends string> {
  readonly result: Result
  readonly reason?: string
}

export interface SpfFinding
  extends Finding<'pass' | 'fail' | 'softfail' | 'neutral' | 'none' | 'temperror' | 'permerror'> {
  /** The domain of the envelope sender, or the name in EHLO if the sender is empty. */
  readonly domain?: string
  readonly identity: 'mailfrom' | 'helo'
  /** Whether the domain is that of From, as its DMARC record demands. */
  readonly isAligned: boolean
}

export interface DkimFinding extends Finding<'pass' | 'fail' | 'policy' | 'temperror' | 'permerror'> {
  readonly domain?: string
  readonly selector?: string
  readonly algorithm?: string
  readonly isAligned: boolean
}

export type DmarcPolicy = 'none' | 'quarantine' | 'reject'

export interface DmarcFinding extends Finding<'pass' | 'fail' | 'none' | 'temperror' | 'permerror'> {
  /** Whose record it is: the domain of From, or the organizational domain above it. */
  readonly domain?: string
  /** What the record asks for. */
  readonly policy?: DmarcPolicy
  /** What it asks for this message: less than `policy` for the share that pct= leaves out. */
  readonly applied?: DmarcPolicy
}

export interface ArcFinding extends Finding<'pass' | 'fail' | 'none' | 'temperror'> {
  /** The domains of the seals, from the first one on. */
  readonly sealers?: readonly string[]
  /** The operator trusts all of them, and the first one found the sender authentic. */
  readonly isTrusted?: true
}

export interface IprevFinding extends Finding<'pass' | 'fail' | 'temperror'> {
  /** The name of the client's address. */
  readonly name?: string
}
