/** Mail to foreign addresses while there is no way out: kept in the queue, can be read there, released by hand. */
import type { DeliveryTarget } from './target.ts'

export const captureTarget: DeliveryTarget = {
  name: 'capture',
  async deliver({ recipients }) {
    return recipients.map(() => ({ kind: 'held', reply: 'Held here: MARTLET_OUTBOUND is capture' }))
  },
}
