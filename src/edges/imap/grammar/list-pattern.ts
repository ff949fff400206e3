/**
 * Patterns of LIST (RFC 9051 §6.3.9): "*" matches anything, "%" anything but the hierarchy delimiter. The time is at most
 * length of the name × length of the pattern, without recursion.
 */

export const DELIMITER = '/'

export interface ListPattern {
  /** Whether the pattern matches the whole name. INBOX matches in any case. */
  matches(name: string): boolean
  /** At most so many for each character of a name. */
  readonly comparisonsPerChar: number
}

/** @param pattern decoded */
export function createListPattern(pattern: string): ListPattern {
  const inbox = /^inbox(?=[/%*]|$)/i.test(pattern) ? `INBOX${pattern.slice(5)}` : pattern
  const parts = inbox.replace(/[*%]{2,}/g, (wildcards) => (wildcards.includes('*') ? '*' : '%'))
  if (!/[*%]/.test(parts)) return { matches: (name) => name === parts, comparisonsPerChar: 1 }
  if (parts === '*') return { matches: () => true, comparisonsPerChar: 0 }
  if (parts === '%') return { matches: (name) => !name.includes(DELIMITER), comparisonsPerChar: 1 }
  const literals = parts.replace(/[*%]/g, '').length
  const matches = createMatcher(parts)
  const matchesInbox = createMatcher(foldInbox(parts))
  return {
    comparisonsPerChar: parts.length,
    matches: (name) => literals <= name.length && (matches(name) || (/^INBOX(\/|$)/.test(name) && matchesInbox(name))),
  }
}

/** RFC 9051 §6.3.9: INBOX is compared without case, so "i%" must find it. Only the first five letters are folded. */
function foldInbox(parts: string): string {
  let letters = 0
  return parts.replace(/[^*%]/g, (char) => (letters++ < 5 ? char.toUpperCase() : char))
}

const STAR = 0x2a
const PERCENT = 0x25
const SLASH = 0x2f

/**
 * Follows every position of the pattern that the name so far can have reached: many names are compared with one pattern.
 *
 * @param parts no wildcard follows another one
 */
function createMatcher(parts: string): (name: string) => boolean {
  const { length } = parts
  const codes = Uint16Array.from({ length }, (_, at) => parts.charCodeAt(at))
  const isWildcard = (at: number) => codes[at] === STAR || codes[at] === PERCENT
  let reached = new Uint8Array(length + 2)
  let next = new Uint8Array(length + 2)

  return (name) => {
    reached.fill(0)
    reach(reached, 0)
    for (let i = 0; i < name.length; i++) {
      const code = name.charCodeAt(i)
      next.fill(0)
      for (let at = 0; at < length; at++) {
        if (reached[at] === 0) continue
        const part = codes[at]
        if (part === STAR || (part === PERCENT && code !== SLASH)) reach(next, at)
        else if (part === code) reach(next, at + 1)
      }
      ;[reached, next] = [next, reached]
    }
    return reached[length] === 1
  }

  /** A wildcard can stand for nothing. */
  function reach(positions: Uint8Array, at: number): void {
    positions[at] = 1
    if (isWildcard(at)) positions[at + 1] = 1
  }
}
