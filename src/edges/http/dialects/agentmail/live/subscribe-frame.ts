/** Reads a `subscribe` frame of the WebSocket. */
import { type Static, Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { MailError } from '../../../../../errors.ts'
import { ignoredMembers } from '../../../live/subscribe-members.ts'

const Ids = Type.Optional(Type.Array(Type.String()))

const members = { event_types: Ids, inbox_ids: Ids, pod_ids: Ids, after: Type.Optional(Type.String()) }
const Subscribe = Type.Object({ type: Type.Literal('subscribe'), ...members })
const subscribe = Compile(Subscribe)

/**
 * @returns the subscription, and a warning that names ignored members
 * @throws validation_error for another frame, and for a member whose name resembles a known one
 */
export function readSubscribe(frame: object): Static<typeof Subscribe> & { readonly warning?: string } {
  const given = Object.fromEntries(Object.entries(frame).filter(([, value]) => value !== null))
  if (!subscribe.Check(given)) {
    const detail =
      'Clients may send only {"type":"subscribe"} frames, with arrays of strings in event_types, inbox_ids and pod_ids, and a cursor in after'
    throw new MailError('validation_error', { detail })
  }
  const warning = ignoredMembers(given, Object.keys(members))
  return warning === undefined ? given : { ...given, warning }
}
