/**
 * BODYSTRUCTURE and BODY (RFC 9051 §7.5.2) of a message that read-structure.ts has scanned. Values that are not ASCII, in
 * parameters, are written as RFC 2231 has them.
 */
import { fieldsByName, fieldValue, type HeaderField } from '../mime/header-fields.ts'
import { parseParameterised } from '../mime/header-parameters.ts'
import type { MimePart } from '../mime/mime-structure.ts'
import { envelopeOf } from './envelope.ts'
import type { ImapResponseBudget } from './imap-response-budget.ts'
import { headerString, imapString, isAsciiText } from './imap-string.ts'

/** A part, and the message in it if it is one. */
export interface ScannedPart {
  readonly part: MimePart
  readonly parts: readonly ScannedPart[]
  readonly message?: ScannedPart
  /** The lines of the body, for the types whose lines are shown: text, and messages. */
  readonly lineCount?: number
}

interface Source {
  readonly raw: Buffer
  /** Label of the body, for header fields that are not ASCII. */
  readonly charset: string
  /** BODYSTRUCTURE; BODY is without extension data. */
  readonly isExtended: boolean
  readonly budget: ImapResponseBudget
}

/** @returns the list with its parentheses */
export function writeBodyStructure(scanned: ScannedPart, source: Source): string {
  const { part, parts, message, lineCount } = scanned
  const { budget } = source
  const fields = fieldsByName(part.fields)
  const value = (name: string) => firstValue(fields.get(name), source)
  const string = (name: string) => budget.take(() => headerString(value(name)))
  const [type = 'text', subtype = 'plain'] = part.contentType.split('/')
  if (parts.length > 0) {
    const children = parts.map((child) => writeBodyStructure(child, source)).join('')
    const parameters = () => budget.take(() => parameterList(part.parameters))
    const extension = source.isExtended ? ` ${parameters()} ${extensionOf(value, budget)}` : ''
    return `(${children} ${headerString(subtype)}${extension})`
  }
  const items = [
    headerString(type),
    headerString(subtype),
    budget.take(() => parameterList(withCharset(part, fields.has('content-type')))),
    string('content-id'),
    string('content-description'),
    headerString(part.encoding),
    String(part.bodyEnd - part.bodyStart),
  ]
  if (message) {
    const { raw, charset } = source
    items.push(envelopeOf(raw, message.part.fields, charset, budget), writeBodyStructure(message, source))
  }
  if (lineCount !== undefined) items.push(String(lineCount))
  if (source.isExtended) items.push(string('content-md5'), extensionOf(value, budget))
  return `(${items.join(' ')})`
}

/** Whether BODYSTRUCTURE has the number of lines of this part, which is no message. */
export function showsLines({ contentType }: MimePart): boolean {
  return contentType.startsWith('text/')
}

/** Disposition, language, location. */
function extensionOf(value: (name: string) => string | undefined, budget: ImapResponseBudget): string {
  const disposition = budget.take(() => dispositionOf(value('content-disposition')))
  const language = budget.take(() => languagesOf(value('content-language')))
  return `${disposition} ${language} ${budget.take(() => headerString(value('content-location')))}`
}

function languagesOf(value: string | undefined): string {
  const tags = value
    ?.split(',')
    .map((tag) => tag.trim())
    .filter((tag) => tag !== '')
  return tags && tags.length > 0 ? `(${tags.map(headerString).join(' ')})` : 'NIL'
}

function dispositionOf(value: string | undefined): string {
  if (value === undefined) return 'NIL'
  const { value: disposition, parameters } = parseParameterised(value)
  return disposition === '' ? 'NIL' : `(${headerString(disposition)} ${parameterList(parameters)})`
}

/** RFC 2045 §5.2: the type that a part without Content-Type has. */
function withCharset(part: MimePart, hasContentType: boolean): ReadonlyMap<string, string> {
  const isDefault = !hasContentType && part.contentType === 'text/plain'
  return isDefault ? new Map([['charset', 'us-ascii']]) : part.parameters
}

function parameterList(parameters: ReadonlyMap<string, string>): string {
  if (parameters.size === 0) return 'NIL'
  const written = [...parameters].map(([name, value]) =>
    isAsciiText(value)
      ? `${headerString(name)} ${imapString(value)}`
      : `${headerString(`${name}*`)} ${imapString(`utf-8''${encodeURIComponent(value.toWellFormed())}`)}`,
  )
  return `(${written.join(' ')})`
}

function firstValue(fields: readonly HeaderField[] | undefined, { raw, charset }: Source): string | undefined {
  const field = fields?.[0]
  return field && fieldValue(raw, field, charset)
}
