/**
 * Target for remote addresses without a route: MARTLET_OUTBOUND is capture, or a recipient was released to a relay that
 * is no longer configured. Mail is held in the queue, can be read there, and is released manually.
 */
import type { DeliveryTarget } from './delivery-target.ts'

export const captureTarget: DeliveryTarget = {
  name: 'capture',
  async deliver({ recipients }) {
    return recipients.map(() => ({ kind: 'held', reply: 'Held: no route; see MARTLET_OUTBOUND' }))
  },
}
