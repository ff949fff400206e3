/**
 * Reads a `subscribe` frame of the WebSocket. Unknown members are ignored, as in requests (docs/adr/0056), because newer clients
 * may send more. But a misspelt filter would subscribe to everything, so a member whose name resembles a known one is refused.
 */
import { type Static, Type } from 'typebox'
import { Compile } from 'typebox/compile'
import { similarName } from '../../../../../config/similar-name.ts'
import { MailError } from '../../../../../errors.ts'

const Ids = Type.Optional(Type.Array(Type.String()))

const Subscribe = Type.Object({
  type: Type.Literal('subscribe'),
  event_types: Ids,
  inbox_ids: Ids,
  pod_ids: Ids,
  after: Type.Optional(Type.String()),
})
const subscribe = Compile(Subscribe)

const KNOWN = Object.keys(Subscribe.properties)

/** Members of a frame that are compared and named, and the length of each name. */
const NAMED_MAX = 3
const NAME_CHARS_MAX = 64

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
  const unknown = Object.keys(given).filter((name) => !KNOWN.includes(name))
  const named = unknown.slice(0, NAMED_MAX).map((name) => name.slice(0, NAME_CHARS_MAX).toWellFormed())
  for (const name of named) {
    const meant = meantBy(name)
    if (meant === undefined) continue
    const detail = `${name} is unknown: write ${meant}. The members of subscribe are ${KNOWN.slice(1).join(', ')}`
    throw new MailError('validation_error', { detail, path: [name] })
  }
  if (named.length === 0) return given
  const more = unknown.length > NAMED_MAX ? ', ...' : ''
  return { ...given, warning: `unknown members were ignored: ${named.join(', ')}${more}` }
}

/** Returns the member that is meant by another spelling (eventTypes, Inbox-IDs), or with a wrong letter (event_type, inboxes). */
function meantBy(name: string): string | undefined {
  const meant = similarName(lettersOf(name), KNOWN.map(lettersOf))
  return KNOWN.find((known) => lettersOf(known) === meant)
}

function lettersOf(name: string): string {
  return name.toLowerCase().replace(/[^a-z]/g, '')
}
