/**
 * What an IMAP session needs of a mail store. The sessions and commands know mailboxes only through these interfaces, so that they
 * can serve any store: Martlet's (../martlet/), or the one in memory that the tests have.
 *
 * A mailbox is shown as a chain of snapshots. A snapshot never changes; when the mailbox does, the newest snapshot
 * gets a `next`. A session keeps the snapshot that its client believes in, and follows the chain when the protocol
 * allows it to report the changes (RFC 9051 §7.5.1: no EXPUNGE while FETCH, STORE or SEARCH run). All sessions of one
 * mailbox share the chain; snapshots that no session keeps are garbage.
 */

import type { ImapPart } from '../../../formats/imap/imap-parts.ts'
import type { SearchKey } from '../../../formats/imap/search-keys.ts'

/** Thrown by every call that cannot be done: the session answers NO with this code (RFC 5530, RFC 9051 §7.1) and text. */
export class ImapRefusal extends Error {
  readonly code: RefusalCode | undefined
  /** The error of the store, for the log. */
  readonly reason: string | undefined

  constructor(code: RefusalCode | undefined, text: string, reason?: string) {
    super(text)
    this.name = 'ImapRefusal'
    this.code = code
    this.reason = reason
  }
}

export type RefusalCode =
  | 'ALREADYEXISTS'
  | 'AUTHENTICATIONFAILED'
  | 'AUTHORIZATIONFAILED'
  | 'CANNOT'
  | 'CONTACTADMIN'
  | 'CORRUPTION'
  | 'EXPUNGEISSUED'
  | 'INUSE'
  | 'LIMIT'
  | 'NONEXISTENT'
  | 'NOPERM'
  | 'OVERQUOTA'
  | 'SERVERBUG'
  | 'TOOBIG'
  | 'TRYCREATE'
  | 'UNAVAILABLE'
  | 'UNKNOWN-CTE'

export interface MailStore {
  /**
   * @param signal ends the wait after a failed login
   * @throws ImapRefusal AUTHENTICATIONFAILED (after a wait), AUTHORIZATIONFAILED, UNAVAILABLE
   */
  logIn(login: LoginAttempt, signal: AbortSignal): Promise<MailAccount>
}

export interface LoginAttempt {
  readonly user: string
  readonly password: string
  readonly remoteAddress: string
}

/** One login: an inbox, and what its key may do. Calls throw ImapRefusal NOPERM when the key may not. */
export interface MailAccount {
  /** For the log. */
  readonly name: string

  /** Resolves when the credential is revoked or expires, or the account is deleted; rejects never. */
  untilRevoked(signal: AbortSignal): Promise<void>

  /** Every mailbox that this login may see, with all of its parents, INBOX first. */
  list(): Promise<readonly MailboxInfo[]>
  /** @param name decoded, with "/" between levels @throws ImapRefusal ALREADYEXISTS, CANNOT, NOPERM, LIMIT */
  create(name: string): Promise<{ readonly mailboxId: string }>
  /** @throws ImapRefusal NONEXISTENT, ALREADYEXISTS, CANNOT */
  rename(from: string, to: string): Promise<void>
  /** @throws ImapRefusal NONEXISTENT, CANNOT */
  delete(name: string): Promise<void>
  /** Succeeds for names that do not exist, if `isSubscribed` is false (RFC 9051 §6.3.8). @throws ImapRefusal NONEXISTENT */
  setSubscribed(name: string, isSubscribed: boolean): Promise<void>
  /** Opens the mailbox and closes it again. @throws ImapRefusal NONEXISTENT */
  status(name: string): Promise<MailboxStatus>
  /** @throws ImapRefusal NONEXISTENT */
  open(name: string): Promise<OpenMailbox>
  /**
   * Reads `data` to its end in every case, or throws before it reads. After a refusal, the mailbox does not have the message.
   *
   * @returns undefined: the message is stored, and has left the mailbox already, so that its UID is not known
   * @throws ImapRefusal TRYCREATE, OVERQUOTA, TOOBIG, NOPERM
   */
  append(name: string, message: AppendedMessage): Promise<AppendResult | undefined>
  /** Bytes and messages of the account (RFC 9208). */
  quota(): Promise<Quota>
  /** Called once, when the connection ends. */
  close(): void
}

