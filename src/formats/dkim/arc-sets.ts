/**
 * Reads the ARC sets of a message (RFC 8617 §4.1, §4.2), which those who forward it add, and checks their structure (§5.2
 * steps 1 to 3). Pure; mail/receiving/authentication/ verifies the signatures.
 */
import type { HeaderField } from '../mime/header-fields.ts'
import { relaxedHeader } from './dkim-canonical.ts'
import { readIdentity, readSignature, type SignatureIdentity, unverifiable } from './dkim-signature.ts'
import { type SignedData, type SignedMail, withoutSignature } from './signed-data.ts'
import { parseTagList } from './tag-list.ts'

export interface ArcSeal extends SignatureIdentity {
  /** The bytes that it signs, as latin1. */
  readonly header: string
  /** What its sealer had found out: the value of the ARC-Authentication-Results field, without the instance. */
  readonly results: string
}

export interface ArcChain {
  /** From the first set to the newest one. */
  readonly seals: readonly ArcSeal[]
  /** The message signature of the newest set. */
  readonly message: SignatureIdentity & SignedData & { readonly expiresAt?: number }
}

/** `problem`: why the chain is invalid. */
export type ArcSets = ArcChain | { readonly problem: string }

const FIELDS = ['arc-authentication-results', 'arc-message-signature', 'arc-seal'] as const
type FieldName = (typeof FIELDS)[number]
type ArcSet = Partial<Record<FieldName, HeaderField>>

/** A set's results are kept up to this length: they are compared with one name. */
const RESULTS_CHARS_MAX = 4_000

/**
 * @param setsMax a longer chain is invalid (§4.2.1 has 50 as the largest instance)
 * @returns undefined without any ARC field
 */
export function readArcSets(
  raw: Buffer,
  fields: readonly HeaderField[],
  mail: SignedMail,
  setsMax: number,
): ArcSets | undefined {
  const sets: ArcSet[] = []
  let isArc = false
  for (const field of fields) {
    const name = FIELDS.find((each) => each === field.name.toLowerCase())
    if (!name) continue
    isArc = true
    const instance = instanceOf(valueText(raw, field), name)
    if (instance === undefined) return { problem: 'an instance is missing or malformed' }
    if (instance > setsMax) return { problem: `it has more than ${setsMax} sets` }
    const set = sets[instance - 1] ?? {}
    sets[instance - 1] = set
    // §5.2 step 3: exactly one of each field per set, and no gaps
    if (set[name]) return { problem: `set ${instance} has a field twice` }
    set[name] = field
  }
  if (!isArc) return undefined

  const seals: ArcSeal[] = []
  let sealed = ''
  let newest: ArcChain['message'] | undefined
  for (let index = 0; index < sets.length; index += 1) {
    const { [FIELDS[0]]: results, [FIELDS[1]]: message, [FIELDS[2]]: seal } = sets[index] ?? {}
    if (!results || !message || !seal) return { problem: `set ${index + 1} is incomplete` }
    const signed = `${sealed}${mail.relaxedField(results)}${mail.relaxedField(message)}`
    const read = readSeal(raw, seal, index === 0)
    if ('problem' in read) return { problem: `set ${index + 1}: ${read.problem}` }
    seals.push({ ...read, header: `${signed}${read.own}`, results: resultsOf(valueText(raw, results)) })
    sealed = `${signed}${mail.relaxedField(seal)}`
    if (index < sets.length - 1) continue
    const signature = readSignature(valueText(raw, message), 'arc')
    if ('reason' in signature) return { problem: `set ${index + 1}: ${signature.reason}` }
    const { domain, selector, algorithm, keyType, signature: value, expiresAt } = signature
    const identity = { domain, selector, algorithm, keyType, signature: value }
    newest = { ...identity, ...(expiresAt !== undefined && { expiresAt }), ...mail.dataOf(signature, message) }
  }
  return { seals, message: newest! }
}

function readSeal(raw: Buffer, field: HeaderField, isFirst: boolean) {
  const tags = parseTagList(valueText(raw, field))
  if (!tags) return { problem: 'its seal is malformed' }
  for (const name of ['a', 'b', 'd', 's', 'cv']) if (!tags.get(name)) return { problem: `${name}= is missing` }
  // §4.1.3: a seal signs the ARC fields, so it has no list of fields
  if (tags.has('h')) return { problem: 'its seal has h=' }
  // §5.2 step 3.C: "none" in the first set, "pass" in all others
  const status = tags.get('cv')!.toLowerCase()
  if (status !== (isFirst ? 'none' : 'pass')) return { problem: `cv=${status.slice(0, 10)}` }
  const identity = readIdentity(tags)
  if ('reason' in identity) return { problem: unverifiable(tags, identity.reason).reason }
  const text = withoutSignature(raw.toString('latin1', field.start, field.end))
  return { ...identity, own: relaxedHeader(field.name, text.slice(text.indexOf(':') + 1)) }
}

/** §4.1.1: the first thing in ARC-Authentication-Results; in the others, a tag. */
function instanceOf(value: string, name: FieldName): number | undefined {
  const text =
    name === 'arc-authentication-results' ? /^\s*i\s*=\s*(\d{1,2})\s*;/.exec(value)?.[1] : parseTagList(value)?.get('i')
  return text !== undefined && /^[1-9]\d?$/.test(text) ? Number(text) : undefined
}

function resultsOf(value: string): string {
  return value
    .slice(value.indexOf(';') + 1)
    .replace(/\s+/g, ' ')
    .trim()
    .slice(0, RESULTS_CHARS_MAX)
}

function valueText(raw: Buffer, { valueStart, end }: HeaderField): string {
  return raw.toString('latin1', valueStart, end)
}
