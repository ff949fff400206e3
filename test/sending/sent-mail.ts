/**
 * Creates a sent message in a real store whose clock the test sets: an inbox, its message, the submission with its
 * bytes, and recipients. It is for tests that need hours or a failing remote server, which a whole server cannot
 * provide.
 */

import type { LimitOverrides } from '../../src/config/limits.ts'
import type { RecipientRow, SubmissionRow } from '../../src/store/schema/sending-rows.ts'
import { openStore, type Store } from '../../src/store/store.ts'
import { insertInbox, insertMessage } from '../store/rows.ts'
import { storeNeeds, temporaryFolder } from '../store/test-store.ts'

export const HOUR = 3_600_000
export const OWNER = 'worker'
const START = Date.parse('2026-11-21T10:00:00Z')

export interface SentMail extends AsyncDisposable {
  readonly store: Store
  readonly organizationId: string
  readonly inboxId: string
  readonly address: string
  readonly messageId: string
  readonly submission: SubmissionRow
  /** Advances the clock. */
  pass(ms: number): void
  /** Returns the current recipients of the message, in order. */
  recipients(): Promise<RecipientRow[]>
  /** Claims the recipients with a lease of OWNER, as if it were delivering them, and returns them. */
  claimed(): Promise<RecipientRow[]>
  /** Returns the queued notices as text, in order. */
  notices(): Promise<string[]>
  /** Returns the types of the events in the log, in order. */
  events(): Promise<string[]>
}

export async function sendMail(
  addresses: readonly string[],
  more: Partial<RecipientRow> = {},
  limits: LimitOverrides = {},
): Promise<SentMail> {
  let now = START
  const folder = await temporaryFolder()
  const store = await openStore({
    ...storeNeeds({ dataDir: folder.path, limits }),
    clock: () => now,
    leaseClock: () => now,
  })
  const sent = await store.transaction(async (tx) => {
    const ids = await insertInbox(tx)
    const message = await insertMessage(tx, ids, { subject: 'lunch?' })
    await tx.insertInto('message_labels').values({ message_id: message.id, label: 'sent' }).execute()
    const submission: SubmissionRow = {
      ...{ id: tx.newId(), organization_id: ids.organization_id, inbox_id: ids.inbox_id, message_id: message.id },
      ...{ content_id: tx.newId(), kind: 'message', envelope_sender: 'ada@example.test' },
      ...{ dkim_selector: null, smtputf8: 0, created_at: tx.now },
    }
    const bytes = Buffer.from('Subject: lunch?\r\nMessage-ID: <lunch@example.test>\r\n\r\nat noon\r\n')
    await tx
      .insertInto('contents')
      .values({
        ...{ id: submission.content_id, size_bytes: bytes.length, bytes, created_at: tx.now },
        ...{ parsed_size_bytes: 0, parsed_head_bytes: 0, envelope: null },
      })
      .execute()
    await tx.insertInto('submissions').values(submission).execute()
    const rows = addresses.map((address, position) => ({
      ...{ id: tx.newId(), submission_id: submission.id, message_id: message.id, position, address },
      ...{ domain: address.split('@')[1]!, organization_id: ids.organization_id, pod_id: ids.pod_id },
      inbox_id: ids.inbox_id,
      ...{ state: 'queued' as const, attempts: 0, interruptions: 0, next_attempt_at: tx.now },
      ...{ created_at: tx.now, updated_at: tx.now },
      ...more,
    }))
    await tx.insertInto('recipients').values(rows).execute()
    return { ...ids, message, submission }
  })
  const inbox = await store.db.selectFrom('inboxes').selectAll().executeTakeFirstOrThrow()
  const all = () =>
    store.db.selectFrom('recipients').selectAll().where('submission_id', '=', sent.submission.id).orderBy('position')

  return {
    store,
    organizationId: sent.organization_id,
    inboxId: sent.inbox_id,
    address: inbox.address,
    messageId: sent.message.id,
    submission: sent.submission,
    pass(ms) {
      now += ms
    },
    recipients: () => all().execute(),
    async claimed() {
      await store.transaction((tx) =>
        tx
          .updateTable('recipients')
          .set({ lease_owner: OWNER, lease_until: tx.now + HOUR })
          .where('submission_id', '=', sent.submission.id)
          .where('state', '=', 'queued')
          .execute(),
      )
      return all().where('lease_owner', '=', OWNER).execute()
    },
    async notices() {
      const rows = await store.db
        .selectFrom('submissions')
        .innerJoin('contents', 'contents.id', 'submissions.content_id')
        .select('contents.bytes')
        .where('submissions.kind', '<>', 'message')
        .orderBy('submissions.created_at')
        .orderBy('submissions.id')
        .execute()
      return rows.map(({ bytes }) => Buffer.from(bytes!).toString())
    },
    async events() {
      const rows = await store.db.selectFrom('events').select('type').orderBy('seq').execute()
      return rows.map(({ type }) => type)
    },
    async [Symbol.asyncDispose]() {
      await store.close()
      await folder[Symbol.asyncDispose]()
    },
  }
}
