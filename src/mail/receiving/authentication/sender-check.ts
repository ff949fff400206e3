/**
 * Finds out who wrote a message from another server: SPF, DKIM, DMARC, ARC and the name of the client's address (docs/adr/0048).
 *
 *   begin: SPF and iprev, while the message arrives → finish: signatures, DMARC, ARC → one result
 *
 * It decides nothing: ../policy/delivery-verdict.ts does. A DNS failure is a temperror: never a pass, and no reason to refuse
 * the message. Mail from our own queue and from clients that the operator trusts is not checked, and no DNS is asked.
 */
import type { Config } from '../../../config/settings.ts'
import { bareIp, ipList, isListed } from '../../../formats/address/ip-address.ts'
import { networkOf } from '../../../formats/address/peer-network.ts'
import type { SenderEvidence } from '../../../formats/dkim/sender-evidence.ts'
import type { CachedDns } from '../../../net/dns/dns-cache.ts'
import type { DomainOwner, DomainOwners } from '../../domains/domain-owners.ts'
import type { Authentication, IprevFinding } from '../../messages/authentication.ts'
import type { Arrival, Envelope } from '../arrival.ts'
import { checkArc } from './arc-check.ts'
import { createSignatureChecks } from './dkim-check.ts'
import { checkDmarc } from './dmarc-check.ts'
import { shownDomains, singleFromDomain } from './from-domains.ts'
import { inTime, LATE } from './in-time.ts'
import { checkIprev } from './iprev-check.ts'
import type { SpfResult } from './spf-check.ts'
import { createSpfVerdicts } from './spf-verdicts.ts'

export interface SenderChecks {
  /** Starts the checks that need only the envelope. */
  begin(arrival: Arrival, envelope: Envelope): SenderCheck
}

export interface SenderCheck {
  /** The result for senders that are not checked; then `finish` must not be called. */
  readonly known?: CheckedSender
  /**
   * Never rejects because of DNS.
   *
   * @param evidence undefined if the message could not be read
   * @throws unavailable when the store cannot be read
   */
  finish(evidence: SenderEvidence | undefined): Promise<CheckedSender>
}

export interface CheckedSender {
  readonly authentication: Authentication
  /** The domain for which the sender is authenticated: that of the only From address. */
  readonly verifiedDomain?: string
  /** It counts as authenticated for the domain of From, whatever that is. */
  readonly isTrusted?: true
  /** The organizations whose domain the From uses without having the right to; null: the shared domain. */
  readonly owners: ReadonlySet<DomainOwner>
}

interface SenderChecksNeeds {
  readonly config: Pick<Config, 'hostname' | 'trustedNetworks' | 'arcSealers' | 'limits'>
  readonly dns: CachedDns
  readonly domainOwners: DomainOwners
  /** Epoch ms. */
  readonly wallClock: () => number
  readonly random: () => number
}

/** DNS for one message. */
interface ClientDns {
  readonly dns: CachedDns
  /** The network from which it came. */
  readonly client: string
}

const NO_OWNERS: ReadonlySet<DomainOwner> = new Set()

