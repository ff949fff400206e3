/** Senders that have answered a challenge: Martlet's own objects, in the style of this dialect. */
import { Type } from 'typebox'
import type { Page } from '../../../../../mail/access/paging/page-tokens.ts'
import type { VerifiedSender as VerifiedSenderView } from '../../../../../mail/receiving/challenges/verified-senders.ts'
import { named, namedPage, pageHead, Time, time, type Wire } from './shape-wire.ts'

const VerifiedSender = named('VerifiedSender', {
  sender_id: Type.String(),
  inbox_id: Type.String(),
  address: Type.String(),
  origin: Type.String({
    description: '`signed:` and the domain that signs its mail, or `network:` and the address from which it comes.',
  }),
  verified_at: Time,
})

export const VerifiedSenderList = namedPage('ListVerifiedSendersResponse', {
  verified_senders: Type.Array(VerifiedSender),
})

function verifiedSender(view: VerifiedSenderView): Wire<typeof VerifiedSender> {
  const { id, inboxAddress, address, origin, verifiedAt } = view
  return { sender_id: id, inbox_id: inboxAddress, address, origin, verified_at: time(verifiedAt) }
}

export function verifiedSenderList(page: Page<VerifiedSenderView>): Wire<typeof VerifiedSenderList> {
  return { ...pageHead(page), verified_senders: page.items.map(verifiedSender) }
}
