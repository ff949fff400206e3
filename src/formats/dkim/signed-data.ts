/**
 * Computes what the signatures of a message sign (RFC 6376 §3.7). Pure.
 *
 * The time is linear in the size of the message, whatever its signatures say: the body is hashed once per
 * canonicalization, and each field is canonicalized once.
 */
import { createHash } from 'node:crypto'
import { fieldsByName, type HeaderField } from '../mime/header-fields.ts'
import { relaxedBody, relaxedHeader, simpleBody } from './dkim-canonical.ts'
import type { Canonicalization, DkimSignature } from './dkim-signature.ts'

export interface SignedData {
  /** bh= is the hash of the body, or of as much as l= says. */
  readonly isBodyIntact: boolean
  /** l= leaves out a part of the body. */
  readonly hasUnsignedBody: boolean
  /** The bytes that the signature is for, as latin1. */
  readonly header: string
}

export interface SignedMail {
  /** @param field the signature itself */
  dataOf(signature: DkimSignature, field: HeaderField): SignedData
  /** Returns a field in its relaxed form with its line end, as latin1. */
  relaxedField(field: HeaderField): string
}

/** @param fields of the header, in their order; offsets are relative to the start of `raw` */
export function openSignedMail(raw: Buffer, fields: readonly HeaderField[], bodyStart: number): SignedMail {
  const bodies = new Map<Canonicalization, { readonly bytes: Buffer; hash?: string }>()
  const relaxed = new Map<HeaderField, string>()
  const byName = fieldsByName(fields)

  return { dataOf, relaxedField }

  function dataOf(signature: DkimSignature, field: HeaderField): SignedData {
    const { headerCanon, bodyCanon, bodyHash, bodyBytes } = signature
    const canonical = (one: HeaderField) => (headerCanon === 'relaxed' ? relaxedField(one) : fieldText(raw, one))
    const own = withoutSignature(fieldText(raw, field))
    const ownCanonical = headerCanon === 'relaxed' ? relaxedHeader(field.name, own.slice(own.indexOf(':') + 1)) : own
    const { bytes } = body(bodyCanon)
    // §3.4.5: a length beyond the end of the body cannot be met; one before it would let anyone append text.
    const isWhole = bodyBytes === undefined || bodyBytes === bytes.length
    return {
      isBodyIntact: isWhole ? hashOf(bodyCanon) === bodyHash : false,
      hasUnsignedBody: bodyBytes !== undefined && bodyBytes < bytes.length,
      header: `${select(signature.signedNames).map(canonical).join('')}${ownCanonical}`,
    }
  }

  /** §5.4.2: fields of the same name are signed from the bottom up; a name without a field stands for none. */
  function select(names: readonly string[]): HeaderField[] {
    const taken = new Map<string, number>()
    return names.flatMap((name) => {
      const count = (taken.get(name) ?? 0) + 1
      taken.set(name, count)
      const found = byName.get(name)?.at(-count)
      return found ? [found] : []
    })
  }

  function relaxedField(field: HeaderField): string {
    const known = relaxed.get(field)
    if (known !== undefined) return known
    const text = `${relaxedHeader(field.name, raw.toString('latin1', field.valueStart, field.end))}\r\n`
    relaxed.set(field, text)
    return text
  }

  function body(canonicalization: Canonicalization) {
    const known = bodies.get(canonicalization)
    if (known) return known
    const bytes = raw.subarray(bodyStart)
    const made: { readonly bytes: Buffer; hash?: string } = {
      bytes: canonicalization === 'relaxed' ? relaxedBody(bytes) : simpleBody(bytes),
    }
    bodies.set(canonicalization, made)
    return made
  }

  function hashOf(canonicalization: Canonicalization): string {
    const one = body(canonicalization)
    one.hash ??= createHash('sha256').update(one.bytes).digest('base64')
    return one.hash
  }
}

/** §3.4.1: the field as it is, with its line end. */
function fieldText(raw: Buffer, { start, end }: HeaderField): string {
  return raw.toString('latin1', start, end)
}

/** §3.7: the field with an empty b=, without its line end. @param field "Name: value" */
export function withoutSignature(field: string): string {
  const valueStart = field.indexOf(':') + 1
  const value = field.slice(valueStart).replace(/((?:^|;)[ \t\r\n]*b[ \t\r\n]*=)[^;]*/, '$1')
  return `${field.slice(0, valueStart)}${value}`.replace(/\r?\n$/, '')
}
