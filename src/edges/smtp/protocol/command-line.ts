/**
 * Splits a command line into verb and argument (RFC 5321 §2.4, §4.1.1). Pure; accepts any bytes that a peer can send.
 */

export interface CommandLine {
  /** Upper case. */
  readonly verb: string
  /** Without white space at either end. */
  readonly argument: string
}

/** ASCII without control characters, as nearly all commands are: decoded in a fraction of the time of UTF-8. */
const PRINTABLE = /^[ -~]*$/
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/**
 * @param line without its line end
 * @returns undefined if it is not text: if it contains bytes that are not UTF-8 (RFC 6531 §3.3), NUL or other control
 *   characters
 */
export function parseCommandLine(line: Buffer): CommandLine | undefined {
  const text = decode(line)
  if (text === undefined) return undefined
  const space = text.indexOf(' ')
  return space === -1
    ? { verb: text.toUpperCase(), argument: '' }
    : { verb: text.slice(0, space).toUpperCase(), argument: text.slice(space + 1).trim() }
}

function decode(line: Buffer): string | undefined {
  const ascii = line.toString('latin1')
  if (PRINTABLE.test(ascii)) return ascii.trimEnd()
  try {
    const text = utf8.decode(line).replaceAll('\t', ' ').trimEnd()
    return /\p{Cc}/u.test(text) ? undefined : text
  } catch {
    return undefined // not UTF-8; TextDecoder reports that by an exception only
  }
}
