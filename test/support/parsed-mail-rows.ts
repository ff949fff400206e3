/**
 * Inserts parsed messages as a transaction would leave them, with a few statements for all of them: to file them takes ten
 * for each. Labels, references and counters of the inbox are left out.
 */
import { headerAddresses } from '../../src/mail/messages/content/mail-addresses.ts'
import type { ParsedMail } from '../../src/mail/messages/content/parsed-message.ts'
import type { Tx } from '../../src/store/handles.ts'
import type { InboxRow } from '../../src/store/schema/tenant-rows.ts'

/** Below each database's limit on parameters. */
const [CONTENTS_AT_ONCE, MESSAGES_AT_ONCE] = [100, 50]

/** @returns the ids of the messages, which are in one new thread */
export async function insertParsedMails(
  tx: Tx,
  scope: Pick<InboxRow, 'organization_id' | 'pod_id'> & { readonly inbox_id: string },
  mails: readonly ParsedMail[],
): Promise<string[]> {
  const times = { timestamp: tx.now, created_at: tx.now, updated_at: tx.now }
  const threadId = tx.newId()
  const counts = { message_count: mails.length, visible_count: mails.length, size_bytes: 0 }
  await tx
    .insertInto('threads')
    .values({ id: threadId, ...scope, last_message_id: '', hidden: 0, ...counts, ...times })
    .execute()
  const inserted: string[] = []
  for (let at = 0; at < mails.length; at += CONTENTS_AT_ONCE) {
    const rows = mails.slice(at, at + CONTENTS_AT_ONCE).map((mail) => ({ mail, id: tx.newId(), contentId: tx.newId() }))
    const contents = rows.map(({ mail, contentId }) => ({
      ...{ id: contentId, size_bytes: 0, created_at: tx.now },
      ...{ parsed: mail.compressedBodies.bytes, parsed_size_bytes: mail.compressedBodies.sizeBytes },
      ...{
        parsed_head_bytes: mail.compressedBodies.headBytes,
        search_text: mail.searchText,
        envelope: mail.envelope ?? null,
      },
    }))
    await tx.insertInto('contents').values(contents).execute()
    const addresses = rows.flatMap(({ mail, contentId }) =>
      headerAddresses(mail).map((row) => ({ content_id: contentId, ...row })),
    )
    await tx.insertInto('content_addresses').values(addresses).execute()
    const messages = rows.map(({ mail, id, contentId }) => ({
      ...{ id, ...scope, thread_id: threadId, content_id: contentId, subject: mail.subject ?? null },
      ...{ api_message_id: id, api_message_id_hash: id, fingerprint: '', size_bytes: 0, hidden: 0, labels_seq: 0 },
      ...{ has_attachments: 0 as const, authentication: '{}', ...times },
    }))
    for (let from = 0; from < messages.length; from += MESSAGES_AT_ONCE) {
      const some = messages.slice(from, from + MESSAGES_AT_ONCE)
      await tx.insertInto('messages').values(some).execute()
    }
    inserted.push(...rows.map(({ id }) => id))
  }
  return inserted
}
