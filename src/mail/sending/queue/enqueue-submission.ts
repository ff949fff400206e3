/**
 * Adds messages to the queue: the submission of each, and one recipient for each envelope address, due at once. Call it in the
 * transaction that stores them: both are committed or neither.
 */
import { splitAddress } from '../../../formats/address/address.ts'
import { isAsciiAddress } from '../../../formats/address/ascii-address.ts'
import type { Tx } from '../../../store/handles.ts'
import type { RecipientRow, SubmissionRow } from '../../../store/schema/sending-rows.ts'
import * as submissions from '../../../store/tables/submissions-table.ts'
import type { Actor } from '../../access/actor.ts'
import { appendChangeHistory, replyOf } from './queue-change.ts'

/** The columns that differ between submissions, and the envelope. */
export interface NewSubmission
  extends Pick<SubmissionRow, 'id' | 'kind' | 'message_id' | 'content_id' | 'dkim_selector'> {
  /** The inbox that sends, or that the notice is for. */
  readonly inbox: { readonly id: string; readonly organization_id: string; readonly pod_id: string }
  /** "" for a notice (RFC 5321 §4.5.5). */
  readonly sender: string
  /** Normalised addresses, each once. */
  readonly recipients: readonly string[]
  /** Its header needs SMTPUTF8, whatever the addresses are. */
  readonly needsSmtpUtf8?: boolean
  /** The recipients are held from the beginning, by this actor. */
  readonly heldBy?: Actor
}

export async function enqueueSubmission(tx: Tx, submission: NewSubmission): Promise<void> {
  await enqueueSubmissions(tx, [submission])
}

export async function enqueueSubmissions(tx: Tx, added: readonly NewSubmission[]): Promise<void> {
  const all = added.map((submission) => ({ ...rowsOf(tx, submission), heldBy: submission.heldBy }))
  await submissions.insert(
    tx,
    all.map(({ row }) => row),
    all.flatMap(({ recipients }) => recipients),
  )
  for (const { heldBy, recipients } of all) if (heldBy) await appendChangeHistory(tx, heldBy, 'hold', recipients)
}

function rowsOf(tx: Tx, submission: NewSubmission) {
  const { inbox, sender, recipients, needsSmtpUtf8 = false, heldBy, ...columns } = submission
  const row: SubmissionRow = {
    ...columns,
    organization_id: inbox.organization_id,
    inbox_id: inbox.id,
    envelope_sender: sender,
    smtputf8: needsSmtpUtf8 || ![sender, ...recipients].every(isAsciiAddress) ? 1 : 0,
    created_at: tx.now,
  }
  const state = heldBy ? { state: 'held' as const, last_reply: replyOf(heldBy, 'hold') } : QUEUED
  return {
    row,
    recipients: recipients.map((address, position) => ({
      ...recipientRow(tx, row, inbox.pod_id, address, position),
      ...state,
    })),
  }
}

const QUEUED = { state: 'queued', last_reply: null } as const

function recipientRow(
  tx: Tx,
  submission: SubmissionRow,
  podId: string,
  address: string,
  position: number,
): Omit<RecipientRow, 'state' | 'last_reply'> {
  return {
    id: tx.newId(),
    submission_id: submission.id,
    message_id: submission.message_id,
    position,
    address,
    domain: splitAddress(address).domain,
    pod_id: podId,
    organization_id: submission.organization_id,
    inbox_id: submission.inbox_id,
    route: null,
    delay_notice_at: null,
    released_at: null,
    attempts: 0,
    next_attempt_at: tx.now,
    lease_owner: null,
    lease_until: null,
    delivering_since: null,
    delivering_to: null,
    interruptions: 0,
    last_code: null,
    last_enhanced_code: null,
    created_at: tx.now,
    updated_at: tx.now,
  }
}
