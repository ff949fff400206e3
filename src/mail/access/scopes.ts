/** Whether a caller may know that an inbox or pod exists, for calls that need no permission. */
import type { Store } from '../../store/store.ts'
import { requireVisible } from './access.ts'
import type { KeyActor, Within } from './actor.ts'

export interface Scopes {
  /** @throws not_found for what does not exist or is outside the key's scope; narrow_key for a pod with an inbox's key */
  requireVisible(actor: KeyActor, within: Within): Promise<void>
}

export function createScopes({ store }: { readonly store: Pick<Store, 'db'> }): Scopes {
  return { requireVisible: (actor, within) => requireVisible(store.db, actor, within) }
}
