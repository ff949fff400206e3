import { expect, test } from 'vitest'
import { withLimits } from '../../src/config/limits.ts'
import type { Actor } from '../../src/mail/access/actor.ts'
import type { Permission } from '../../src/mail/access/permissions.ts'
import { checkSendAt, requireMaySchedule } from '../../src/mail/sending/drafts/draft-schedule.ts'

function keyWith(...permissions: Permission[]): Actor {
  return { kind: 'key', apiKeyId: 'k', organizationId: 'o', permissions: new Set(permissions) }
}

const SOON = 1

test.each([
  ['writes a draft', null, undefined, true],
  ['schedules a draft', null, SOON, false],
  ['takes a draft off the schedule', 'scheduled', null, true],
  ['changes the time of a scheduled draft', 'scheduled', SOON, false],
  ['changes the text of a scheduled draft', 'scheduled', undefined, false],
  ['changes the text of a draft that failed', 'failed', undefined, true],
  ['schedules a draft that failed', 'failed', SOON, false],
] as const)('a key that %s, without draft_send', (_what, status, sendAt, isAllowed) => {
  const act = (actor: Actor) => () => requireMaySchedule(actor, status, sendAt)
  if (isAllowed) expect(act(keyWith('draft_update'))).not.toThrow()
  else expect(act(keyWith('draft_update'))).toThrow(expect.objectContaining({ code: 'missing_permission' }))
  expect(act(keyWith('draft_update', 'draft_send'))).not.toThrow()
})

test('send_at may be in the past, and ahead as far as the limit', () => {
  const limits = withLimits({ sending: { scheduleAheadMsMax: 1_000 } })
  const now = 5_000
  for (const sendAt of [undefined, null, 0, now, now + 1_000]) checkSendAt(sendAt, now, limits)
  expect(() => checkSendAt(now + 1_001, now, limits)).toThrow(expect.objectContaining({ code: 'validation_error' }))
})