export function createSenderChecks(needs: SenderChecksNeeds): SenderChecks {
  const { config, domainOwners, wallClock, random } = needs
  const { limits, hostname, arcSealers: trustedSealers } = config
  const trusted = ipList(config.trustedNetworks)
  const { dnsMs } = limits.authentication
  const signatures = createSignatureChecks({ dns: needs.dns, limits })
  const spfVerdicts = createSpfVerdicts({ hostname, limits })

  return {
    begin({ protocol, remoteAddress = '', helo = '' }, { sender }) {
      if (protocol === 'local') return known('local', 'from an inbox of this server')
      const ipAddress = bareIp(remoteAddress)
      if (isListed(trusted, ipAddress)) return known('trusted', `from ${ipAddress}, in a trusted network`)
      const client = networkOf(ipAddress)
      const dns: CachedDns = { query: (name, type) => needs.dns.query(name, type, client) }
      const early = Promise.all([
        inTime<SpfResult>(spfVerdicts.check({ ipAddress, helo, sender }, dns), dnsMs, () => ({
          ...{ result: 'temperror', identity: sender === '' ? 'helo' : 'mailfrom', reason: LATE },
        })),
        inTime<IprevFinding>(checkIprev(ipAddress, dns), dnsMs, () => ({ result: 'temperror', reason: LATE })),
      ])
      early.catch(() => undefined) // `finish` reports it, unless the message breaks off
      return {
        async finish(evidence) {
          const [spf, iprev] = await early
          return check(evidence, spf, iprev, { dns, client })
        },
      }
    },
  }

  async function check(
    evidence: SenderEvidence | undefined,
    spf: SpfResult,
    iprev: IprevFinding,
    { dns, client }: ClientDns,
  ): Promise<CheckedSender> {
    if (!evidence) {
      const reason = 'the message could not be read in time'
      return {
        authentication: { result: 'unauthenticated', reason, spf: { ...spf, isAligned: false }, iprev },
        owners: NO_OWNERS,
      }
    }
    const nowSeconds = Math.floor(wallClock() / 1_000)
    const claimed = evidence.fromFieldCount === 1 ? singleFromDomain(evidence.from) : undefined
    const [dkim, arc] = await Promise.all([
      signatures.checkDkim(evidence, nowSeconds, client),
      checkArc(evidence.arc, claimed, { signatures, trustedSealers, nowSeconds, client }),
    ])
    const evaluated = claimed === undefined ? undefined : await checkDmarc(claimed, spf, dkim, { dns, limits, random })
    // What was not read may be another From. It takes from this one that it is confirmed, but not its policy.
    const isUncertain = evidence.isHeaderCut && evaluated?.isPass === true
    const fromDomain = isUncertain ? undefined : claimed
    const dmarc = isUncertain ? undefined : evaluated
    const findings = {
      ...(fromDomain !== undefined && { fromDomain }),
      spf: { ...spf, isAligned: dmarc?.isSpfAligned === true },
      dkim: dkim.map((one, index) => ({ ...one, isAligned: dmarc?.isDkimAligned[index] === true })),
      ...(dmarc && { dmarc: dmarc.finding }),
      arc,
      iprev,
    }
    if (fromDomain !== undefined && dmarc?.isPass)
      return { authentication: { result: 'pass', ...findings }, verifiedDomain: fromDomain, owners: NO_OWNERS }
    if (fromDomain !== undefined && arc.isTrusted) {
      const reason = 'a trusted server that forwarded the message found it authentic'
      return { authentication: { result: 'pass', reason, ...findings }, verifiedDomain: fromDomain, owners: NO_OWNERS }
    }
    const owners = await domainOwners.find(shownDomains(evidence.from))
    return { authentication: { ...unconfirmed(findings, evidence, owners), ...findings }, owners }
  }
}

function known(result: 'local' | 'trusted', reason: string): SenderCheck {
  const checked: CheckedSender = { authentication: { result, reason }, isTrusted: true, owners: NO_OWNERS }
  return { known: checked, finish: async () => checked }
}

type Findings = Pick<Authentication, 'fromDomain' | 'spf' | 'dkim' | 'dmarc'>

/** The result of a message that the domain of From has not confirmed. */
function unconfirmed(
  { fromDomain, spf, dkim = [], dmarc }: Findings,
  evidence: SenderEvidence,
  owners: ReadonlySet<DomainOwner>,
): Pick<Authentication, 'result' | 'reason'> {
  if (dmarc?.result === 'fail' && dmarc.applied !== 'none')
    return { result: 'fail', reason: `the domain of From asks to ${dmarc.applied} what it has not confirmed` }
  if (dmarc?.result === 'temperror') return { result: 'temperror', reason: dmarc.reason ?? LATE }
  if (owners.size > 0) return { result: 'unauthenticated', reason: 'a stranger uses a domain of this server' }
  // Otherwise a second From would be a way around the policy of the domain in the first one (RFC 7489 §6.6.1).
  if (fromDomain === undefined) return { result: 'unauthenticated', reason: whyNoDomain(evidence) }
  const all = [spf!, ...dkim]
  if (all.some(({ result }) => result === 'pass'))
    return { result: 'unverified', reason: 'another domain than that of From has confirmed the message' }
  if (all.some(({ result }) => result === 'temperror')) return { result: 'temperror', reason: 'a DNS failure' }
  return { result: 'unauthenticated', reason: 'neither SPF nor DKIM passes' }
}

function whyNoDomain({ fromFieldCount, from, isHeaderCut }: SenderEvidence): string {
  if (fromFieldCount > 1) return 'the message has several From fields'
  if (from.length > 1) return 'the From has several addresses'
  return isHeaderCut ? 'the header is too large to be verified' : 'the message has no From with a valid address'
}
