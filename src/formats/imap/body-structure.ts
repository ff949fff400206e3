/**
 * BODYSTRUCTURE and BODY (RFC 9051 §7.5.2) of a message that read-structure.ts has scanned. Values that are not ASCII, in
 * parameters, are written as RFC 2231 has them.
 */
import { fieldsByName, fieldValue, type HeaderField } from '../mime/header-fields.ts'
import { parseParameterised } from '../mime/header-parameters.ts'
import type { MimePart } from '../mime/mime-structure.ts'
import { envelopeOf } from './envelope.ts'
import { headerString, imapString, isAsciiText } from './imap-string.ts'

/** A part, and the message in it if it is one. */
export interface ScannedPart {
  readonly part: MimePart
  readonly parts: readonly ScannedPart[]
  readonly message?: ScannedPart
}

interface Source {
  readonly raw: Buffer
  /** Label of the body, for header fields that are not ASCII. */
  readonly charset: string
  /** BODYSTRUCTURE; BODY is without extension data. */
  readonly isExtended: boolean
}

/** @returns the list with its parentheses */
export function writeBodyStructure(scanned: ScannedPart, source: Source): string {
  const { part, parts, message } = scanned
  const fields = fieldsByName(part.fields)
  const value = (name: string) => firstValue(fields.get(name), source)
  const [type = 'text', subtype = 'plain'] = part.contentType.split('/')
  if (parts.length > 0) {
    const children = parts.map((child) => writeBodyStructure(child, source)).join('')
    const extension = source.isExtended ? ` ${parameterList(part.parameters)} ${extensionOf(value)}` : ''
    return `(${children} ${headerString(subtype)}${extension})`
  }
  const items = [
    headerString(type),
    headerString(subtype),
    parameterList(withCharset(part, fields.has('content-type'))),
    headerString(value('content-id')),
    headerString(value('content-description')),
    headerString(part.encoding),
    String(part.bodyEnd - part.bodyStart),
  ]
  if (message) {
    const { raw, charset } = source
    items.push(envelopeOf(raw, message.part.fields, charset), writeBodyStructure(message, source))
  }
  if (message || type === 'text') items.push(String(countLines(source.raw, part.bodyStart, part.bodyEnd)))
  if (source.isExtended) items.push(headerString(value('content-md5')), extensionOf(value))
  return `(${items.join(' ')})`
}

/** Disposition, language, location. */
function extensionOf(value: (name: string) => string | undefined): string {
  const language = value('content-language')
    ?.split(',')
    .map((tag) => tag.trim())
    .filter((tag) => tag !== '')
  const languages = language && language.length > 0 ? `(${language.map(headerString).join(' ')})` : 'NIL'
  return `${dispositionOf(value('content-disposition'))} ${languages} ${headerString(value('content-location'))}`
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

const LF = 0x0a

function countLines(raw: Buffer, start: number, end: number): number {
  let count = 0
  for (let pos = raw.indexOf(LF, start); pos >= 0 && pos < end; pos = raw.indexOf(LF, pos + 1)) count++
  return count
}
