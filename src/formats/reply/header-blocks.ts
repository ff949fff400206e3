/**
 * Finds copied headers: the lines "From: …", "Sent: …", "To: …", "Subject: …" that Outlook and others write above the
 * original message, in any order, with any number of fields and with recipient lists over several lines.
 *
 * A plan of a journey has the labels From, To and Date as well. So labels are not evidence: an address in From or To, a
 * complete date with a time, and the subject of the message are.
 */
import { findDate } from './quote-dates.ts'
import { hasAddress, normaliseLine } from './quote-line.ts'
import { AMBIGUOUS_PREFIX, type CopiedField, HEADER_LABELS } from './quote-vocabulary.ts'
import { type ReplyContext, splitSubject } from './reply-context.ts'

/** Lines of a block, with long lists of recipients. */
const LINES_MAX = 40
/** The same for a block whose first label is unknown. */
const UNKNOWN_LINES_MAX = 8
const LABEL_CHARS_MAX = 30
const VALUE_CHARS_MAX = 300

/** A line, as a field of a header or the continuation of one. */
interface FieldLine {
  isBlank: boolean
  /** It begins with white space. */
  isIndented: boolean
  /** '' if the line does not begin with a short label. */
  label: string
  /** The field that the label names. */
  field: CopiedField | undefined
  /** The text without the label. */
  value: string
  hasAddress: boolean
  hasDate: boolean
  hasDateAndTime: boolean
  hasSubjectOfMessage: boolean
}

/** What a block contains, as far as it is evidence. */
interface Evidence {
  fields: Set<CopiedField>
  beginsWithFrom: boolean
  /** A field occurs twice. */
  isRepeated: boolean
  fromLabel: string
  /** In From, To or Cc. */
  hasAddress: boolean
  hasFromAddress: boolean
  hasAnyAddress: boolean
  hasDate: boolean
  hasDateAndTime: boolean
  hasSubjectOfMessage: boolean
  /** Lines that have the form of a field, also with unknown labels. */
  labels: number
}

/** Searches the lines of one message. */
export class HeaderBlocks {
  readonly #textAt: (index: number) => string | undefined
  readonly #context: ReplyContext
  /** Each line is examined once, although it can belong to the blocks of several starts. */
  readonly #examined: (FieldLine | undefined)[] = []

  /** @param textAt  returns undefined after the last line, and for lines that cannot belong to a block */
  constructor(textAt: (index: number) => string | undefined, context: ReplyContext) {
    this.#textAt = textAt
    this.#context = context
  }

