/**
 * Records the complaints of recipients: a report of a mailbox provider (RFC 5965) about a message that an inbox has sent becomes the
 * event `message.complained` and the label `complained` of that message, and the organization does not send to that recipient again.
 *
 * A report counts only from a domain that has confirmed it: anyone can write one. The message is found by its Message-ID in the inbox
 * that the report names as its sender. Others know both, from References of another message. So only these are believed: a domain of
 * the recipient's organization; and for a message with one recipient, any domain whose report contains the signature of the message, for
 * example that of the company that hosts the recipient's domain. Of several recipients, one could name another.
 *
 * Runs after the report was filed and before its sender gets a reply. Crash: the sender sends the report again; it is recognised, and
 * this runs again. It can run any number of times.
 */
import type { Limits } from '../../config/limits.ts'
import { isMailError } from '../../errors.ts'
import { splitAddress, withoutTag } from '../../formats/address/address.ts'
import { type FeedbackReport, readSignatures, SIGNED_HEADER_BYTES_MAX } from '../../formats/mime/feedback-report.ts'
import { type Log, loggedText } from '../../log.ts'
import type { Db, Tx } from '../../store/handles.ts'
import type { Store } from '../../store/store.ts'
import * as inboxes from '../../store/tables/inboxes-table.ts'
import * as listEntries from '../../store/tables/list-entries-table.ts'
import * as messages from '../../store/tables/messages-table.ts'
import * as submissions from '../../store/tables/submissions-table.ts'
import { messageComplained } from '../events/log/message-events.ts'
import { type Contents, loadContent } from '../messages/content/contents.ts'
import { DamagedContent } from '../messages/content/damaged-content.ts'
import { changeLabels } from '../messages/labels/labels.ts'
import { hashId } from '../messages/threads/threading.ts'
import { eventMessage } from '../messages/views/event-message.ts'
import { organizationalDomain } from './authentication/organizational-domain.ts'

/** @param reporter the domain that has confirmed the report */
export type RecordComplaint = (report: FeedbackReport, reporter: string | undefined) => Promise<void>

interface ComplaintsNeeds {
  readonly store: Pick<Store, 'transaction' | 'db'>
  /** `createReadableContents`: of a message that is too short, the signature may be missing. */
  readonly contents: Contents
  readonly limits: Limits
  readonly log: Log
}

const ACTOR = 'system:complaints'

/** Others say nothing bad about the message: not-spam, auth-failure. */
const COMPLAINTS: ReadonlySet<string> = new Set(['abuse', 'fraud', 'virus', 'opt-out', 'other'])

export function createRecordComplaint({ store, contents, limits, log }: ComplaintsNeeds): RecordComplaint {
  return async function recordComplaint(report, reporter) {
    const { feedbackType, messageId } = report
    const about = {
      ...(messageId !== undefined && { messageId: loggedText(messageId) }),
      ...{ feedbackType: loggedText(feedbackType), reporter },
    }
    if (reporter === undefined) return log.info(about, 'complaint ignored: no domain has confirmed it')
    if (!COMPLAINTS.has(feedbackType) || messageId === undefined)
      return log.info(about, 'complaint ignored: the report is no complaint, or names no message')
    const reporterOrganization = await organizationalDomain(reporter)
    const reported = await findReported(store.db, report.senders, hashId(messageId))
    const hasCopy = reported !== undefined && (await hasSignature(reported, report))
    // Only the inbox of the message is locked: the report names any number of others.
    const recipients =
      reported &&
      (await store.transaction(async (tx) => {
        const inbox = await inboxes.lockById(tx, reported.inbox_id)
        const row = inbox && (await submissions.findSentMessage(tx, inbox.id, hashId(messageId)))
        return row && record(tx, row, inbox.address, { ...report, reporter, reporterOrganization, hasCopy })
      }))
    if (recipients) log.info({ ...about, recipients }, 'complaint received')
    else log.info(about, 'complaint ignored: no message of ours')
  }

  async function hasSignature({ content_id }: messages.StoredMessageRow, { signatures }: FeedbackReport) {
    if (signatures.length === 0) return false
    const range = { start: 0, end: SIGNED_HEADER_BYTES_MAX }
    try {
      const own = readSignatures(await loadContent(contents, content_id, range))
      return own.some((signature) => signatures.includes(signature))
    } catch (error) {
      // Anything else may pass: the sender repeats its report, and the recipient is not lost.
      if (!(error instanceof DamagedContent || isMailError(error, 'not_found'))) throw error
      // The report is stored: its sender must not repeat it because another message is damaged, or was deleted just now.
      log.warn(
        { err: error, contentId: content_id },
        'a message cannot be read; a complaint about it is compared without its signatures',
      )
      return false
    }
  }

  /** @returns the recipients that have complained, without those that are known to */
  async function record(
    tx: Tx,
    row: messages.StoredMessageRow,
    inboxAddress: string,
    report: FeedbackReport & {
      readonly reporter: string
      readonly reporterOrganization: string
      /** The report contains a signature of the message. */
      readonly hasCopy: boolean
    },
  ): Promise<string[]> {
    const all = await submissions.listAddresses(tx, row.id)
    const named = new Set(report.recipients)
    const believed: string[] = []
    for (const address of all) {
      const isNamed = named.has(address) || (all.length === 1 && named.size === 0)
      const isOwn = async () =>
        (await organizationalDomain(splitAddress(address).domain)) === report.reporterOrganization
      if (isNamed && ((report.hasCopy && all.length === 1) || (await isOwn()))) believed.push(address)
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

/** Finds the message that one of these addresses has sent. */
async function findReported(db: Db, senders: readonly string[], hash: string) {
  for (const sender of senders) {
    const inbox = await inboxes.getByAddress(db, withoutTag(sender))
    const row = inbox && (await submissions.findSentMessage(db, inbox.id, hash))
    if (row) return row
  }
  return undefined
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
