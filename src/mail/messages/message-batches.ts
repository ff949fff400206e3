/**
 * Reads or relabels many messages of one inbox that a caller names. Ids that do not exist, or whose messages the caller may
 * not see, are left out: a message that was deleted since the caller learned its id must not fail the others.
 */
import type { Limits } from '../../config/limits.ts'
import { MailError } from '../../errors.ts'
import { trimMessageId } from '../../formats/ids.ts'
import type { Db } from '../../store/handles.ts'
import type { Store } from '../../store/store.ts'
import * as messagesTable from '../../store/tables/messages-table.ts'
import { assertKeyUnchanged, keyOf, lockInbox, recheckAccess, requireInbox } from '../access/access.ts'
import { type Actor, actorName } from '../access/actor.ts'
import type { BodyMemory } from '../access/body-memory.ts'
import { rowsOfLabels } from './estimated-rows.ts'
import type { LabelChange } from './labels/label-rules.ts'
import { changeLabels, parseLabelChange } from './labels/labels.ts'
import { loadRows } from './mail-list.ts'
import { inOrder } from './scanning.ts'
import type { MessageItem } from './views/message.ts'
import { findMessages } from './views/message-lookup.ts'
import { showMessagesOf } from './views/message-views.ts'

/**
 * `refs` are ids or Message-IDs as in messages.ts. Both calls keep their order, and throw not_found for the inbox,
 * missing_permission, and validation_error for too many of them or two that mean the same message.
 */
export interface MessageBatches {
  /** @throws also too_many_responses; validation_error if the messages are too large together */
  get(actor: Actor, inbox: string, refs: readonly string[], memory: BodyMemory): Promise<readonly MessageItem[]>
  /**
   * Changes the labels of all these messages in one transaction, or of none.
   *
   * @throws also system_label
   */
  changeLabels(
    actor: Actor,
    inbox: string,
    refs: readonly string[],
    change: LabelChange,
  ): Promise<readonly { readonly messageId: string; readonly labels: readonly string[] }[]>
}

interface MessageBatchesNeeds {
  readonly store: Store
  readonly limits: Limits
}

export function createMessageBatches({ store, limits }: MessageBatchesNeeds): MessageBatches {
  return {
    async get(actor, inboxRef, refs, memory) {
      checkRefs(refs, limits.messages.batchGetMax)
      const inbox = await requireInbox(store.db, actor, 'message_read', inboxRef)
      const load = async () => {
        const ids = await idsOf(store.db, actor, inbox.id, refs)
        const loaded = await loadRows(ids, (some) => messagesTable.listItemsByIds(store.db, some), limits)
        if (loaded.isCut) throw invalid('These messages have too long subjects; name fewer of them')
        return loaded
      }
      let { rows, bytes } = await load()
      if (bytes > memory.freeBytes) {
        rows = [] // they occupy no memory while the request waits for some
        if (await memory.reserve(bytes)) await recheckAccess(store, actor, [inbox.id])
        rows = (await load()).rows
      }
      return showMessagesOf(store.db, inbox, rows)
    },

    async changeLabels(actor, inboxRef, refs, requested) {
      checkRefs(refs, limits.messages.batchUpdateMax)
      const change = parseLabelChange(requested, limits)
      // One transaction, whatever its length: it may leave no part of the messages changed. Long ones take turns.
      const isLong = refs.length * rowsOfLabels(change) > limits.messages.shortFilingRowsMax
      const fairnessKey = isLong ? `organization ${keyOf(actor).organizationId}` : undefined
      return store.transaction(
        async (tx) => {
          await assertKeyUnchanged(tx, actor)
          const inbox = await lockInbox(tx, actor, 'message_update', inboxRef)
          const ids = await idsOf(tx, actor, inbox.id, refs)
          const rows = inOrder(ids, await messagesTable.listByIds(tx, ids))
          const changed: { messageId: string; labels: readonly string[] }[] = []
          for (const row of rows) {
            const labels = await changeLabels(tx, actorName(actor), row, inbox.address, change, limits)
            changed.push({ messageId: row.api_message_id, labels })
          }
          return changed
        },
        { fairnessKey },
      )
    },
  }
}

/** @throws validation_error */
function checkRefs(refs: readonly string[], countMax: number): void {
  if (refs.length === 0 || refs.length > countMax) throw invalid(`message_ids must have 1 to ${countMax} items`)
  if (new Set(refs.map(trimMessageId)).size < refs.length) throw isRepeated()
}

/** @returns the ids of the messages that the actor may see, in the order of refs */
async function idsOf(db: Db, actor: Actor, inboxId: string, refs: readonly string[]): Promise<string[]> {
  const found = await findMessages(db, actor, inboxId, refs)
  const ids = refs.flatMap((ref) => found.get(ref)?.id ?? [])
  if (new Set(ids).size < ids.length) throw isRepeated() // in two forms
  return ids
}

function isRepeated(): MailError {
  return invalid('message_ids must not name a message twice')
}

function invalid(detail: string): MailError {
  return new MailError('validation_error', { detail, path: ['message_ids'] })
}
