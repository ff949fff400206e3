/**
 * The address of a new inbox: whether its local part is valid, not reserved, and cannot be confused with another one.
 * Only the creation of inboxes asks here; mail to and from addresses of other servers may have any local part.
 */
import { MailError } from '../../errors.ts'
import { normaliseAddress, splitAddress } from '../../formats/address/address.ts'
import type { DomainRow } from '../../store/schema/tenant-rows.ts'
import type { KeyActor } from '../access/actor.ts'

/** RFC 5321 §4.5.3.1.1: other servers need not accept a longer local part. */
const USERNAME_BYTES_MAX = 64

/**
 * Local parts that speak for the whole domain. A certificate authority issues a certificate to those who can read mail
 * to one of them, and replies to bounces go to mailer-daemon. `info`, `sales`, `support` and `marketing` of RFC 2142 are
 * missing here: they are ordinary addresses of agents.
 */
const RESERVED_NAMES: ReadonlySet<string> = new Set([
  ...['postmaster', 'hostmaster', 'webmaster', 'abuse', 'noc', 'security'], // RFC 2142 §4, §5
  ...['usenet', 'news', 'www', 'uucp', 'ftp'], // RFC 2142 §5
  // CA/Browser Forum Baseline Requirements §3.2.2.4.4, beside postmaster, hostmaster and webmaster
  ...['admin', 'administrator'],
  ...['root', 'ssladmin', 'ssladministrator', 'sslwebmaster'], // accepted by some authorities
  'mailer-daemon', // the sender of notices (sending/queue/bounce-notices.ts)
  'no-reply', // the sender of one-time codes (accounts/human-code.ts)
])

/** Characters that show nothing, and a dot above letters that have one already: lower case "İ" is "i" with such a dot. */
const INVISIBLE = /\p{Default_Ignorable_Code_Point}|\p{Soft_Dotted}\u0307/u

/** Scripts in which compatibility variants imitate other characters; in Thai and Lao they are ordinary letters. */
const HAS_VARIANTS = /[\p{Script=Latin}\p{Script=Greek}\p{Script=Cyrillic}\p{Script=Common}]/u

/**
 * Scripts that may occur together in one name: one script, or Latin with those of Chinese, Japanese or Korean (UTS #39
 * §5.2, Highly Restrictive). Digits and punctuation (Common) and accents (Inherited) belong to every script.
 */
const WRITING_SYSTEMS = [
  ...['Latin Han Hiragana Katakana', 'Latin Han Bopomofo', 'Latin Han Hangul'],
  // The other scripts in wide use (UAX #31, table 5), and Cherokee, whose letters look like Latin ones.
  ...['Arabic', 'Armenian', 'Bengali', 'Cherokee', 'Cyrillic', 'Devanagari', 'Ethiopic', 'Georgian', 'Greek'],
  ...['Gujarati', 'Gurmukhi', 'Hebrew', 'Kannada', 'Khmer', 'Lao', 'Malayalam', 'Myanmar', 'Oriya', 'Sinhala'],
  ...['Tamil', 'Telugu', 'Thaana', 'Thai', 'Tibetan'],
].map((scripts) => scripts.split(' '))

const ONE_WRITING_SYSTEM = new RegExp(
  `^(?:${[
    ...WRITING_SYSTEMS.map((scripts) => `[${classOf(['Common', 'Inherited', ...scripts])}]*`),
    `[^${classOf(WRITING_SYSTEMS.flat())}]*`, // rarer scripts are not told apart
  ].join('|')})$`,
  'u',
)

/**
 * Returns the normal form of the address of a new inbox.
 *
 * @throws validation_error
 */
export function parseInboxAddress(username: string, domain: string): string {
  const address = normaliseAddress(`${username}@${domain}`)
  const { localPart } = splitAddress(address ?? '')
  // Mail never reaches an address with "+": the part after it is cut off as a tag (RFC 5233). The other characters have
  // a meaning in paths, and AgentMail's Python client does not escape them there (docs/compatibility/agentmail.md).
  const isShort = Buffer.byteLength(localPart) <= USERNAME_BYTES_MAX
  if (address === undefined || !isShort || !/^[^@+"/%?#]+$/.test(localPart)) {
    throw invalid(
      'username must have 1 to 64 bytes in UTF-8: no spaces, none of @ + / % ? # ", and no dot at the start or end',
    )
  }
  if (INVISIBLE.test(localPart)) throw invalid('username contains an invisible character')
  if ([...localPart].some(isVariant)) {
    throw invalid(
      'username contains a variant of another character, such as a full-width or bold letter; use the plain one',
    )
  }
  if (!ONE_WRITING_SYSTEM.test(localPart)) {
    throw invalid('username mixes letters of several scripts, such as Latin and Cyrillic, which look alike')
  }
  return address
}

export function isReservedName(address: string): boolean {
  return RESERVED_NAMES.has(splitAddress(address).localPart)
}

/**
 * Checks whether the key may create this inbox: a reserved name needs a key of the organization, or of the pod to which
 * the domain belongs. Not the route but the key decides: an organization key may create it in any pod. In the shared
 * domain, organizations from sign-ups are strangers, and may not create it at all.
 *
 * @param address from parseInboxAddress, which refuses invisible characters and variants: so no other spelling of a
 *                reserved name exists
 * @throws forbidden
 */
export function requireNameAllowed(
  key: KeyActor,
  domain: Pick<DomainRow, 'pod_id' | 'organization_id'>,
  address: string,
  isFromSignUp: boolean,
): void {
  const isOwner = domain.organization_id !== null || !isFromSignUp
  const isOrganization = key.podId === undefined && key.inboxId === undefined && isOwner
  const isOwnDomain = domain.pod_id !== null && domain.pod_id === key.podId && key.inboxId === undefined
  if (isOrganization || isOwnDomain || !isReservedName(address)) return
  const detail = `The name of ${address} is reserved: only a key of the organization can create this inbox`
  throw new MailError('forbidden', { detail })
}

function isVariant(char: string): boolean {
  return HAS_VARIANTS.test(char) && char.normalize('NFKC') !== char
}

function classOf(scripts: readonly string[]): string {
  return scripts.map((script) => `\\p{Script=${script}}`).join('')
}

function invalid(detail: string): MailError {
  return new MailError('validation_error', { detail, path: ['username'] })
}

/** RFC 5321 §4.5.1: the inbox that every server must have. It cannot be paused or removed, and is never full. */
export function postmasterAddress(sharedDomain: string): string {
  return `postmaster@${sharedDomain}`
}
