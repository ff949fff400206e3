/**
 * Parses the argument of MAIL and RCPT: `FROM:<path> KEY=value …` (RFC 5321 §4.1.1.2, §4.1.1.3, §4.1.2). Pure.
 *
 * It finds the address; formats/address/address.ts decides whether the address is valid.
 */

export interface AddressCommand {
  /** Between the angle brackets, without a source route; "" for `<>`. */
  readonly address: string
  /** Keys in upper case; the value is undefined for a key without one. */
  readonly parameters: ReadonlyMap<string, string | undefined>
}

/** RFC 5321 §4.1.2: an esmtp-keyword, and an esmtp-value of any characters except "=", space and control characters. */
const PARAMETER = /^([A-Za-z0-9][A-Za-z0-9-]*)(?:=([^=]+))?$/

/** @returns undefined if the argument does not have that form, or repeats a parameter */
export function parseAddressCommand(keyword: 'FROM' | 'TO', argument: string): AddressCommand | undefined {
  if (argument.slice(0, keyword.length + 1).toUpperCase() !== `${keyword}:`) return undefined
  // A space after the colon is not in the grammar (RFC 5321 §3.3), but it is often sent and is unambiguous.
  const path = argument.slice(keyword.length + 1).trimStart()
  const end = endOfPath(path)
  if (end === -1) return undefined

  const tail = path.slice(end + 1)
  const parameters = tail === '' || tail.startsWith(' ') ? parseParameters(tail) : undefined
  return parameters && { address: withoutSourceRoute(path.slice(1, end)), parameters }
}

/** Finds the closing bracket; a ">" inside a quoted local part does not count (RFC 5321 §4.1.2, Quoted-string). */
function endOfPath(path: string): number {
  if (!path.startsWith('<')) return -1
  let isQuoted = false
  for (let index = 1; index < path.length; index++) {
    const character = path[index]
    if (isQuoted && character === '\\') index++
    else if (character === '"') isQuoted = !isQuoted
    else if (character === '>' && !isQuoted) return index
  }
  return -1
}

/** RFC 5321 appendix C: `@relay,@other:user@host` must be accepted and the route ignored. */
function withoutSourceRoute(address: string): string {
  return address.startsWith('@') ? address.slice(address.indexOf(':') + 1) : address
}

function parseParameters(tail: string): ReadonlyMap<string, string | undefined> | undefined {
  const parameters = new Map<string, string | undefined>()
  for (const word of tail.split(' ')) {
    if (word === '') continue
    const match = PARAMETER.exec(word)
    const key = match?.[1]?.toUpperCase()
    if (key === undefined || parameters.has(key)) return undefined
    parameters.set(key, match?.[2])
  }
  return parameters
}
