/** The commands of a client (RFC 9051 §6), as data: imap-command-parser.ts makes them, ../commands/ run them. */
import type { Section } from '../../../formats/imap/imap-parts.ts'
import type { SearchKey } from '../../../formats/imap/search-keys.ts'
import type { Interval, MessageSet } from './message-set.ts'

export type ImapCommand =
  | { readonly name: PlainCommandName }
  | { readonly name: 'LOGIN'; readonly user: string; readonly password: string }
  | AuthenticateCommand
  | { readonly name: 'ENABLE'; readonly capabilities: readonly string[] }
  | { readonly name: 'ID'; readonly fields: readonly (readonly [string, string | undefined])[] }
  | SelectCommand
  | { readonly name: 'CREATE' | 'DELETE' | 'SUBSCRIBE' | 'UNSUBSCRIBE'; readonly mailbox: string }
  | { readonly name: 'RENAME'; readonly from: string; readonly to: string }
  | ListCommand
  | StatusCommand
  | { readonly name: 'GETQUOTA'; readonly root: string }
  | { readonly name: 'GETQUOTAROOT'; readonly mailbox: string }
  | { readonly name: 'EXPUNGE'; readonly uids: MessageSet | undefined }
  | SearchCommand
  | FetchCommand
  | StoreCommand
  | CopyCommand

/** Without arguments. */
export type PlainCommandName =
  | 'CAPABILITY'
  | 'CHECK'
  | 'CLOSE'
  | 'IDLE'
  | 'LOGOUT'
  | 'NAMESPACE'
  | 'NOOP'
  | 'STARTTLS'
  | 'UNSELECT'

export interface AuthenticateCommand {
  readonly name: 'AUTHENTICATE'
  readonly mechanism: string
  /** RFC 4959: base64, "=" for an empty one. */
  readonly initial: string | undefined
}

export interface SelectCommand {
  readonly name: 'SELECT' | 'EXAMINE'
  readonly mailbox: string
  readonly isCondstore: boolean
  readonly qresync: QresyncArguments | undefined
}

/** What the client has of the mailbox (RFC 7162 §3.2.5). */
export interface QresyncArguments {
  readonly uidValidity: number
  readonly modseq: bigint
  readonly known: readonly Interval[] | undefined
  /** Pairs by position (§3.2.5.2), as far as both lists go. */
  readonly match: { readonly numbers: readonly Interval[]; readonly uids: readonly Interval[] } | undefined
}

export interface ListCommand {
  readonly name: 'LIST' | 'LSUB'
  readonly reference: string
  readonly patterns: readonly string[]
  /** RFC 5258, RFC 6154: "SUBSCRIBED", "REMOTE", "RECURSIVEMATCH", "SPECIAL-USE". */
  readonly selection: ReadonlySet<string>
  /** "SUBSCRIBED", "CHILDREN", "SPECIAL-USE". */
  readonly returns: ReadonlySet<string>
  /** RFC 5819. */
  readonly status: readonly StatusItem[] | undefined
  /** LIST with a selection, several patterns or a return option: the extended form, which has no special case for "". */
  readonly isExtended: boolean
}

export type StatusItem =
  | 'MESSAGES'
  | 'RECENT'
  | 'UIDNEXT'
  | 'UIDVALIDITY'
  | 'UNSEEN'
  | 'DELETED'
  | 'DELETED-STORAGE'
  | 'SIZE'
  | 'HIGHESTMODSEQ'
  | 'MAILBOXID'

export interface StatusCommand {
  readonly name: 'STATUS'
  readonly mailbox: string
  readonly items: readonly StatusItem[]
}

export type SearchReturn = 'MIN' | 'MAX' | 'ALL' | 'COUNT' | 'SAVE'

export interface SearchCommand {
  readonly name: 'SEARCH'
  readonly isUid: boolean
  readonly key: SearchKey
  /** RFC 4731 §3.1; "RETURN ()" is ALL. */
  readonly returns: ReadonlySet<SearchReturn> | undefined
  /** It has a MODSEQ key (RFC 7162 §3.1.5), which enables CONDSTORE. */
  readonly hasModseq: boolean
  /** false: its texts could not be decoded, and it must be refused. */
  readonly isCharsetKnown: boolean
}

export interface FetchCommand {
  readonly name: 'FETCH'
  readonly isUid: boolean
  readonly set: MessageSet
  readonly items: readonly FetchItem[]
  /** RFC 7162 §3.1.4.1. */
  readonly changedSince: bigint | undefined
  /** RFC 7162 §3.2.6. */
  readonly vanished: boolean
}

export type FetchItemName =
  | 'FLAGS'
  | 'UID'
  | 'INTERNALDATE'
  | 'RFC822.SIZE'
  | 'ENVELOPE'
  | 'BODY'
  | 'BODYSTRUCTURE'
  | 'MODSEQ'
  | 'PREVIEW'
  | 'SAVEDATE'
  | 'EMAILID'
  | 'THREADID'

export type FetchItem = { readonly item: FetchItemName } | BodyItem | BinaryItem

/** BODY[…], and RFC822 and its two parts (RFC 3501 §6.4.5). */
export interface BodyItem {
  readonly item: 'section'
  readonly section: Section
  /** HEADER.FIELDS and HEADER.FIELDS.NOT. */
  readonly fields: { readonly names: readonly string[]; readonly isNot: boolean } | undefined
  readonly isPeek: boolean
  readonly partial: Partial | undefined
  /** As the response names it: "BODY[1.MIME]<0>". */
  readonly label: string
}

/** BINARY[…] and BINARY.SIZE[…] (RFC 9051 §6.4.5, RFC 3516). */
export interface BinaryItem {
  readonly item: 'binary' | 'binary size'
  readonly path: readonly number[]
  readonly isPeek: boolean
  readonly partial: Partial | undefined
  readonly label: string
}

/** Bytes [start, start + count). */
export interface Partial {
  readonly start: number
  readonly count: number
}

export interface StoreCommand {
  readonly name: 'STORE'
  readonly isUid: boolean
  readonly set: MessageSet
  readonly how: 'add' | 'remove' | 'replace'
  readonly isSilent: boolean
  readonly flags: readonly string[]
  /** RFC 7162 §3.1.3. */
  readonly unchangedSince: bigint | undefined
}

export interface CopyCommand {
  readonly name: 'COPY' | 'MOVE'
  readonly isUid: boolean
  readonly set: MessageSet
  readonly mailbox: string
}

/** APPEND up to its message literal (RFC 9051 §6.3.12), which does not wait in memory for the rest. */
export interface AppendStart {
  readonly tag: string
  readonly mailbox: string
  readonly flags: readonly string[]
  readonly internalDate: number | undefined
  readonly sizeBytes: number
  /** UTF8 (~{n} (RFC 6855 §4): a ")" follows the literal. */
  readonly isUtf8: boolean
}
