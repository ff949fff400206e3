/**
 * ENVELOPE (RFC 9051 §7.5.2): header fields in a fixed form. Values stay as they were sent: clients decode encoded words.
 * Addresses are those that REST shows, so that both sides of a mailbox see the same sender.
 */
import { domainToASCII } from 'node:url'
import { splitAddress } from '../address/address.ts'
import { readAddressList } from '../address/address-list.ts'
import { fieldsByName, fieldValue, type HeaderField } from '../mime/header-fields.ts'
import { headerString, imapString, isAsciiText } from './imap-string.ts'

/** Addresses of one field. More fit into no header that Martlet reads. */
const ADDRESSES_MAX = 100_000

/**
 * @param raw     contains the header
 * @param charset label of the body, for header fields that are not ASCII
 * @returns the list with its parentheses
 */
export function envelopeOf(raw: Buffer, fields: readonly HeaderField[], charset = ''): string {
  const byName = fieldsByName(fields)
  const value = (name: string) => {
    const field = byName.get(name)?.[0]
    return field && fieldValue(raw, field, charset)
  }
  const from = addressesOf(value('from'))
  return `(${[
    headerString(value('date')),
    headerString(value('subject')),
    from,
    orElse(addressesOf(value('sender')), from),
    orElse(addressesOf(value('reply-to')), from),
    addressesOf(value('to')),
    addressesOf(value('cc')),
    addressesOf(value('bcc')),
    headerString(value('in-reply-to')),
    headerString(value('message-id')),
  ].join(' ')})`
}

/** RFC 9051 §7.5.2: a missing Sender or Reply-To is that of From. */
function orElse(addresses: string, from: string): string {
  return addresses === 'NIL' ? from : addresses
}

function addressesOf(value: string | undefined): string {
  if (value === undefined) return 'NIL'
  const written: string[] = []
  readAddressList(value, ADDRESSES_MAX, (text) => text, {
    address: ({ name, address }) => written.push(writeAddress(name, address)),
    groupBegins: (name) => written.push(`(NIL NIL ${headerString(name)} NIL)`),
    groupEnds: () => written.push('(NIL NIL NIL NIL)'),
  })
  return written.length === 0 ? 'NIL' : `(${written.join('')})`
}

/**
 * NIL as host would be the beginning or the end of a group: an address without a domain has an empty host. A single word, which may
 * be a user of the sender's machine, is such an address; several words are a name.
 */
function writeAddress(name: string | undefined, address: string): string {
  if (address === '' && name !== undefined && !/\s/.test(name)) return `(NIL NIL ${headerString(name)} "")`
  const { localPart, domain } = splitAddress(address)
  const host = isAsciiText(domain) ? domain : domainToASCII(domain)
  return `(${headerString(name)} NIL ${headerString(unquoted(localPart))} ${imapString(host)})`
}

/** RFC 9051 §7.5.2: the local part without the quotes of RFC 5322. */
function unquoted(localPart: string): string {
  const isQuoted = localPart.length > 1 && localPart.startsWith('"') && localPart.endsWith('"')
  return isQuoted ? localPart.slice(1, -1).replace(/\\(.)/gsu, '$1') : localPart
}
