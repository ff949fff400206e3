/**
 * Decides in the transaction of several sends, with their keys and inboxes locked, which of them are sent, and counts those.
 * Part of file-sent.ts.
 *
 * The tables are read once for all sends. Nothing is written for one that is refused, so that the others are still stored.
 */
import type { Limits } from '../../../config/limits.ts'
import { MailError } from '../../../errors.ts'
import type { Tx } from '../../../store/handles.ts'
import { rowStep } from '../../../store/row-statements.ts'
import type { InboxRow } from '../../../store/schema/tenant-rows.ts'
import { Refused, RUN_ALONE, RUN_LATER } from '../../../store/store.ts'
import { selectAndShareLock } from '../../../store/tables/api-keys-table.ts'
import { type SenderInboxRow, selectFreeSenders, waitForSender } from '../../../store/tables/sender-inboxes-table.ts'
import { requireCovered, requireUnchanged } from '../../access/access.ts'
import type { Actor } from '../../access/actor.ts'
import { denialsOf, requireAllowed, requireSendable, type SendQuestion } from './require-sendable.ts'
import type { CountSends } from './send-caps.ts'

export interface RequestedSend {
  readonly actor: Actor
  readonly mail: {
    /** As it was when the request began. */
    readonly inbox: Pick<InboxRow, 'id'>
    /** The permission that the call needs. */
    readonly permission: 'message_send' | 'draft_send'
    /** Normalised, each once. */
    readonly recipients: readonly string[]
  }
}

/** A send that is not stored now (store/commit/run-batch.ts). */
export type NotAdmitted = Refused | typeof RUN_LATER | typeof RUN_ALONE

/** @returns in the order of the sends, the inbox as it is now */
export type AdmitSends = (tx: Tx, sends: readonly RequestedSend[]) => Promise<(SenderInboxRow | NotAdmitted)[]>

export function isAdmitted(result: SenderInboxRow | NotAdmitted): result is SenderInboxRow {
  return typeof result !== 'symbol' && !(result instanceof Refused)
}

interface AdmitSendsNeeds {
  readonly countSends: CountSends
  readonly limits: Limits
}

export function createAdmitSends({ countSends, limits }: AdmitSendsNeeds): AdmitSends {
  return async function admitSends(tx, sends) {
    const locked = await lockRows(tx, sends)
    const results = new Map<RequestedSend, NotAdmitted>()
    const open = new Map<RequestedSend, SendQuestion>()
    for (const send of sends) {
      const inbox = locked.inboxes.get(send.mail.inbox.id)
      const check = () => requireAccess(tx, send, inbox, locked.keys)
      const found = (sends.length > 1 && reasonToWait(inbox)) || (await resultOf(check))
      if (isAdmitted(found)) open.set(send, { inbox: found, recipients: send.mail.recipients })
      else results.set(send, found)
    }

    const denials = await denialsOf(tx, [...open.values()])
    for (const [send, question] of open) {
      const check = () =>
        question.inbox.is_unverified === 1
          ? requireSendable(tx, question.inbox, question.recipients, limits)
          : requireAllowed(tx, question, denials)
      const found = await resultOf(check)
      if (!(found instanceof Refused)) continue
      results.set(send, found)
      open.delete(send)
    }

    const exceeded = await countSends(
      tx,
      [...open.values()].map(({ inbox }) => inbox),
    )
    for (const [index, send] of [...open.keys()].entries()) {
      const error = exceeded[index]
      if (error) results.set(send, new Refused(error))
    }
    return sends.map((send) => results.get(send) ?? open.get(send)!.inbox)
  }
}

/**
 * The rows of the keys and inboxes, by id. Keys are locked first, as everywhere. Only a single send waits for an inbox that another
 * node has locked.
 */
async function lockRows(tx: Tx, sends: readonly RequestedSend[]) {
  const keyIds = sends.flatMap(({ actor }) => (actor.kind === 'key' ? [actor.apiKeyId] : []))
  const inboxIds = sends.map(({ mail }) => mail.inbox.id)
  const [keys, inboxes] = await tx.runRows([
    rowStep(selectAndShareLock, eachOnce(keyIds)),
    rowStep(selectFreeSenders, eachOnce(inboxIds)),
  ])
  const waited = sends.length === 1 && inboxes.length === 0 && (await waitForSender(tx, inboxIds[0]!))
  return {
    keys: new Map(keys.map((row) => [row.id, row])),
    inboxes: new Map([...inboxes, ...(waited ? [waited] : [])].map((row) => [row.id, row])),
  }
}

function eachOnce(ids: readonly string[]) {
  return [...new Set(ids)].sort().map((id) => ({ id }))
}

/**
 * Says why one of several sends must run later or alone. The sends of an organization whose human is not verified run alone, because their
 * count cannot be taken back.
 */
function reasonToWait(inbox: SenderInboxRow | undefined): typeof RUN_LATER | typeof RUN_ALONE | undefined {
  if (inbox === undefined) return RUN_LATER // another node has locked it, or it was deleted just now
  return inbox.is_unverified === 1 ? RUN_ALONE : undefined
}

/** @returns the inbox @throws unknown_api_key, forbidden, not_found, missing_permission */
async function requireAccess(
  { now }: Tx,
  { actor, mail }: RequestedSend,
  inbox: SenderInboxRow | undefined,
  keys: Awaited<ReturnType<typeof lockRows>>['keys'],
): Promise<SenderInboxRow> {
  if (actor.kind === 'key') requireUnchanged(actor, keys.get(actor.apiKeyId), now)
  requireCovered(actor, inbox, mail.permission, mail.inbox.id)
  return inbox!
}

/** Errors of the database are no refusals: they end the transaction of all sends. */
async function resultOf<Result>(check: () => Promise<Result>): Promise<Result | Refused> {
  try {
    return await check()
  } catch (error) {
    if (!(error instanceof MailError) || error.kind === 'temporary' || error.kind === 'internal') throw error
    return new Refused(error)
  }
}
