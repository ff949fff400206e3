/**
 * Members of a client's `subscribe` frame that its dialect does not know. They are ignored and named, as in requests
 * (docs/adr/0056), because newer clients may send more. But a misspelt filter would subscribe to everything, so a member whose
 * name resembles a known one, or is that of another API, is refused.
 */
import { similarName } from '../../../config/similar-name.ts'
import { MailError } from '../../../errors.ts'

/** Unknown members of a frame that are compared with the known ones. No client sends more. */
const UNKNOWN_MAX = 20
/** Members that a warning names, and the length of each name. */
const NAMED_MAX = 3
const NAME_CHARS_MAX = 64

/** Names that webhooks, client packages and older documentation have for these members, in small letters. */
const SYNONYMS: Readonly<Record<string, readonly string[]>> = {
  event_types: ['event', 'events', 'types'],
  inbox_id: ['inbox'],
  inbox_ids: ['inbox', 'inboxes'],
  pod_ids: ['pod', 'pods', 'environmentid', 'environmentids'],
  environment_ids: ['environment', 'environments', 'podid', 'podids'],
}

/**
 * @param frame a `subscribe` frame
 * @param known the members of the dialect, without `type`
 * @returns a warning that names ignored members; undefined if there are none
 * @throws validation_error for a member that was probably meant to be a known one, and for too many unknown ones
 */
export function ignoredMembers(frame: object, known: readonly string[]): string | undefined {
  const unknown = Object.keys(frame).filter((name) => name !== 'type' && !known.includes(name))
  const members = `The members of subscribe are ${known.join(', ')}`
  if (unknown.length > UNKNOWN_MAX) {
    throw new MailError('validation_error', { detail: `A subscribe frame has too many unknown members. ${members}` })
  }
  const names = unknown.map((name) => name.slice(0, NAME_CHARS_MAX).toWellFormed())
  for (const name of names) {
    const meant = meantBy(name, known)
    if (meant === undefined) continue
    const detail = `${name} is unknown: write ${meant}. ${members}`
    throw new MailError('validation_error', { detail, path: [name] })
  }
  if (names.length === 0) return undefined
  return `unknown members were ignored: ${names.slice(0, NAMED_MAX).join(', ')}${names.length > NAMED_MAX ? ', ...' : ''}`
}

/** Returns the member that is meant by another spelling (eventTypes, Inbox-IDs), a wrong letter (event_type) or a synonym. */
function meantBy(name: string, known: readonly string[]): string | undefined {
  const letters = lettersOf(name)
  const meant = similarName(letters, known.map(lettersOf))
  return known.find((each) => SYNONYMS[each]?.includes(letters) || lettersOf(each) === meant)
}

function lettersOf(name: string): string {
  return name.toLowerCase().replace(/[^a-z]/g, '')
}
