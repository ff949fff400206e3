/** Files a message as received mail, for tests of threads. */
import { withLimits } from '../../src/config/limits.ts'
import { contentRows, inMemory } from '../../src/mail/messages/content/insert-content.ts'
import { parseMail } from '../../src/mail/messages/content/parsed-message.ts'
import { createFiling } from '../../src/mail/messages/filing/file-messages.ts'
import type { FiledMessage } from '../../src/mail/messages/filing/filing.ts'
import type { Tx } from '../../src/store/handles.ts'
import * as inboxes from '../../src/store/tables/inboxes-table.ts'
import type { InboxIds } from '../store/rows.ts'
import type { TestStore } from '../store/test-store.ts'

const limits = withLimits({})
const fileMessages = createFiling({ limits, domain: 'mail.test' })

/** @param lines of the header, besides From */
export async function fileMail(
  store: TestStore,
  ids: InboxIds,
  lines: readonly string[],
  text = 'text',
): Promise<FiledMessage> {
  const raw = Buffer.from(['From: a@example.test', ...lines, '', text].join('\r\n'))
  const parsed = parseMail(raw, limits)
  const bodies = { bytes: parsed.compressedBodies.bytes, blobKey: null }
  const rows = (tx: Tx) => contentRows(tx, inMemory(raw), parsed, bodies)
  const content = {
    parsed,
    sizeBytes: raw.length,
    mailBytes: raw.length,
    checked: undefined,
    rows,
    discard: async () => undefined,
  }
  return store.transaction(async (tx) => {
    const inbox = (await inboxes.lockById(tx, ids.inbox_id))!
    const filing = {
      inbox,
      content,
      labels: ['received'],
      authentication: { result: 'unverified' as const },
      threadMask: 0,
    }
    const [filed] = await fileMessages(tx, [filing])
    return filed as FiledMessage
  })
}
