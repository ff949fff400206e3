/**
 * Reads From for authentication: the addresses of the list, and those that programs with another idea of a broken mailbox take for its
 * author. `<ceo@bank.example> <eve@evil.example>` is one mailbox here, with the last address; some programs show the first one.
 */
import { decodeEncodedWords } from '../mime/encoded-words.ts'
import { type Address, normaliseAddress, splitAddress } from './address.ts'
import { joinAroundDots, readAddressList } from './address-list.ts'

/** No address has these characters, unless it is quoted or its domain is a literal. */
const AROUND_ADDRESSES = /[\s<>()[\]",:;\\]+/
/** Marks that people write around an address. Bounded: `'+$` would take quadratic time. */
const MARKS = /^['`.]{1,9}|['`.]{1,9}$/g
/** No address is longer (RFC 5321 §4.5.3.1). */
const WORD_CHARS_MAX = 300
/** Words that are tried at each end. Programs show the first address or the last one; hostile text has 20,000. */
const ENDS_MAX = 50

/**
 * Parses the value of From as `parseAddressList` does.
 *
 * @returns besides, after the address of a mailbox, those of other domains that it contains against the grammar. Another one of the same
 *          domain changes nothing: DMARC confirms domains. Nor do words that are no address, or whose domain has no dot, as in
 *          `Ann <CN=Ann/O=Org@Org> <ann@host.example>`. The name before brackets is a name, whatever it says.
 */
export function parseAuthorAddresses(value: string, countMax: number): Address[] {
  const found: Address[] = []
  readAddressList(value, countMax, decodeEncodedWords, {
    address: (address) => found.push(address),
    groupBegins: ignore,
    groupEnds: ignore,
    surplus(text) {
      const domains = new Set([domainOf(found.at(-1)!.address)])
      for (const address of addressesIn(text)) {
        const { domain } = splitAddress(address)
        if (domains.has(domain) || !domain.includes('.')) continue
        domains.add(domain)
        found.push({ address })
      }
    },
  })
  return found.slice(0, countMax)
}

const ignore = () => undefined

/** Returns the addresses in a text that is no list, in normal form: also those with white space around dots. */
function addressesIn(text: string): string[] {
  const words = text.split(AROUND_ADDRESSES)
  return [words, joinAroundDots(words)].flatMap((all) => {
    const candidates = all.filter((word) => word.includes('@') && word.length <= WORD_CHARS_MAX)
    if (candidates.length > 2 * ENDS_MAX) candidates.splice(ENDS_MAX, candidates.length - 2 * ENDS_MAX)
    return candidates.flatMap((word) => normaliseAddress(word.replace(MARKS, '')) ?? [])
  })
}

/** @returns '' if it is no address */
function domainOf(address: string): string {
  return splitAddress(normaliseAddress(address) ?? '').domain
}
