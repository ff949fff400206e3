/**
 * What an operation demands of the key of its caller. An edge declares it once per operation (the HTTP API: with the
 * route), and `admit` in access.ts checks it before any work is done, and before a body is read. The core checks again
 * inside its transaction, and may demand nothing that was not declared (docs/adr/0045).
 */
import type { Permission } from './permissions.ts'

/** From the narrowest scope to the widest one. `root`: only the root key. */
export type KeyScope = 'inbox' | 'pod' | 'organization' | 'root'

export interface OperationAccess {
  /** Keys of this scope and of wider ones may use the operation, for what is in their scope. */
  readonly narrowestKey: KeyScope
  /** The operation names no inbox: it concerns the one inbox that the key is limited to. */
  readonly widestKey?: 'inbox'
  /** A key needs all of these flags, whatever it requests. */
  readonly permissions: readonly Permission[]
  /** Flags that only some requests need. The core decides. */
  readonly conditional?: readonly Permission[]
}
