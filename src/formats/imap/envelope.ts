/**
 * ENVELOPE (RFC 9051 §7.5.2): header fields in a fixed form. Values stay as they were sent: clients decode encoded words.
 * Addresses are those that REST shows and that authentication has compared, so that both sides of a mailbox see the same sender.
 */
import { domainToASCII } from 'node:url'
import { splitAddress } from '../address/address.ts'
import { readAddressList } from '../address/address-list.ts'
import { addressFieldValue } from '../mime/address-fields.ts'
import { fieldsByName, fieldValue, type HeaderField } from '../mime/header-fields.ts'
import { ImapResponseBudget } from './imap-response-budget.ts'
import { headerString, imapString, isAsciiText } from './imap-string.ts'

/** Addresses of one field. More fit into no header that Martlet reads. */
const ADDRESSES_MAX = 100_000
/** RFC 9051 §7.5.2 */
const GROUP_END = '(NIL NIL NIL NIL)'

/**
 * @param raw     contains the header
 * @param charset label of the body, for header fields that are not ASCII
 * @returns the list with its parentheses
 */
export function envelopeOf(
  raw: Buffer,
  fields: readonly HeaderField[],
  charset = '',
  budget = new ImapResponseBudget(),
): string {
  const byName = fieldsByName(fields)
  const value = (name: string, read: typeof addressFieldValue) => {
    const field = byName.get(name)?.[0]
    return field && read(raw, field, charset)
  }
  const string = (name: string) => budget.take(() => headerString(value(name, fieldValue)))
  const addresses = (name: string) => addressesOf(value(name, addressFieldValue), budget)
  // What clients show in lists is written first, so that no long field displaces it.
  const [date, subject, inReplyTo, messageId] = ['date', 'subject', 'in-reply-to', 'message-id'].map(string)
  const [from, to, cc, bcc] = ['from', 'to', 'cc', 'bcc'].map(addresses)
  // RFC 9051 §7.5.2: a missing Sender or Reply-To is that of From.
  const [sender, replyTo] = ['sender', 'reply-to'].map((name) => {
    const own = addresses(name)
    return own === 'NIL' ? budget.take(() => from!) : own
  })
  return `(${[date, subject, from, sender, replyTo, to, cc, bcc, inReplyTo, messageId].join(' ')})`
}

function addressesOf(value: string | undefined, budget: ImapResponseBudget): string {
  if (value === undefined || budget.isUsedUp) return 'NIL'
  const written: string[] = []
  /** The end of a group that has begun. It must be written too, and was counted against the budget with the beginning. */
  let groupEnd = ''
  readAddressList(value, ADDRESSES_MAX, (text) => text, {
    address: ({ name, address }) => written.push(budget.take(() => writeAddress(name, address), '')),
    groupBegins(name) {
      const both = budget.take(() => `(NIL NIL ${headerString(name)} NIL)${GROUP_END}`, '')
      groupEnd = both === '' ? '' : GROUP_END
      written.push(both.slice(0, both.length - groupEnd.length))
    },
    groupEnds: () => written.push(groupEnd),
  })
  const list = written.join('')
  return list === '' ? 'NIL' : `(${list})`
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
