import { expect, test } from 'vitest'
import { DamagedContent } from '../../src/mail/messages/content/damaged-content.ts'
import type { Outcome } from '../../src/mail/sending/targets/delivery-target.ts'
import { reportingDamage } from '../../src/mail/sending/targets/reported-damage.ts'

const HANDOVER = {
  ...{ submissionId: 's', organizationId: 'o', contentId: 'c', sender: '', sizeBytes: 1 },
  ...{ recipients: ['a@x.test', 'b@x.test'], read: () => expect.fail('the target reads it') },
}

function start(deliver: () => Promise<readonly Outcome[]>) {
  const reports: unknown[] = []
  const target = reportingDamage({ name: 'direct', deliver }, (...report) => void reports.push(report))
  return { target, reports, deliver: () => target.deliver(HANDOVER, new AbortController().signal) }
}

test('damage is reported, and fails all recipients for now', async () => {
  const damage = new DamagedContent('the file of a message is lost')
  const { target, reports, deliver } = start(async () => {
    throw damage
  })
  expect(target.name).toBe('direct')
  const outcome = { kind: 'failed_for_now', reply: expect.stringContaining('damaged or lost') }
  expect(await deliver()).toEqual([outcome, outcome])
  expect(reports).toEqual([['c', damage, { submission: 's' }]])
})

test('other errors, and outcomes, are passed on', async () => {
  const error = new Error('a bug')
  const failing = start(() => Promise.reject(error))
  await expect(failing.deliver()).rejects.toBe(error)
  const outcomes: Outcome[] = [{ kind: 'delivered' }, { kind: 'held' }]
  const { reports, deliver } = start(async () => outcomes)
  expect(await deliver()).toBe(outcomes)
  expect([...failing.reports, ...reports]).toEqual([])
})
