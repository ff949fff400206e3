/**
 * Records the complaints of recipients: a report of a mailbox provider (RFC 5965) about a message that an inbox has sent becomes the
 * event `message.complained` and the label `complained` of that message, and the organization does not send to that recipient again.
 *
 * A report counts only from a domain that has confirmed it: anyone can write one. The message is found by its Message-ID in the inbox
 * that the report names as its sender. Who knows both has the message; so a report about a message with one recipient is believed.
 * If the message had several recipients, one of them could name another: then only a domain of the recipient's organization is believed.
 *
 * Runs after the report was filed and before its sender gets a reply. Crash: the sender sends the report again; it is recognised, and
 * this runs again. It can run any number of times.
 */
import type { Limits } from '../../config/limits.ts'
import { splitAddress } from '../../formats/address/address.ts'
import type { FeedbackReport } from '../../formats/mime/feedback-report.ts'
import type { Log } from '../../log.ts'
import type { Tx } from '../../store/handles.ts'
import type { Store } from '../../store/store.ts'
import * as inboxes from '../../store/tables/inboxes-table.ts'
import * as listEntries from '../../store/tables/list-entries-table.ts'
import * as messages from '../../store/tables/messages-table.ts'
import * as submissions from '../../store/tables/submissions-table.ts'
import { messageComplained } from '../events/log/message-events.ts'
import { changeLabels } from '../messages/labels/labels.ts'
import { hashId } from '../messages/threads/threading.ts'
import { eventMessage } from '../messages/views/event-message.ts'
import { organizationalDomain } from './authentication/organizational-domain.ts'

/** @param reporter the domain that has confirmed the report */
export type RecordComplaint = (report: FeedbackReport, reporter: string | undefined) => Promise<void>

interface ComplaintsNeeds {
  readonly store: Pick<Store, 'transaction'>
  readonly limits: Limits
  readonly log: Log
}

const ACTOR = 'system:complaints'

/** Others say nothing bad about the message: not-spam, auth-failure. */
const COMPLAINTS: ReadonlySet<string> = new Set(['abuse', 'fraud', 'virus', 'opt-out', 'other'])

export function createRecordComplaint({ store, limits, log }: ComplaintsNeeds): RecordComplaint {
  return async function recordComplaint(report, reporter) {
    const { feedbackType, messageId } = report
    const about = { messageId, feedbackType, reporter }
    if (reporter === undefined) return log.info(about, 'complaint ignored: no domain has confirmed it')
    if (!COMPLAINTS.has(feedbackType) || messageId === undefined) return log.info(about, 'report ignored')
    const reporterOrganization = await organizationalDomain(reporter)
    const recipients = await store.transaction(async (tx) => {
      for (const sender of report.senders) {
        const inbox = await inboxes.lockByAddress(tx, sender)
        const row = inbox && (await submissions.findSentMessage(tx, inbox.id, hashId(messageId)))
        if (row) return record(tx, row, sender, { ...report, reporter, reporterOrganization })
      }
      return undefined
    })
    if (recipients) log.info({ ...about, recipients }, 'complaint received')
    else log.info(about, 'complaint ignored: no message of ours')
  }

  /** @returns the recipients that have complained, without those that are known to */
  async function record(
    tx: Tx,
    row: messages.StoredMessageRow,
    inboxAddress: string,
    report: FeedbackReport & { readonly reporter: string; readonly reporterOrganization: string },
  ): Promise<string[]> {
    const all = await submissions.listAddresses(tx, row.id)
    const named = new Set(report.recipients)
    const believed: string[] = []
    for (const address of all) {
      const isOnly = all.length === 1 && (named.size === 0 || named.has(address))
      const isOwn = async () =>
        (await organizationalDomain(splitAddress(address).domain)) === report.reporterOrganization
      if (isOnly || (named.has(address) && (await isOwn()))) believed.push(address)
    }
    const labels = (await messages.labelsOf(tx, [row.id])).get(row.id) ?? []
    const known = labels.includes('complained') ? await listSuppressed(tx, row.organization_id, believed) : new Set()
    const recipients = believed.filter((address) => !known.has(address))
    if (recipients.length === 0) return []
    const after = await changeLabels(tx, ACTOR, row, inboxAddress, { add: ['complained'] })
    tx.append(
      messageComplained({
        actor: ACTOR,
        message: eventMessage(row, inboxAddress, after),
        timestamp: tx.now,
        complaintType: report.feedbackType,
        complaintSubType: 'General',
        recipients,
      }),
    )
    await listEntries.insertMissing(
      tx,
      recipients.map((entry) => ({
        ...sendBlock(row.organization_id),
        entry,
        organization_id: row.organization_id,
        ...{ pod_id: null, inbox_id: null },
        reason: `Complained: ${report.feedbackType}, reported by ${report.reporter}`.slice(
          0,
          limits.listEntries.reasonCharsMax,
        ),
        read_only: 1,
        created_at: tx.now,
      })),
    )
    return recipients
  }
}

function sendBlock(organizationId: string) {
  return { scope_id: organizationId, direction: 'send', list_type: 'block' } as const
}

async function listSuppressed(tx: Tx, organizationId: string, addresses: readonly string[]): Promise<Set<string>> {
  const suppressed = new Set<string>()
  for (const entry of addresses)
    if (await listEntries.get(tx, { ...sendBlock(organizationId), entry })) suppressed.add(entry)
  return suppressed
}
