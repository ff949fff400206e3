/** Recognises mail that no program should answer by itself (RFC 3834). Pure. */

/**
 * Values of X-Auto-Response-Suppress that ask for no automatic answers (MS-OXCMAIL §2.1.3.2.20). An answer of an agent can be
 * either, an absence notice (OOF) or another one. The others are about reports of delivery and of reading.
 */
const SUPPRESSED_ANSWERS = ['all', 'oof', 'autoreply']

/**
 * Whether a message says that a program has written it, that it went to many, or that it wants no automatic answer:
 * Auto-Submitted (§5) with any value but "no"; Precedence bulk, junk or list, and the fields of mailing lists (§2, RFC 2919,
 * RFC 2369); X-Auto-Response-Suppress.
 *
 * @param headers the fields, in any case of their names
 */
export function isUnanswerableMail(headers: readonly (readonly [name: string, value: string])[]): boolean {
  return (
    isAutoSubmitted(headers) ||
    headers.some(([name, value]) => {
      const lowerName = name.toLowerCase()
      if (lowerName === 'precedence') return ['bulk', 'junk', 'list', 'auto_reply'].includes(firstWord(value))
      if (lowerName === 'x-auto-response-suppress')
        return value.split(',').some((each) => SUPPRESSED_ANSWERS.includes(firstWord(each)))
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
