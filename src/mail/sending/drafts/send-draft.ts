/**
 * Sends a draft: it becomes a message, in one transaction that files and enqueues the message and removes the draft.
 *
 *   claim (a lease) → reserve memory → load the parts → merge what a forward forwards → submit, which removes the draft if the lease still
 *   belongs to this call
 *
 * While it is being sent, no other call changes, deletes or sends it. Crash: the lease expires, and the draft is as it was.
 * Failure: the lease ends, and the draft is as it was.
 */
import type { Limits } from '../../../config/limits.ts'
import { isMailError, MailError } from '../../../errors.ts'
import { leaseEnd } from '../../../store/leases.ts'
import type { DraftRow } from '../../../store/schema/draft-rows.ts'
import type { Store } from '../../../store/store.ts'
import * as contents from '../../../store/tables/contents-table.ts'
import * as drafts from '../../../store/tables/drafts-table.ts'
import { assertKeyUnchanged, lockInbox, requireInbox } from '../../access/access.ts'
import { type Actor, actorName } from '../../access/actor.ts'
import { type BodyMemory, withMore } from '../../access/body-memory.ts'
import { draftSent } from '../../events/log/draft-events.ts'
import { applyLabels, type LabelChange, parseUserLabels } from '../../messages/labels/label-rules.ts'
import { checkSizes } from '../compose/checked-message.ts'
import { COMPOSED_COPIES } from '../compose/compose-mail.ts'
import type { Sent } from '../compose/outgoing.ts'
import { requireActive } from '../compose/require-sendable.ts'
import type { Submit } from '../compose/submit.ts'
import { type Idempotency, type KeyClaim, keyUse, recordResult } from '../idempotency/idempotency.ts'
import { findSentDraft, recordSentDraft } from '../idempotency/sent-drafts.ts'
import { asOutgoing, messageOfDraft } from './draft-content.ts'
import { requireDraft } from './draft-lookup.ts'
import { type DraftParts, sizeOfParts } from './draft-parts.ts'
import type { DraftSources } from './draft-source.ts'

export interface SendDraft {
  /**
   * Needs `draft_send`; for a forward also `message_read`. Resolves when the message is on disk and the draft is gone.
   *
   * @param ref id or client_id. A repeated Idempotency-Key answers before it is looked up, and the client_id of a draft that
   *   was sent gets the result of that send.
   * @param labels what to change in the labels that the message gets from the draft
   * @throws not_found, missing_permission, draft_sending, draft_changed, no_recipients, system_label, validation_error,
   *   message_too_large, idempotency_conflict, idempotency_running, too_many_responses; and disk_full, unavailable or shutting_down when
   *   nothing was sent
   */
  send(
    actor: Actor,
    inbox: string,
    ref: string,
    labels: LabelChange,
    memory: BodyMemory,
    options?: { readonly idempotencyKey?: string | undefined; readonly isHeld?: boolean | undefined },
  ): Promise<Sent>
  /** Sends a draft that the caller has under a lease; if it fails, the lease is still the caller's. @throws as send */
  sendClaimed(actor: Actor, claimed: ClaimedDraft, memory: BodyMemory): Promise<Sent>
}

/** A draft under a lease of its sender. */
export interface ClaimedDraft {
  readonly row: DraftRow
  readonly owner: string
  readonly labels?: LabelChange
  readonly keyClaim?: KeyClaim
}

interface SendDraftNeeds {
  readonly store: Store
  readonly submit: Submit
  readonly idempotency: Idempotency
  readonly sources: DraftSources
  readonly draftParts: DraftParts
  /** Returns a name that no other lease has. */
  readonly newOwner: () => string
  readonly clock: () => number
  readonly limits: Limits
}

