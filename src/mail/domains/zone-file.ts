/** Writes the records of a domain as lines of a zone file (RFC 1035 §5.1), for import at a DNS provider. Pure. */
import type { ExpectedRecord } from './domain-records.ts'
import type { RecommendedRecord } from './recommended-records.ts'

/** RFC 1035 §3.3: bytes of one character-string. */
const STRING_BYTES_MAX = 255
const TTL_SECONDS = 3_600

export function zoneFile(domain: string, records: readonly (ExpectedRecord | RecommendedRecord)[]): string {
  const lines = records.map(({ name, type, value, priority }) => {
    const data = type === 'TXT' ? strings(value) : `${priority === undefined ? '' : `${priority} `}${value}.`
    return `${name}.\t${TTL_SECONDS}\tIN\t${type}\t${data}`
  })
  return `${[`; DNS records of ${domain} for this mail server`, ...lines].join('\n')}\n`
}

/** Receivers join the strings of a TXT record without a separator (RFC 6376 §3.6.2.2). The text is ASCII. */
function strings(text: string): string {
  const parts: string[] = []
  for (let start = 0; start < text.length; start += STRING_BYTES_MAX) {
    parts.push(`"${text.slice(start, start + STRING_BYTES_MAX).replace(/["\\]/g, '\\$&')}"`)
  }
  return parts.join(' ')
}