/** RFC 6154, RFC 9051 §7.3.1. */
export type SpecialUse = '\\Archive' | '\\Drafts' | '\\Flagged' | '\\Junk' | '\\Sent' | '\\Trash'

export interface MailboxInfo {
  /** Decoded, levels divided by "/". "INBOX" is upper case. */
  readonly name: string
  /** RFC 8474. */
  readonly mailboxId: string
  readonly isSubscribed: boolean
  readonly specialUse?: SpecialUse
  /** Exists only as the parent of others: \NoSelect. */
  readonly isSelectable: boolean
}

export interface MailboxStatus {
  readonly messages: number
  readonly unseen: number
  /** Messages with \Deleted, and their size (RFC 9208 §4.1.4). */
  readonly deleted: number
  readonly deletedBytes: number
  readonly sizeBytes: number
  readonly uidNext: number
  readonly uidValidity: number
  readonly highestModseq: number
  readonly mailboxId: string
}

/** Sorted, each once; equal sets are one object. System flags begin with "\\". */
export type Flags = readonly string[]

/** A mailbox at one moment. Position i has the sequence number i + 1. */
export interface Snapshot {
  /** Ascending. */
  readonly uids: ArrayLike<number>
  readonly flags: readonly Flags[]
  /** RFC 7162: below 2^53. */
  readonly modseqs: ArrayLike<number>
  readonly uidNext: number
  readonly highestModseq: number
  /** The changes after this snapshot, once there are any. */
  readonly next: SnapshotStep | undefined
}

export interface SnapshotStep {
  readonly snapshot: Snapshot
  /** Ascending UIDs that are no longer in the mailbox. */
  readonly vanished: readonly number[]
  /** Ascending UIDs of messages that were there before and have other flags or another modseq. */
  readonly changed: readonly number[]
  /** Messages at the end of the new snapshot that were not in the old one. */
  readonly appendedCount: number
}

export interface OpenMailbox {
  readonly name: string
  readonly uidValidity: number
  readonly mailboxId: string
  /** The login may change nothing here: SELECT answers READ-ONLY. */
  readonly isReadOnly: boolean
  /** Flags that may be stored here, besides the keywords that its messages have. */
  readonly permanentFlags: Flags
  /** New keywords may be stored too, at this moment ("\*" in PERMANENTFLAGS). */
  readonly mayAddKeywords: boolean

  /** The newest snapshot in memory. */
  latest(): Snapshot
  /** @returns a snapshot that shows every change that was committed before the call */
  refresh(): Promise<Snapshot>
  /** Calls `listener` when `latest()` has a new snapshot, at first without delay; the mailbox follows its changes meanwhile. @returns stops it */
  onChange(listener: () => void): () => void

  /** In ascending order of UID, in batches that fit into memory. UIDs that have vanished meanwhile are left out. */
  fetch(uids: readonly number[], wanted: WantedItems, signal: AbortSignal): AsyncIterable<readonly FetchedMessage[]>
  /**
   * Sets flags. When it resolves, `refresh()` shows them. UIDs that have vanished are left out.
   *
   * @param unchangedSince changes only messages whose modseq is not larger (RFC 7162 §3.1.3)
   * @returns the UIDs that this condition left unchanged
   * @throws ImapRefusal LIMIT, CANNOT (a flag that cannot be stored)
   */
  storeFlags(
    uids: readonly number[],
    change: FlagChange,
    unchangedSince?: number,
  ): Promise<{ readonly modified: readonly number[] }>
  /**
   * Each message is copied as a whole or not. A store may copy many in several transactions; after a refusal in the middle, the
   * first ones stay.
   *
   * @throws ImapRefusal TRYCREATE, CANNOT, OVERQUOTA, NOPERM
   */
  copy(uids: readonly number[], target: string): Promise<CopyResult>
  /** Does the same as `copy`, and the messages leave this mailbox. @throws as `copy` */
  move(uids: readonly number[], target: string): Promise<CopyResult>
  /** Removes the messages that have \Deleted, of those in `uids` if it is given. UIDs that have vanished are left out. */
  expunge(uids?: readonly number[]): Promise<void>
  /**
   * @param keys UIDs and flags mean those of `snapshot`
   * @param saved UIDs of the saved result
   * @param onDamaged called with the number of messages that cannot be read, if there are some; they are not in the result
   * @returns ascending UIDs of messages in the snapshot
   * @throws ImapRefusal LIMIT (it would cost too much)
   */
  search(
    key: SearchKey,
    snapshot: Snapshot,
    saved: readonly number[],
    signal: AbortSignal,
    onDamaged?: (count: number) => void,
  ): Promise<readonly number[]>
  /**
   * UIDs that vanished after `modseq` (RFC 7162 §3.2.5), ascending ranges. May contain UIDs that never existed, and all that
   * are missing when the store no longer knows.
   *
   * @param known only UIDs in these ranges
   */
  vanishedSince(modseq: number, known: readonly UidRange[]): Promise<readonly UidRange[]>
  close(): void
}

