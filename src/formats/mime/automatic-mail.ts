/** Recognises mail that a program has written by itself (RFC 3834), which no program should answer by itself. Pure. */

/**
 * Whether a message says that a program has written it, or that it went to many: Auto-Submitted (§5) with any value but "no";
 * Precedence bulk, junk or list, and the fields of mailing lists (§2, RFC 2919, RFC 2369).
 *
 * @param headers the fields, in any case of their names
 */
export function isAutomaticMail(headers: readonly (readonly [name: string, value: string])[]): boolean {
  return (
    isAutoSubmitted(headers) ||
    headers.some(([name, value]) => {
      const lowerName = name.toLowerCase()
      if (lowerName === 'precedence') return ['bulk', 'junk', 'list', 'auto_reply'].includes(firstWord(value))
      return lowerName === 'list-id' || lowerName === 'list-unsubscribe'
    })
  )
}

/** Whether a message says that a program has written it, as an answer or not: Auto-Submitted (§5) with any value but "no". */
export function isAutoSubmitted(headers: readonly (readonly [name: string, value: string])[]): boolean {
  return headers.some(
    ([name, value]) => name.toLowerCase() === 'auto-submitted' && !['no', ''].includes(firstWord(value)),
  )
}

function firstWord(value: string): string {
  const [word = ''] = value
    .toLowerCase()
    .trim()
    .split(/[\s;(]/)
  return word
}