  /**
   * Whether a copied header begins with this line: whether there is enough evidence for one.
   *
   * @param isAnnounced  a ruled line, or an element that only mail programs create, is directly above
   */
  isBlock(start: number, isAnnounced: boolean): boolean {
    if (!/[:：]/.test(this.#textAt(start)?.slice(0, LABEL_CHARS_MAX * 2) ?? '')) return false
    const first = this.#lineAt(start)
    if (first === undefined || first.label === '') return false
    const isExpected = this.#context.isReply || this.#context.isForward !== 'no' || isAnnounced
    if (first.field === undefined && !isExpected) return false
    const evidence = this.#readFields(start)
    if (!evidence.fields.has('from')) return isExpected && isUnknownBlock(evidence)
    // Otherwise, the first lines are the sender's, and the block begins below.
    const canBegin = first.field === 'from' || (/^(?:date|to|subject)$/.test(first.field ?? '') && !evidence.isRepeated)
    return canBegin && isKnownBlock(evidence, isExpected, isAnnounced)
  }

  /** Whether the subject says that the header which begins with this line belongs to a forwarded message. */
  isForwardedBy(start: number): boolean {
    if (this.#context.isForward !== 'ambiguous') return this.#context.isForward === 'yes'
    return !AMBIGUOUS_PREFIX.replyLabels.includes(this.#readFields(start).fromLabel)
  }

  /** Whether a line is a field. */
  isField(index: number): boolean {
    const line = this.#lineAt(index)
    return line !== undefined && line.label !== '' && (line.field !== undefined || line.hasAddress)
  }

  #readFields(start: number): Evidence {
    const evidence: Evidence = {
      fields: new Set(),
      beginsWithFrom: this.#lineAt(start)?.field === 'from',
      isRepeated: false,
      fromLabel: '',
      hasAddress: false,
      hasFromAddress: false,
      hasAnyAddress: false,
      hasDate: false,
      hasDateAndTime: false,
      hasSubjectOfMessage: false,
      labels: 0,
    }
    let field: CopiedField | undefined
    let value = ''
    const linesMax = this.#lineAt(start)?.field === undefined ? UNKNOWN_LINES_MAX : LINES_MAX
    for (let index = start; index < start + linesMax; index++) {
      const line = this.#lineAt(index)
      if (line === undefined) break
      if (line.isBlank) {
        if (evidence.beginsWithFrom && this.#continuesBelow(index, evidence.fields)) continue
        break
      }
      if (line.field === 'from' && evidence.fields.has('from')) break
      if (line.label !== '') {
        field = line.field
        evidence.labels += 1
        if (field !== undefined && field !== 'other') evidence.isRepeated ||= evidence.fields.has(field)
        if (field !== undefined) evidence.fields.add(field)
        if (field === 'from') evidence.fromLabel = line.label
      } else if (value !== '' && !/[;,<]$/.test(value) && !line.isIndented && !line.hasAddress) break
      value = line.value
      addEvidence(evidence, field, line)
    }
    return evidence
  }

  /** Whether the next field follows blank lines, because the fields were paragraphs of HTML. */
  #continuesBelow(blank: number, fields: ReadonlySet<CopiedField>): boolean {
    const below = this.#lineAt(blank + 1)
    const next = below?.isBlank === true ? this.#lineAt(blank + 2) : below
    return next?.field !== undefined && !fields.has(next.field)
  }

  #lineAt(index: number): FieldLine | undefined {
    const examined = this.#examined[index]
    if (examined !== undefined) return examined
    const text = this.#textAt(index)
    if (text === undefined) return undefined
    const line = examine(text, this.#context)
    this.#examined[index] = line
    return line
  }
}

function examine(text: string, context: ReplyContext): FieldLine {
  const line = normaliseLine(text, LABEL_CHARS_MAX + VALUE_CHARS_MAX)
  const label = labelOf(line)
  const value = label === '' ? line : line.slice(line.indexOf(':') + 1).replace(/^[*_ ]+/, '')
  const field = label === '' ? undefined : HEADER_LABELS.get(label)
  const date = findDate(value)
  return {
    isBlank: line === '',
    isIndented: /^[ \t]/.test(text),
    label,
    field,
    value,
    hasAddress: hasAddress(value),
    hasDate: date.isComplete,
    hasDateAndTime: date.isComplete && date.hasTime,
    hasSubjectOfMessage: context.baseSubject !== '' && splitSubject(value).base === context.baseSubject,
  }
}

/** Returns "from" for "*From:* Ann", and '' if the line does not begin with a short label. */
function labelOf(line: string): string {
  const colon = line.slice(0, LABEL_CHARS_MAX + 5).indexOf(':')
  const label =
    colon < 1
      ? ''
      : line
          .slice(0, colon)
          .replaceAll(/[*_]|(?<=\p{sc=Han}) (?=\p{sc=Han})/gu, '')
          .trim()
          .replace(/\.$/, '')
  return /^[\p{L}\p{M}]/u.test(label) ? label : ''
}

function addEvidence(evidence: Evidence, field: CopiedField | undefined, line: FieldLine): void {
  if (line.hasAddress) {
    evidence.hasAnyAddress = true
    if (field === 'from') evidence.hasFromAddress = true
    if (field === 'from' || field === 'to' || field === 'cc') evidence.hasAddress = true
  }
  if (field === 'date' || field === undefined) {
    evidence.hasDate ||= line.hasDate
    evidence.hasDateAndTime ||= line.hasDateAndTime
  }
  evidence.hasSubjectOfMessage ||= line.hasSubjectOfMessage
}

/**
 * @param isExpected   the message is a reply or a forward, or the block is announced
 * @param isAnnounced  a ruled line is above
 */
function isKnownBlock(evidence: Evidence, isExpected: boolean, isAnnounced: boolean): boolean {
  const { fields } = evidence
  const count = [
    fields.has('from'),
    fields.has('date'),
    fields.has('to') || fields.has('cc'),
    fields.has('subject'),
  ].filter(Boolean).length
  if (count < 3) return false
  if (evidence.hasAddress && count === 4) return true
  const isOfThread = evidence.hasSubjectOfMessage || isAnnounced
  if (evidence.hasFromAddress && isExpected && (isOfThread || (evidence.beginsWithFrom && fields.has('to'))))
    return true
  if (!isExpected || !evidence.hasDate || !fields.has('subject')) return false
  return evidence.hasSubjectOfMessage || (isAnnounced && evidence.hasDateAndTime)
}

/** A block in a language that is not in the tables. */
function isUnknownBlock(evidence: Evidence): boolean {
  return evidence.labels >= 3 && evidence.hasAnyAddress && evidence.hasDateAndTime && evidence.hasSubjectOfMessage
}
