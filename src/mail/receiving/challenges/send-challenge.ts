/**
 * The job that asks the sender of a message, by mail, to confirm that it wrote it. Receiving enqueues it in the transaction that
 * files the message (../file-received.ts).
 *
 * The address may be forged, so its owner may get this mail because of somebody else. Therefore the mail has no text that a
 * sender has chosen, is rare (limits.challenges: per address, domain, network, inbox and server), and obeys the lists of the
 * inbox. It has the null sender and says that it is automatic (RFC 3834 §3.3, §5), so nothing answers it.
 *
 * Crash, stop: the job runs again. An open challenge of the same sender ends it, so there is one mail per link.
 */
import type { Config } from '../../../config/settings.ts'
import { MailError } from '../../../errors.ts'
import { splitAddress, withoutTag } from '../../../formats/address/address.ts'
import type { Log } from '../../../log.ts'
import type { Db } from '../../../store/handles.ts'
import type { InboxRow } from '../../../store/schema/tenant-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as inboxes from '../../../store/tables/inboxes-table.ts'
import * as messages from '../../../store/tables/messages-table.ts'
import { lockSender } from '../../../store/tables/sender-inboxes-table.ts'
import * as verifiedSenders from '../../../store/tables/verified-senders-table.ts'
import { hiddenClasses } from '../../access/permissions.ts'
import { countRates, type Rate, refuseExceeded } from '../../access/rates.ts'
import type { Domains } from '../../domains/domains.ts'
import type { JobHandler } from '../../jobs/jobs.ts'
import { insertUnparsed } from '../../messages/content/insert-content.ts'
import { composeOwnMail, type OwnMail } from '../../sending/compose/own-mail.ts'
import { requireSendable } from '../../sending/compose/require-sendable.ts'
import { enqueueSubmission } from '../../sending/queue/enqueue-submission.ts'
import { organizationalDomain } from '../authentication/organizational-domain.ts'
import { hashToken } from './challenge-token.ts'
import { partsOf } from './sender-claim.ts'

interface SendChallengeNeeds {
  readonly store: Store
  readonly config: Pick<Config, 'limits' | 'publicUrl' | 'senderChallenges'>
  readonly domains: Pick<Domains, 'signingKey'>
  readonly log: Log
  /** Epoch ms: what is stored and limited, and what others see. */
  readonly clock: () => number
  readonly wallClock: () => number
  readonly random: (bytes: number) => Buffer
}

const TOKEN_BYTES = 32

interface Challenge {
  readonly inbox: InboxRow
  readonly claim: string
  readonly address: string
  readonly messageAt: number
}

export function createSendChallenge(needs: SendChallengeNeeds): JobHandler {
  const { store, config, log, clock, random } = needs
  const { limits, publicUrl, senderChallenges } = config

  return async function sendChallenge({ key: messageId, payload }) {
    const challenge = await findChallenge(messageId)
    if (!challenge || senderChallenges === 'off') return
    const { inbox, claim, address, messageAt } = challenge
    const rates = await ratesOf(challenge, String(payload.network))
    try {
      await refuseExceeded(store.db, rates, clock())
      const token = random(TOKEN_BYTES).toString('base64url')
      const { raw, selector } = await compose(challenge, token)
      await store.transaction(async (tx) => {
        const current = await lockSender(tx, inbox.id)
        if (!current || (await isAsked(tx, challenge, tx.now))) return
        const max = limits.challenges.sendersPerInboxMax
        if ((await verifiedSenders.countOfInbox(tx, inbox.id, max)) >= max) {
          throw new MailError('limit_exceeded', { what: 'verified senders in an inbox', max })
        }
        await requireSendable(tx, current, [address], limits)
        await countRates(tx, rates)
        await verifiedSenders.replace(tx, {
          ...{ id: tx.newId(), organization_id: inbox.organization_id, pod_id: inbox.pod_id, inbox_id: inbox.id },
          ...{ claim, address, message_at: messageAt, token_hash: hashToken(token) },
          ...{ expires_at: tx.now + limits.challenges.linkMs, verified_at: null, created_at: tx.now },
        })
        await enqueueSubmission(tx, {
          ...{ id: tx.newId(), kind: 'challenge', message_id: null },
          content_id: await insertUnparsed(tx, raw),
          dkim_selector: selector,
          inbox: current,
          sender: '',
          recipients: [address],
        })
      })
    } catch (error) {
      if (!(error instanceof MailError) || error.kind === 'temporary' || error.kind === 'internal') throw error
      log.info({ inbox: inbox.address, messageId, reason: error.message }, 'the sender was not challenged')
    }
  }

  /** @returns undefined if the message or its inbox is gone or hidden by now, or if nothing is open to confirm */
  async function findChallenge(messageId: string): Promise<Challenge | undefined> {
    const [row] = await messages.listByIds(store.db, [messageId])
    const inbox = row && (await inboxes.getById(store.db, row.inbox_id))
    const unauthenticated = hiddenClasses.find(({ label }) => label === 'unauthenticated')!
    if (!row || !inbox || row.sender_claim === null || (row.hidden & ~unauthenticated.bit) !== 0) return undefined
    const { address } = partsOf(row.sender_claim)
    const challenge = { inbox, claim: row.sender_claim, address, messageAt: row.timestamp }
    return (await isAsked(store.db, challenge, clock())) ? undefined : challenge
  }

  /** Whether the sender has answered, or has a link that works. */
  async function isAsked(db: Db, { inbox, claim }: Challenge, now: number): Promise<boolean> {
    const known = await verifiedSenders.getByClaim(db, inbox.id, claim)
    return known !== undefined && (known.verified_at !== null || known.expires_at > now)
  }

  async function ratesOf({ inbox, address }: Challenge, network: string): Promise<Rate[]> {
    const { perSenderDayMax, perDomainHourMax, perNetworkHourMax, perInboxHourMax, totalHourMax } = limits.challenges
    const domain = await organizationalDomain(splitAddress(address).domain)
    const hourly = (whom: string, max: number): Rate => ({ key: `challenges ${whom}`, what: WHAT, max, period: 'hour' })
    return [
      { key: `challenges to ${withoutTag(address)}`, what: WHAT, max: perSenderDayMax, period: 'day' },
      hourly(`to the domain ${domain}`, perDomainHourMax),
      hourly(`because of ${network}`, perNetworkHourMax),
      hourly(`of ${inbox.id}`, perInboxHourMax),
      hourly('of all inboxes', totalHourMax),
    ]
  }

  /** RFC 3834 §3.1.3 suggests the subject and the Message-ID of the message: the sender chose both, so they are left out. */
  function compose({ inbox, address, messageAt }: Challenge, token: string) {
    const mail: OwnMail = {
      ...{ from: inbox.address, domainId: inbox.domain_id, to: [address] },
      subject: `Did you write to ${inbox.address}?`,
      text: textOf({ inboxAddress: inbox.address, messageAt, url: `${publicUrl}/verify-sender/${token}` }),
      autoSubmitted: 'auto-replied',
    }
    return composeOwnMail(mail, needs)
  }

  function textOf({ inboxAddress, messageAt, url }: { inboxAddress: string; messageAt: number; url: string }): string {
    const days = Math.round(limits.challenges.linkMs / 86_400_000)
    return `A message with your address as its sender reached ${inboxAddress}
on ${new Date(messageAt).toUTCString()}. Nothing proves that you wrote it.

If you did, open this page and confirm it. The link works once, and for ${days} days:

${url}

If you did not, somebody else used your address. Do nothing: without your
confirmation, such messages are not trusted. You will not get a second mail
about this one.
`
  }
}

const WHAT = 'challenges of senders'
