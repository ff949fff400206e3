/** Recognises mail that a program has written by itself (RFC 3834), which no program should answer by itself. Pure. */

/**
 * Whether a message says that a program has written it, or that it went to many: Auto-Submitted (§5) with any value but "no";
 * Precedence bulk, junk or list, and the fields of mailing lists (§2, RFC 2919, RFC 2369).
 *
 * @param headers the fields, in any case of their names
 */
export function isAutomaticMail(headers: readonly (readonly [name: string, value: string])[]): boolean {
  return headers.some(([name, value]) => {
    const lowerName = name.toLowerCase()
    const [word = ''] = value
      .toLowerCase()
      .trim()
      .split(/[\s;(]/)
    if (lowerName === 'auto-submitted') return word !== 'no' && word !== ''
    if (lowerName === 'precedence') return ['bulk', 'junk', 'list', 'auto_reply'].includes(word)
    return lowerName === 'list-id' || lowerName === 'list-unsubscribe'
  })
}

/** Whether a message says that it is an answer by a program (§5 auto-replied), or written by one. */
export function isDeclaredAutomatic(headers: Readonly<Record<string, string>> = {}): boolean {
  return Object.entries(headers).some(
    ([name, value]) => name.toLowerCase() === 'auto-submitted' && isAutomaticMail([[name, value]]),
  )
}
