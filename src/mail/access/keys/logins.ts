/**
 * Logins of mail programs: an inbox address with an API key whose scope covers the inbox, or with an app password of the
 * inbox; or the user `agentmail` with an API key, as older clients have it, which then names its inbox by its sender
 * (docs/adr/0057).
 */
import { setTimeout as pause } from 'node:timers/promises'
import type { Limits } from '../../../config/limits.ts'
import { isMailError, MailError } from '../../../errors.ts'
import { networkOf } from '../../../formats/address/peer-network.ts'
import type { Store } from '../../../store/store.ts'
import { hasPermission, requireInbox } from '../access.ts'
import type { KeyActor } from '../actor.ts'
import type { Permission } from '../permissions.ts'
import type { Credentials } from './credentials.ts'
import { createFailedLogins } from './failed-logins.ts'

export interface LoginRequest {
  readonly user: string
  readonly password: string
  readonly remoteAddress: string
  /** What the session needs. */
  readonly permission: Permission
}

export interface Login {
  readonly actor: KeyActor
  /** undefined: for any inbox in the scope of the actor, which the session names. */
  readonly inbox: { readonly id: string; readonly address: string } | undefined
}

export interface Logins {
  /**
   * @param signal ends the wait after a failure
   * @throws login_failed, after a wait; login_forbidden when the password is right and lacks the permission
   */
  logIn(request: LoginRequest, signal: AbortSignal): Promise<Login>
}

/** The user name of clients that know only API keys. */
const ANY_INBOX = 'agentmail'

interface LoginsNeeds {
  readonly store: Pick<Store, 'db'>
  readonly credentials: Pick<Credentials, 'authenticatePassword'>
  readonly limits: Limits
}

export function createLogins({ store, credentials, limits }: LoginsNeeds): Logins {
  const failedLogins = createFailedLogins({ limits, clock: () => performance.now() })

  return {
    async logIn(request, signal) {
      const login = await findLogin(request)
      if (login) return login
      const network = networkOf(request.remoteAddress)
      // An abort ends the wait: nobody reads the answer.
      await pause(failedLogins.record({ network, account: request.user }), undefined, { signal }).catch(() => undefined)
      throw new MailError('login_failed', {})
    },
  }

  /** @returns undefined for a wrong user or password @throws login_forbidden */
  async function findLogin({ user, password, permission }: LoginRequest): Promise<Login | undefined> {
    const found = await credentials.authenticatePassword(password)
    if (!found) return undefined
    const { actor, isAppPassword } = found
    const isAnyInbox = user.toLowerCase() === ANY_INBOX && !isAppPassword
    if (!isAnyInbox && !user.includes('@')) return undefined // an id is no address
    const inbox = isAnyInbox ? undefined : await findInbox(actor, permission, user)
    if (inbox === 'none') return undefined
    if (inbox === 'forbidden' || !hasPermission(actor, permission)) {
      throw new MailError('login_forbidden', { permission })
    }
    return { actor, inbox }
  }

  async function findInbox(actor: KeyActor, permission: Permission, user: string) {
    try {
      const { id, address } = await requireInbox(store.db, actor, permission, user)
      return { id, address }
    } catch (error) {
      if (isMailError(error, 'not_found')) return 'none'
      if (isMailError(error, 'missing_permission')) return 'forbidden'
      throw error
    }
  }
}
