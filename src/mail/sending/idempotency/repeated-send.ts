/**
 * Finds the inbox of a send that names only a draft or a message (AgentPost). A repeated request can come after the draft was
 * sent, or the message deleted: then its Idempotency-Key says which inbox it was for, and the first result can be returned.
 */
import { isMailError } from '../../../errors.ts'
import type { Store } from '../../../store/store.ts'
import * as idempotency from '../../../store/tables/idempotency-table.ts'
import { keyOf } from '../../access/access.ts'
import type { Actor } from '../../access/actor.ts'
import { keyUse } from './idempotency.ts'

/**
 * @param key undefined: the caller gave no Idempotency-Key
 * @param find finds the inbox of the draft or message
 * @returns the id of the inbox. It is in the actor's scope if `find` has found it; otherwise the send checks that.
 * @throws what `find` throws, if no caller of this scope, or of this inbox, has used the key
 */
export type InboxOfSend = (actor: Actor, key: string | undefined, find: () => Promise<string>) => Promise<string>

export function createInboxOfSend({ store }: { readonly store: Store }): InboxOfSend {
  return async (actor, key, find) => {
    try {
      return await find()
    } catch (error) {
      if (key === undefined || !isMailError(error, 'not_found')) throw error
      // A key of one inbox can only mean that inbox, where any scope may have used the Idempotency-Key first.
      const { inboxId: ownInboxId } = keyOf(actor)
      if (ownInboxId !== undefined) {
        if (!(await idempotency.get(store.db, ownInboxId, key))) throw error
        return ownInboxId
      }
      const { scopeId } = keyUse(actor, { id: '' }, key)
      const used = await idempotency.listOfScope(store.db, scopeId, key, store.leaseNow())
      // At most one is in force: a second inbox may use the key only after that (idempotency.ts).
      const [newest] = used.sort((one, other) => other.created_at - one.created_at)
      if (!newest) throw error
      return newest.inbox_id
    }
  }
}
