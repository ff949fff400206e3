/**
 * The checks of a received message before it is parsed: who wrote it (authentication/), what becomes of it (policy/), and the
 * trace fields that say so. Called by receiving.ts.
 */
import type { Config } from '../../config/settings.ts'
import { MailError } from '../../errors.ts'
import { bareIp } from '../../formats/address/ip-address.ts'
import { traceHeaders } from '../../formats/mime/trace-headers.ts'
import { type Log, loggedAddresses } from '../../log.ts'
import type { Metrics } from '../../metrics.ts'
import type { Authentication } from '../messages/authentication.ts'
import type { MailParser } from '../messages/content/mail-parser.ts'
import type { ArrivedMail, CheckedMail, PreparedContent } from '../messages/content/prepared-content.ts'
import type { Arrival, Envelope } from './arrival.ts'
import { singleFromDomain } from './authentication/from-domains.ts'
import { forgedParts, resultsField } from './authentication/results-field.ts'
import type { CheckedSender, SenderChecks } from './authentication/sender-check.ts'
import { decideFiling, type FilingDecision, withSpam } from './policy/delivery-verdict.ts'
import type { ReceivingRates } from './policy/receiving-rates.ts'
import type { SpamChecker, SuspectMail } from './spam/spam-checker.ts'

export interface Checks {
  readonly sender: CheckedSender
  readonly decision: FilingDecision
}

export interface MessageChecks {
  /** Starts the checks that need only the envelope. */
  begin(arrival: Arrival, envelope: Envelope, fairnessKey: string): BegunChecks
}

interface BegunChecks {
  /** The fields to put before the message, as far as they are known before it arrives. */
  readonly head: Buffer
  /** @throws dmarc_rejected, sender_rate_exceeded, spam_rejected, spam_deferred, and what MailParser.readEvidence throws */
  check(arrived: ArrivedMail): CheckedMail<Checks> | Promise<CheckedMail<Checks>>
}

interface MessageChecksNeeds {
  readonly config: Pick<Config, 'hostname' | 'dmarcReject' | 'spamReject'>
  readonly senderChecks: SenderChecks
  readonly rates: Pick<ReceivingRates, 'countSender'>
  /** undefined: mail is not checked for spam. */
  readonly spamChecker: SpamChecker | undefined
  readonly mailParser: Pick<MailParser, 'readEvidence'>
  readonly log: Log
  readonly metrics: Metrics
  /** The clock of the machine, epoch ms. */
  readonly wallClock: () => number
}

export function createMessageChecks(needs: MessageChecksNeeds): MessageChecks {
  const { config, senderChecks, rates, spamChecker, mailParser, log, metrics, wallClock } = needs

  return {
    begin(arrival, envelope, fairnessKey) {
      const { known, finish } = senderChecks.begin(arrival, envelope)
      if (known) {
        const checked = { sender: known, decision: decideFiling(known, config) }
        return { head: traceFields(arrival, envelope), check: () => ({ checked }) }
      }
      return {
        head: Buffer.alloc(0),
        async check(mail) {
          const evidence = await mailParser.readEvidence({ fairnessKey, ...mail })
          const sender = await finish(evidence)
          metrics.sendersChecked.inc({ result: sender.authentication.result })
          const suspect = { arrival, envelope, sender, evidence, mail }
          const decision = await decide(suspect)
          const ipAddress = bareIp(arrival.remoteAddress ?? '')
          const results = resultsField(config.hostname, sender.authentication, { ipAddress })
          return {
            checked: { sender, decision },
            head: traceFields(arrival, envelope, results, verifiedName(sender)),
            ...(evidence && forgedParts(config.hostname, evidence)),
          }
        },
      }
    },
  }

  /** A refused message leaves a line in the log: its sender, or its recipient, will ask why. */
  async function decide(suspect: SuspectMail): Promise<FilingDecision> {
    const { arrival, envelope, sender } = suspect
    try {
      await rates.countSender(arrival, sender)
      const decision = decideFiling(sender, config)
      return withSpam(decision, await spamChecker?.check(suspect), config)
    } catch (error) {
      const { traceId: session, remoteAddress } = arrival
      const { authentication } = sender
      const refused = {
        ...(error instanceof MailError && { code: error.code }),
        from: envelope.sender,
        ...loggedAddresses('recipients', envelope.recipients),
        ...{ authentication, session, remoteAddress },
      }
      log.info(refused, 'message refused')
      throw error
    }
  }

  /** RFC 5321 §4.4: the server that makes the final delivery adds Return-Path and a Received field at the top. */
  function traceFields(
    arrival: Arrival,
    envelope: Envelope,
    authenticationResults?: string,
    reverseName?: string,
  ): Buffer {
    const isLocal = arrival.protocol === 'local'
    const { helo = 'unknown', remoteAddress: ip = 'unknown' } = arrival
    const from = { helo, ip, ...(reverseName !== undefined && { reverseName }) }
    return traceHeaders({
      returnPath: envelope.sender,
      ...(authenticationResults !== undefined && { authenticationResults }),
      ...(!isLocal && { from }),
      by: config.hostname,
      with: arrival.protocol,
      id: arrival.traceId,
      ...(arrival.tls !== undefined && { tls: arrival.tls }),
      date: new Date(wallClock()),
    })
  }
}

/** Returns the host name of the client, if it has the client's address. */
function verifiedName({ authentication: { iprev } }: CheckedSender): string | undefined {
  return iprev?.result === 'pass' ? iprev.name : undefined
}

/** What is stored about the sender of a message. */
export interface FiledSender {
  readonly authentication: Authentication
  /** The domain for which the sender is authenticated. */
  readonly verifiedDomain: string | undefined
  readonly decision: FilingDecision
}

/**
 * Returns what is stored about the sender. The From that clients see must be the one that was checked: the parser reads it again,
 * with the fields that we have added. Another one counts as unauthenticated.
 */
export function filedSender({ parsed, checked }: PreparedContent<Checks>): FiledSender {
  const { sender, decision } = checked
  const { authentication, verifiedDomain } = sender
  const shown = singleFromDomain(parsed.from)
  if (sender.isTrusted) return { authentication, verifiedDomain: shown, decision }
  // Without a checked domain, the message is unauthenticated anyway.
  if (authentication.fromDomain === undefined || authentication.fromDomain === shown)
    return { authentication, verifiedDomain, decision }
  const reason = 'the From that is shown is not the one that was checked'
  return {
    authentication: { ...authentication, result: 'unauthenticated', reason },
    verifiedDomain: undefined,
    decision: { ...decision, labels: [...new Set([...decision.labels, 'unauthenticated'])] },
  }
}
