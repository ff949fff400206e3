/** Finds a message by a caller's reference: our id, or its Message-ID with or without brackets. */
import { MailError } from '../../../errors.ts'
import { isUuid, trimMessageId } from '../../../formats/ids.ts'
import type { Db } from '../../../store/handles.ts'
import * as messages from '../../../store/tables/messages-table.ts'
import type { Actor } from '../../access/actor.ts'
import { isReadable } from '../readable.ts'
import { hashId } from '../threads/threading.ts'

/** @throws not_found, also for a message in a hidden class that the key may not read */
export async function requireMessage(
  db: Db,
  actor: Actor,
  inboxId: string,
  ref: string,
): Promise<messages.StoredMessageRow> {
  const row = await find(db, inboxId, ref)
  if (!row || !isReadable(actor, row)) throw new MailError('not_found', { what: 'Message' })
  return row
}

async function find(db: Db, inboxId: string, ref: string): Promise<messages.StoredMessageRow | undefined> {
  const byApiId = await messages.getByApiId(db, inboxId, hashId(`<${trimMessageId(ref)}>`))
  if (byApiId || !isUuid(ref)) return byApiId
  return messages.getById(db, inboxId, ref)
}
