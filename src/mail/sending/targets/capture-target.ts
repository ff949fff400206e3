/**
 * Target for remote addresses while no outbound route is set up: mail is held in the queue, can be read there, and is
 * released manually.
 */
import type { DeliveryTarget } from './delivery-target.ts'

export const captureTarget: DeliveryTarget = {
  name: 'capture',
  async deliver({ recipients }) {
    return recipients.map(() => ({ kind: 'held', reply: 'Held here: MARTLET_OUTBOUND is capture' }))
  },
}