export function createSendDraft(needs: SendDraftNeeds): SendDraft {
  const { store, submit, idempotency, sources, draftParts, newOwner, clock, limits } = needs
  return { send, sendClaimed }

  async function send(
    ...[actor, inboxRef, ref, change, memory, options]: Parameters<SendDraft['send']>
  ): Promise<Sent> {
    const inbox = await requireInbox(store.db, actor, 'draft_send', inboxRef)
    if (options?.isHeld) {
      const detail = 'A draft waits until it is sent: it cannot be held too'
      throw new MailError('validation_error', { detail, path: ['hold'] })
    }
    const labels = {
      add: parseUserLabels(change.add ?? [], limits),
      remove: parseUserLabels(change.remove ?? [], limits),
    }
    const request = { endpoint: 'draft', inbox: inbox.id, draft: ref, labels }
    return idempotency.once(keyUse(actor, inbox, options?.idempotencyKey), request, async (keyClaim) => {
      const owner = newOwner()
      const claimed = await claimOrFindSent(actor, inbox.id, ref, owner)
      if ('sent' in claimed) {
        // Otherwise the key would be in use until its lease ends, and a repeated call would get 409.
        await store.transaction((tx) => recordResult(tx, keyClaim, claimed.sent))
        return claimed.sent
      }
      const { row } = claimed
      try {
        return await sendClaimed(actor, { row, owner, labels, keyClaim }, memory)
      } catch (error) {
        // If this fails too, the lease expires.
        await store.transaction((tx) => drafts.endLease(tx, row.id, owner)).catch(() => undefined)
        throw error
      }
    })
  }

  /** A draft that was sent before under this client_id is not looked for again by its sender: it gets the first result. */
  async function claimOrFindSent(
    actor: Actor,
    inboxId: string,
    ref: string,
    owner: string,
  ): Promise<{ readonly row: DraftRow } | { readonly sent: Sent }> {
    try {
      return { row: await claim(actor, inboxId, ref, owner) }
    } catch (error) {
      const mayBeSent = isMailError(error, 'not_found')
      const sent = mayBeSent && (await findSentDraft(store.db, { inboxId, clientId: ref, now: clock() }, limits))
      if (!sent) throw error
      return { sent }
    }
  }

  async function claim(actor: Actor, inboxId: string, ref: string, owner: string): Promise<DraftRow> {
    return store.transaction(async (tx) => {
      await assertKeyUnchanged(tx, actor)
      await lockInbox(tx, actor, 'draft_send', inboxId)
      const row = await requireDraft(tx, tx.leaseNow, actor, 'draft_send', { inbox: inboxId }, ref)
      const isClaimed = await drafts.claim(tx, row.id, owner, leaseEnd(tx, limits.sending.draftLeaseMs))
      if (!isClaimed) throw new MailError('draft_sending', {})
      return row
    })
  }

  async function sendClaimed(actor: Actor, claimed: ClaimedDraft, memory: BodyMemory): Promise<Sent> {
    const { row, owner, keyClaim } = claimed
    const inbox = await requireInbox(store.db, actor, 'draft_send', row.inbox_id)
    store.checkWritable()
    requireActive(inbox)
    const stored = (await drafts.labelsOf(store.db, [row.id])).get(row.id) ?? []
    const labels = changedLabels(stored, claimed.labels)
    // What can be refused is refused before anything is loaded, and before memory is reserved for it.
    checkSizes(asOutgoing(messageOfDraft(row, { attachments: [] }, labels)), limits)
    const parts = await drafts.listParts(store.db, [row.id])
    const bytes = sizeOfParts(parts) * COMPOSED_COPIES
    const isForward = row.kind === 'forward'
    const mergeForward = isForward && (await sources.openForward(actor, row, parts, withMore(memory, bytes)))
    if (!mergeForward && bytes > memory.freeBytes) await memory.reserve(bytes) // the transaction checks access again
    const own = messageOfDraft(row, await draftParts.read(parts), labels)
    const message = mergeForward ? await mergeForward(own) : own
    checkSizes(asOutgoing(message), limits)
    return submit(actor, {
      inbox,
      message,
      permission: 'draft_send',
      keyClaim,
      async first(tx) {
        const unused = await drafts.remove(tx, row.id, owner)
        // The lease has expired, and another call has changed, sent or deleted the draft since.
        if (!unused) throw new MailError('draft_changed', {})
        return contents.removeUnused(tx, unused)
      },
      async last(tx, sent, locked) {
        tx.append(draftSent({ actor: actorName(actor), inboxAddress: locked.address, draft: row, message: sent }))
        await recordSentDraft(tx, locked, row.client_id, sent)
      },
    })
  }

  function changedLabels(current: readonly string[], change: LabelChange = {}): readonly string[] {
    const { labels } = applyLabels(current, change)
    const max = limits.messages.labelsPerMessageMax
    if (labels.length <= max) return labels
    throw new MailError('validation_error', {
      detail: `A message can have at most ${max} labels`,
      path: ['add_labels'],
    })
  }
}
