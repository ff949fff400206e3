/**
 * What the header of a message says about its quotes: whether it is a reply or a forward. This is weak evidence, which
 * only makes other evidence sufficient: people reply to a message and write about something else.
 */
import { normaliseLine } from './quote-line.ts'
import { AMBIGUOUS_PREFIX, FORWARD_PREFIXES, REPLY_PREFIXES } from './quote-vocabulary.ts'

/** The header fields of a message from which its context is derived. */
export interface ReplyHeader {
  subject?: string | undefined
  inReplyTo?: readonly string[]
  references?: readonly string[]
}

export interface ReplyContext {
  /** It has In-Reply-To or References, or the subject of a reply. */
  isReply: boolean
  /** It has a subject, but nothing of a reply or forward. Without a subject, nothing is known. */
  isNew: boolean
  /** Its subject is that of a forward. `ambiguous`: it depends on the language. */
  isForward: 'yes' | 'no' | 'ambiguous'
  /** The subject without prefixes, in lower case. '' if there is none. */
  baseSubject: string
}

/** Characters of a subject that are read: what follows makes no difference. */
export const SUBJECT_CHARS_MAX = 300
const PREFIXES_MAX = 10
/** "Re:", "Re[2]:", "Re (2):" */
const PREFIX = /^([\p{L}\p{M}.]{1,20}(?: [\p{L}\p{M}]{1,10})?) ?(?:\[\d{1,4}\]|\(\d{1,4}\)|\^\d{1,4})? ?:/u
/** "[list-name]", "[EXTERNAL]", "*** EXTERNAL ***" */
const TAGS = /^(?:(?:\[[^\]]{1,60}\]|\*{2,3}[^*]{1,40}\*{2,3}) ?){0,4}/
const REPLIES = new Set(REPLY_PREFIXES)
const FORWARDS = new Set(FORWARD_PREFIXES)

export function replyContext({ subject = '', inReplyTo = [], references = [] }: ReplyHeader): ReplyContext {
  const { prefix, base } = splitSubject(subject)
  const isForward = prefix !== undefined && FORWARDS.has(prefix)
  const isReply = inReplyTo.length > 0 || references.length > 0 || (prefix !== undefined && REPLIES.has(prefix))
  return {
    isReply,
    isNew: base !== '' && !isReply && !isForward,
    isForward: !isForward ? 'no' : prefix === AMBIGUOUS_PREFIX.prefix ? 'ambiguous' : 'yes',
    baseSubject: base,
  }
}

/** Whether a subject begins with "Re:", in any language. */
export function isReplySubject(subject: string): boolean {
  return REPLIES.has(splitSubject(subject).prefix ?? '')
}

/** Whether a subject begins with "Fwd:", in any language. */
export function isForwardSubject(subject: string): boolean {
  return FORWARDS.has(splitSubject(subject).prefix ?? '')
}

/** Returns the first prefix of a subject, which the program of the sender added, and the subject without prefixes. */
export function splitSubject(subject: string): { prefix?: string; base: string } {
  let base = normaliseLine(subject, SUBJECT_CHARS_MAX)
  let prefix: string | undefined
  for (let count = 0; count < PREFIXES_MAX; count++) {
    const tags = TAGS.exec(base)![0]
    if (tags.length < base.length) base = base.slice(tags.length)
    const found = PREFIX.exec(base)
    const word = found?.[1]?.replace(/\.$/, '')
    if (found === null || word === undefined || !(REPLIES.has(word) || FORWARDS.has(word))) break
    prefix ??= word
    base = base.slice(found[0].length).trim()
  }
  return prefix === undefined ? { base } : { prefix, base }
}
