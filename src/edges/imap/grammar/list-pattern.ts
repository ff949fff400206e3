/**
 * Patterns of LIST (RFC 9051 §6.3.9): "*" matches anything, "%" anything but the hierarchy delimiter. The time is at most
 * length of the name × length of the pattern, without recursion.
 */

export const DELIMITER = '/'

export interface ListPattern {
  /** Whether the pattern matches the whole name. INBOX matches in any case. */
  matches(name: string): boolean
}

/** @param pattern decoded */
export function createListPattern(pattern: string): ListPattern {
  const inbox = /^inbox(?=[/%*]|$)/i.test(pattern) ? `INBOX${pattern.slice(5)}` : pattern
  const parts = inbox.replace(/[*%]{2,}/g, (wildcards) => (wildcards.includes('*') ? '*' : '%'))
  if (!/[*%]/.test(parts)) return { matches: (name) => name === parts }
  if (parts === '*') return { matches: () => true }
  if (parts === '%') return { matches: (name) => !name.includes(DELIMITER) }
  const literals = parts.replace(/[*%]/g, '').length
  return {
    matches: (name) =>
      literals <= name.length &&
      (matchesParts(parts, name) || (/^INBOX(\/|$)/.test(name) && matchesParts(foldInbox(parts), name))),
  }
}

/** RFC 9051 §6.3.9: INBOX is compared without case, so "i%" must find it. Only the first five letters are folded. */
function foldInbox(parts: string): string {
  let letters = 0
  return parts.replace(/[^*%]/g, (char) => (letters++ < 5 ? char.toUpperCase() : char))
}

/** Follows every position of the pattern that the name so far can have reached. */
function matchesParts(parts: string, name: string): boolean {
  let reached = new Uint8Array(parts.length + 1)
  reached[0] = 1
  passEmptyWildcards(parts, reached)
  for (const char of name.split('')) {
    const next = new Uint8Array(parts.length + 1)
    for (let at = 0; at < parts.length; at++) {
      if (reached[at] === 0) continue
      const part = parts[at]
      if (part === '*' || (part === '%' && char !== DELIMITER)) next[at] = 1
      else if (part === char) next[at + 1] = 1
    }
    passEmptyWildcards(parts, next)
    reached = next
  }
  return reached[parts.length] === 1
}

function passEmptyWildcards(parts: string, reached: Uint8Array): void {
  for (let at = 0; at < parts.length; at++) {
    if (reached[at] === 1 && (parts[at] === '*' || parts[at] === '%')) reached[at + 1] = 1
  }
}
