/** The rules of `send_at`: who may schedule a draft, for when, and what this writes. */
import type { Limits } from '../../../config/limits.ts'
import { MailError } from '../../../errors.ts'
import type { DraftRow } from '../../../store/schema/draft-rows.ts'
import { keyOf, requirePermission } from '../../access/access.ts'
import type { Actor } from '../../access/actor.ts'

type ScheduleColumns = Pick<
  DraftRow,
  'send_status' | 'send_at' | 'next_attempt_at' | 'send_error' | 'scheduled_by' | 'interruptions'
>

export const UNSCHEDULED: ScheduleColumns = {
  send_status: null,
  send_at: null,
  next_attempt_at: null,
  send_error: null,
  scheduled_by: null,
  interruptions: 0,
}

/**
 * Scheduling is sending, so it needs `draft_send`. A change of a draft that is scheduled needs it too: otherwise a key that
 * may only write drafts could have its text sent after another key has approved an earlier one.
 *
 * @param sendAt of the request: null or undefined as in DraftChange
 * @throws missing_permission
 */
export function requireMaySchedule(
  actor: Actor,
  status: DraftRow['send_status'],
  sendAt: number | null | undefined,
): void {
  if (typeof sendAt === 'number' || (status === 'scheduled' && sendAt === undefined)) {
    requirePermission(actor, 'draft_send')
  }
}

/**
 * A time in the past means at once: the clocks of client and server may differ.
 *
 * @param now epoch ms
 * @throws validation_error for a time that is too far ahead
 */
export function checkSendAt(sendAt: number | null | undefined, now: number, limits: Limits): void {
  if (typeof sendAt !== 'number' || sendAt <= now + limits.sending.scheduleAheadMsMax) return
  const days = Math.floor(limits.sending.scheduleAheadMsMax / 86_400_000)
  throw new MailError('validation_error', { detail: `send_at can be at most ${days} days ahead`, path: ['send_at'] })
}

/** Returns the columns of a schedule. A new one replaces a failed one. */
export function scheduleColumns(actor: Actor, sendAt: number | null): ScheduleColumns {
  if (sendAt === null) return UNSCHEDULED
  return {
    ...UNSCHEDULED,
    send_status: 'scheduled',
    send_at: sendAt,
    next_attempt_at: sendAt,
    scheduled_by: keyOf(actor).apiKeyId,
  }
}