/** Inclusive. */
export interface UidRange {
  readonly first: number
  readonly last: number
}

/** Items that need the store; FLAGS, UID and MODSEQ are in the snapshot. */
export interface WantedItems {
  readonly internalDate?: boolean
  readonly saveDate?: boolean
  readonly size?: boolean
  readonly ids?: boolean
  readonly preview?: boolean
  readonly envelope?: boolean
  /** BODY: the structure without extension data. */
  readonly body?: boolean
  readonly bodyStructure?: boolean
  /** `head`: the header block of the message is enough. */
  readonly source?: 'head' | 'whole'
}

/** Has what was wanted. */
export interface FetchedMessage {
  readonly uid: number
  /** The items that need the bytes of the message are missing, because these are damaged or lost. */
  readonly isDamaged?: true
  /** Epoch ms. */
  readonly internalDate?: number
  readonly saveDate?: number
  /** The size of the message with CRLF line ends: the octets of BODY[]. */
  readonly sizeBytes?: number
  readonly emailId?: string
  readonly threadId?: string
  /** null: not computed, or no text (RFC 8970). */
  readonly preview?: string | null
  /** As in the response, with its parentheses: formats/imap/envelope.ts, formats/imap/body-structure.ts wrote it. ASCII. */
  readonly envelope?: string
  readonly body?: string
  readonly bodyStructure?: string
  readonly source?: MessageSource
}

/** The bytes of a message, with CRLF line ends. */
export interface MessageSource {
  readonly sizeBytes: number
  /** All of it, or the header block if that was wanted; undefined when it is too large for memory: use `read`. */
  readonly bytes: Buffer | undefined
  /** Bytes [start, end). @throws ImapRefusal CORRUPTION if they are damaged, lost, or fewer */
  read(start: number, end: number): AsyncIterable<Buffer>
  /** The parts of the message; `bytes` need not be in memory. @throws ImapRefusal CORRUPTION */
  structure(): Promise<ImapPart>
}

export interface FlagChange {
  readonly how: 'add' | 'remove' | 'replace'
  readonly flags: readonly string[]
}

export interface CopyResult {
  readonly uidValidity: number
  /** The UIDs that were copied, and those of the copies, in the same order (RFC 4315 §3). Vanished ones are left out. */
  readonly from: readonly number[]
  readonly to: readonly number[]
}

export interface AppendedMessage {
  readonly flags: readonly string[]
  /** Epoch ms; undefined: now. */
  readonly internalDate: number | undefined
  readonly sizeBytes: number
  readonly data: AsyncIterable<Buffer>
  /** UTF8 (~{…}): the header may contain UTF-8 (RFC 6855 §4). */
  readonly isUtf8: boolean
}

export interface AppendResult {
  readonly uidValidity: number
  readonly uid: number
}

export interface Quota {
  readonly storage: { readonly usedBytes: number; readonly maxBytes: number | undefined }
  readonly messages: { readonly used: number; readonly max: number | undefined }
}
