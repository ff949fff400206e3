/** Why there is no connection to a mail server of a domain. */
export type MxFailureKind =
  | 'no_such_domain' // DNS says that the name does not exist
  | 'no_mail_server' // the domain exists, but has neither a mail server nor an address
  | 'null_mx' // the domain declares that it accepts no mail (RFC 7505)
  | 'loop' // its mail server is this server
  | 'private_network' // all its mail servers are in networks to which we must not connect
  | 'dns_failed' // DNS did not answer
  | 'unreachable' // no mail server accepted the connection

/** Thrown when there is no connection to any (further) mail server. */
export class MxFailure extends Error {
  override readonly name = 'MxFailure'
  readonly kind: MxFailureKind
  /** The reason, as the second half of a sentence about the domain. Not `message`, because mx-connect changes that. */
  readonly detail: string

  constructor(kind: MxFailureKind, detail: string, options?: ErrorOptions) {
    super(detail, options)
    this.kind = kind
    this.detail = detail
  }
}

export function privateNetworkFailure(ipAddress: string): MxFailure {
  return new MxFailure('private_network', `its mail server [${ipAddress}] is in a private network`)
}
