/**
 * A repeated send with the same Idempotency-Key returns the first result and sends nothing.
 *
 * A key belongs to the inbox that sends: a repeated request finds it, with any API key of that inbox. Beyond that a
 * caller may use a key once: another request in its own scope (organization, pod or inbox) is refused, also from
 * another inbox. Keys that other scopes use in other inboxes have no effect and are not revealed.
 *
 * The key is claimed in its own transaction before any work, with a lease. The result is written in the transaction of
 * the send itself, so that both are stored or neither. After a crash in between, the lease expires and the
 * key is free again. An attempt that outlives its lease finds that it lost the key, and sends nothing.
 */
import { createHash, type Hash } from 'node:crypto'
import type { Limits } from '../../../config/limits.ts'
import { MailError } from '../../../errors.ts'
import type { Tx } from '../../../store/handles.ts'
import { leaseEnd } from '../../../store/leases.ts'
import type { InboxRow } from '../../../store/schema/tenant-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as idempotency from '../../../store/tables/idempotency-table.ts'
import { keyOf } from '../../access/access.ts'
import type { Actor } from '../../access/actor.ts'
import type { Sent } from '../compose/outgoing.ts'

/** The claim of a call on its Idempotency-Key; undefined when the caller gave no key. */
export type KeyClaim = idempotency.KeyLease | undefined

/** Which characters a key may have: unreserved ones of a URI (RFC 3986 §2.3), or all that are visible. */
export type KeyForm = 'unreserved' | 'visible'

/** A key, the inbox that it is used for, and the scope of its caller. */
export interface KeyUse {
  /** undefined: the caller gave no key. */
  readonly key: string | undefined
  readonly form: KeyForm
  readonly inboxId: string
  /** The caller's scope: its inbox, pod or organization. */
  readonly scopeId: string
}

export interface Idempotency {
  /**
   * Runs `send` unless this key has already completed one.
   *
   * @param request everything that makes two sends the same: endpoint, inbox, content. Its members are hashed in their order, so
   *   the caller sorts an object whose members a client may write in any order
   * @param send calls recordResult in the transaction of its result, whichever way it succeeds
   * @throws validation_error for a malformed key; idempotency_conflict when the key was used for
   *   another request; idempotency_running when its request is still running
   */
  once(use: KeyUse, request: unknown, send: (keyClaim: KeyClaim) => Promise<Sent>): Promise<Sent>
}

/** @param key as the caller gave it */
export function keyUse(
  actor: Actor,
  inbox: Pick<InboxRow, 'id'>,
  key: string | undefined,
  form: KeyForm = 'unreserved',
): KeyUse {
  const { inboxId, podId, organizationId } = keyOf(actor)
  return { key, form, inboxId: inbox.id, scopeId: inboxId ?? podId ?? organizationId }
}

interface IdempotencyNeeds {
  readonly store: Store
  readonly limits: Limits
}

export function createIdempotency({ store, limits }: IdempotencyNeeds): Idempotency {
  return {
    async once({ key, form, inboxId, scopeId }, request, send) {
      if (key === undefined) return send(undefined)
      checkKeyFormat(key, form)
      const hash = fingerprint(request) // outside the transaction: it may read 50 MiB of attachments
      const claimed = await store.transaction((tx) => claim(tx, { key, inboxId, scopeId }, hash))
      if ('sent' in claimed) return claimed.sent
      try {
        return await send(claimed.keyClaim)
      } catch (error) {
        // If this fails, the lease expires.
        await store.transaction((tx) => idempotency.release(tx, claimed.keyClaim)).catch(() => undefined)
        throw error
      }
    },
  }

  async function claim(
    tx: Tx,
    { key, inboxId, scopeId }: Omit<KeyUse, 'form'> & { readonly key: string },
    hash: string,
  ): Promise<{ keyClaim: idempotency.KeyLease } | { sent: Sent }> {
    const row = await idempotency.lock(tx, inboxId, key)
    if (row && isInForce(row, tx.now)) return { sent: storedResult(row, hash) }
    const used = await idempotency.listOfScope(tx, scopeId, key, tx.leaseNow)
    if (used.some((other) => other.inbox_id !== inboxId && isInForce(other, tx.now))) throw usedForAnother()

    const claimedRow = {
      inbox_id: inboxId,
      key,
      scope_id: scopeId,
      fingerprint: hash,
      state: 'running' as const,
      lease_until: leaseEnd(tx, limits.sending.idempotencyLeaseMs),
      result: null,
      created_at: tx.now,
      completed_at: null,
    }
    // When two nodes insert it at once, one transaction conflicts and runs again, and then finds the key claimed.
    return { keyClaim: await (row ? idempotency.replace(tx, claimedRow) : idempotency.insert(tx, claimedRow)) }
  }

  function isInForce(row: idempotency.UsedKeyRow, now: number): boolean {
    if (row.state === 'running') return row.is_leased === 1
    return (row.completed_at ?? 0) + limits.sending.idempotencyMs > now
  }
}

/** @throws idempotency_conflict when it was another request; idempotency_running when it is still running */
function storedResult(row: idempotency.UsedKeyRow, hash: string): Sent {
  if (row.fingerprint !== hash) throw usedForAnother()
  if (row.state === 'done') return JSON.parse(row.result!) as Sent
  throw new MailError('idempotency_running', {})
}

function usedForAnother(): MailError {
  return new MailError('idempotency_conflict', {})
}

/**
 * Stores the result, in the send's own transaction.
 * @throws idempotency_running when another attempt has taken over the key: this one sends nothing
 */
export async function recordResult(tx: Tx, keyClaim: KeyClaim, sent: Sent): Promise<void> {
  if (!keyClaim || (await idempotency.finish(tx, keyClaim, JSON.stringify(sent)))) return
  throw new MailError('idempotency_running', {})
}

/** @throws validation_error */
function checkKeyFormat(key: string, form: KeyForm): void {
  if (KEY_FORMS[form].test(key)) return
  const detail =
    form === 'visible'
      ? 'An idempotency key must be 1 to 256 visible ASCII characters'
      : 'Idempotency-Key must be 1 to 256 characters of A-Z a-z 0-9 - . _ ~'
  throw new MailError('validation_error', { detail, path: ['Idempotency-Key'] })
}

const KEY_FORMS: Readonly<Record<KeyForm, RegExp>> = {
  unreserved: /^[A-Za-z0-9._~-]{1,256}$/,
  visible: /^[\x21-\x7e]{1,256}$/,
}

/** Hashes without JSON: JSON turns a Buffer into a list of numbers, and one attachment of 50 MiB exhausted the heap. */
function fingerprint(request: unknown): string {
  const hash = createHash('sha256')
  addTo(hash, request)
  return hash.digest('hex')
}

/**
 * Hashes each value after its type and length, so that two different requests never look the same. Undefined values are
 * skipped: they were not given.
 */
function addTo(hash: Hash, value: unknown): void {
  if (typeof value === 'string' || Buffer.isBuffer(value)) {
    hash.update(`${typeof value} ${value.length} `).update(value)
  } else if (Array.isArray(value)) {
    hash.update(`list ${value.length} `)
    for (const item of value) addTo(hash, item)
  } else if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).filter(([, member]) => member !== undefined)
    hash.update(`map ${members.length} `)
    for (const [name, member] of members) {
      addTo(hash, name)
      addTo(hash, member)
    }
  } else hash.update(`${typeof value} ${value} `)
}
