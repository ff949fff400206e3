/** The row of a draft with the id "draft" and one recipient, under no lease. It has no parts, revisions or labels. */
import { UNSCHEDULED } from '../../src/mail/sending/drafts/draft-schedule.ts'
import type { DraftRow } from '../../src/store/schema/draft-rows.ts'
import type { TestInbox } from '../events/feed-world.ts'

export function draftOf({ organizationId, podId, inboxId }: TestInbox, more: Partial<DraftRow> = {}): DraftRow {
  return {
    ...{ id: 'draft', organization_id: organizationId, pod_id: podId, inbox_id: inboxId, client_id: null },
    ...{ kind: 'new', source_id: null, source_message_id: null, thread_id: null },
    ...{ in_reply_to: null, references_list: null, subject: 'hello', preview: null },
    ...{ to_list: '[{"address":"bob@example.test"}]', cc_list: '[]', bcc_list: '[]', reply_to_list: '[]' },
    ...{ revision_id: 'revision', size_bytes: 1, ...UNSCHEDULED, created_by: 'system:test' },
    ...{ lease_owner: null, lease_until: null, created_at: 0, updated_at: 0 },
    ...more,
  }
}
