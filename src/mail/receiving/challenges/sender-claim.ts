/**
 * What a sender can confirm when no domain confirms its message: that it writes from this address, and from where the message
 * came (docs/adr/0067). Pure.
 *
 * An address alone would be worth nothing: everyone can write it into From. So a claim has an origin too, which others cannot
 * choose freely: the domain that signed the message, or else the network address of the client.
 */
import { type Address, normaliseAddress } from '../../../formats/address/address.ts'
import { networkOf } from '../../../formats/address/peer-network.ts'
import type { Authentication } from '../../messages/authentication.ts'
import { singleFromDomain } from '../authentication/from-domains.ts'

export interface ClaimingMail {
  /** The envelope sender. */
  readonly sender: string
  /** The addresses of From, as readers see it. */
  readonly from: readonly Address[]
  readonly authentication: Authentication
  /** The From is in a domain of this server, which would have confirmed it. */
  readonly isFromOwnDomain: boolean
  /** The peer's IP address; undefined for local delivery. */
  readonly remoteAddress: string | undefined
}

/**
 * @returns "<origin> <address>"; undefined if the sender is authenticated, if its domain says in any way how its mail can be
 *   recognised, or if the claim would be ambiguous
 */
export function senderClaim(
  { sender, from, authentication, isFromOwnDomain, remoteAddress }: ClaimingMail,
  charsMax: number,
): string | undefined {
  const domain = singleFromDomain(from) // undefined for several addresses
  const address = normaliseAddress(from[0]?.address ?? '')
  // RFC 3834 §4: an answer is sent to the return path. Here it must be the address that readers see.
  if (domain === undefined || address !== normaliseAddress(sender)) return undefined
  // The domain that was looked up must be the one of this address.
  if (domain !== authentication.fromDomain || isFromOwnDomain || remoteAddress === undefined) return undefined
  if (!isUnprotected(authentication)) return undefined
  const claim = `${originOf(authentication, remoteAddress)} ${address}`
  return claim.length <= charsMax ? claim : undefined
}

/** The two parts of a claim. */
export function partsOf(claim: string): { readonly origin: string; readonly address: string } {
  const end = claim.indexOf(' ')
  return { origin: claim.slice(0, end), address: claim.slice(end + 1) }
}

/**
 * Whether the domain of From leaves open who may write for it. A domain with a DMARC record, an SPF record that does not permit the
 * client, or a signature that does not match, disagrees with the message: it is probably forged, and the owner of the
 * address should not even be asked.
 */
function isUnprotected({ result, spf, dkim = [], dmarc }: Authentication): boolean {
  return (
    (result === 'unauthenticated' || result === 'unverified') &&
    dmarc?.result === 'none' &&
    (spf?.result === 'none' || spf?.result === 'neutral') &&
    !dkim.some(({ isAligned }) => isAligned)
  )
}

/** A domain name as text: a claim ends its origin with a space. */
const NAME = /^[a-z\d._-]+$/

function originOf({ dkim = [] }: Authentication, remoteAddress: string): string {
  const signed = dkim.flatMap(({ result, domain = '' }) => (result === 'pass' ? domain.toLowerCase() : []))
  // The order of several signatures may differ between messages.
  const [first] = signed.filter((domain) => NAME.test(domain)).toSorted()
  return first === undefined ? `network:${networkOf(remoteAddress)}` : `signed:${first}`
}
