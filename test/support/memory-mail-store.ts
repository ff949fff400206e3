/**
 * A mail store in memory, for tests of the IMAP server: the contract of mail-store.ts in the simplest form that keeps it. Its
 * mailboxes can also be changed directly, as other protocols would change them.
 */
import { once } from 'node:events'
import {
  type AppendedMessage,
  type AppendResult,
  type CopyResult,
  type FetchedMessage,
  type FlagChange,
  ImapRefusal,
  type LoginAttempt,
  type MailAccount,
  type MailboxInfo,
  type MailboxStatus,
  type MailStore,
  type OpenMailbox,
  type Quota,
  type Snapshot,
  type SpecialUse,
  type UidRange,
  type WantedItems,
} from '../../src/edges/imap/session/mail-store.ts'
import { readImapStructure } from '../../src/formats/imap/read-structure.ts'
import type { SearchKey } from '../../src/formats/imap/search-keys.ts'
import { MemoryMailbox, type MemoryMessage } from './memory-mailbox.ts'
import { matchMessage } from './memory-search.ts'

const STRUCTURE_LIMITS = { depthMax: 20, partsMax: 100, headerBytesMax: 64 * 1024, headerFieldsMax: 1_000 }
const BATCH = 100

export const SPECIAL_USES: Readonly<Record<string, SpecialUse>> = {
  Sent: '\\Sent',
  Drafts: '\\Drafts',
  Trash: '\\Trash',
  Archive: '\\Archive',
  Spam: '\\Junk',
}

export class MemoryMailStore implements MailStore {
  readonly inboxes = new Map<string, MemoryInbox>()

  addInbox(user: string, password: string): MemoryInbox {
    const inbox = new MemoryInbox(user, password)
    this.inboxes.set(user, inbox)
    return inbox
  }

  async logIn({ user, password }: LoginAttempt): Promise<MailAccount> {
    const inbox = this.inboxes.get(user)
    if (inbox?.password !== password) throw new ImapRefusal('AUTHENTICATIONFAILED', 'wrong user or password')
    return new MemoryAccount(inbox)
  }
}

/** The mailboxes of one user, and what all logins share. */
export class MemoryInbox {
  readonly user: string
  readonly password: string
  readonly mailboxes = new Map<string, MemoryMailbox>()
  readonly subscribed = new Set<string>()
  /** The login may change nothing. */
  isReadOnly = false
  quota: Quota = { storage: { usedBytes: 0, maxBytes: 10_000_000 }, messages: { used: 0, max: 1_000_000 } }
  /** As if another client had moved each appended message already. */
  movesAppended = false
  /** Larger messages are not in memory at once, as in a store with files. */
  largeBytes = 1_000_000
  /** As if a disk did not answer: called when a SEARCH or FETCH waits for it, until its client leaves. */
  onHang: (() => void) | undefined
  /** As if the disk were full. */
  isUnwritable = false
  /** Open mailboxes and accounts, so that tests see what was left open. */
  openCount = 0
  readonly revocations = new Set<() => void>()
  #lastUidValidity = 1_000

  constructor(user: string, password: string) {
    this.user = user
    this.password = password
    for (const name of ['INBOX', ...Object.keys(SPECIAL_USES)]) {
      this.add(name)
      this.subscribed.add(name)
    }
  }

  add(name: string): MemoryMailbox {
    this.#lastUidValidity += 1
    const mailbox = new MemoryMailbox(this.#lastUidValidity)
    this.mailboxes.set(name, mailbox)
    return mailbox
  }

  get inbox(): MemoryMailbox {
    return this.require('INBOX')
  }

  require(name: string, code: 'NONEXISTENT' | 'TRYCREATE' = 'NONEXISTENT'): MemoryMailbox {
    const mailbox = this.mailboxes.get(name)
    if (!mailbox) throw new ImapRefusal(code, `there is no mailbox ${name}`)
    return mailbox
  }

  revoke(): void {
    for (const revoke of this.revocations) revoke()
  }
}

class MemoryAccount implements MailAccount {
  readonly name: string
  readonly #inbox: MemoryInbox

  constructor(inbox: MemoryInbox) {
    this.#inbox = inbox
    this.name = inbox.user
    inbox.openCount += 1
  }

  untilRevoked(signal: AbortSignal): Promise<void> {
    const { revocations } = this.#inbox
    return new Promise((resolve) => {
      const end = () => {
        revocations.delete(end)
        resolve()
      }
      revocations.add(end)
      signal.addEventListener('abort', end, { once: true })
    })
  }

  async list(): Promise<readonly MailboxInfo[]> {
    const { mailboxes, subscribed } = this.#inbox
    const names = new Set<string>()
    for (const name of mailboxes.keys()) {
      for (let at = name.indexOf('/'); at !== -1; at = name.indexOf('/', at + 1)) names.add(name.slice(0, at))
      names.add(name)
    }
    return [...names].map((name) => {
      const specialUse = SPECIAL_USES[name]
      return {
        name,
        mailboxId: mailboxes.get(name)?.mailboxId ?? `P${name}`,
        isSubscribed: subscribed.has(name),
        ...(specialUse && { specialUse }),
        isSelectable: mailboxes.has(name),
      }
    })
  }

  async create(name: string): Promise<{ mailboxId: string }> {
    this.#requireWrite()
    if (this.#inbox.mailboxes.has(name)) throw new ImapRefusal('ALREADYEXISTS', 'this mailbox exists already')
    if (name === '' || name.split('/').includes('')) throw new ImapRefusal('CANNOT', 'a level of the name is empty')
    return this.#inbox.add(name)
  }

  async rename(from: string, to: string): Promise<void> {
    this.#requireWrite()
    const { mailboxes } = this.#inbox
    this.#inbox.require(from)
    if (mailboxes.has(to)) throw new ImapRefusal('ALREADYEXISTS', 'this mailbox exists already')
    if (from === 'INBOX' || SPECIAL_USES[from]) throw new ImapRefusal('CANNOT', 'this mailbox has a fixed name')
    for (const [name, mailbox] of [...mailboxes]) {
      if (name !== from && !name.startsWith(`${from}/`)) continue
      mailboxes.delete(name)
      mailboxes.set(to + name.slice(from.length), mailbox)
    }
  }

  async delete(name: string): Promise<void> {
    this.#requireWrite()
    const mailbox = this.#inbox.require(name)
    if (name === 'INBOX' || SPECIAL_USES[name]) throw new ImapRefusal('CANNOT', 'this mailbox cannot be deleted')
    this.#inbox.mailboxes.delete(name)
    mailbox.remove([...mailbox.messages.keys()]) // for the sessions that have selected it
  }

  async setSubscribed(name: string, isSubscribed: boolean): Promise<void> {
    if (isSubscribed) {
      this.#inbox.require(name)
      this.#inbox.subscribed.add(name)
    } else {
      this.#inbox.subscribed.delete(name)
    }
  }

  async status(name: string): Promise<MailboxStatus> {
    return this.#inbox.require(name).status()
  }

  async open(name: string): Promise<OpenMailbox> {
    return new MemoryOpenMailbox(this.#inbox, name, this.#inbox.require(name))
  }

  async append(
    name: string,
    { flags, internalDate, sizeBytes, data }: AppendedMessage,
  ): Promise<AppendResult | undefined> {
    this.#requireWrite()
    const mailbox = this.#inbox.require(name, 'TRYCREATE')
    const { usedBytes, maxBytes } = this.#inbox.quota.storage
    if (maxBytes !== undefined && usedBytes + sizeBytes > maxBytes) throw new ImapRefusal('OVERQUOTA', 'full')
    const chunks: Buffer[] = []
    for await (const chunk of data) chunks.push(Buffer.from(chunk))
    const [uid] = mailbox.append([{ raw: Buffer.concat(chunks), flags, ...(internalDate && { internalDate }) }])
    return this.#inbox.movesAppended ? undefined : { uidValidity: mailbox.uidValidity, uid: uid! }
  }

  async quota(): Promise<Quota> {
    return this.#inbox.quota
  }

  close(): void {
    this.#inbox.openCount -= 1
  }

  #requireWrite(): void {
    if (this.#inbox.isReadOnly) throw new ImapRefusal('NOPERM', 'this login may only read')
  }
}

class MemoryOpenMailbox implements OpenMailbox {
  readonly name: string
  readonly uidValidity: number
  readonly mailboxId: string
  readonly isReadOnly: boolean
  readonly permanentFlags = ['\\Answered', '\\Deleted', '\\Draft', '\\Flagged', '\\Seen']
  readonly mayAddKeywords = true
  readonly #inbox: MemoryInbox
  readonly #mailbox: MemoryMailbox

  constructor(inbox: MemoryInbox, name: string, mailbox: MemoryMailbox) {
    this.#inbox = inbox
    this.#mailbox = mailbox
    this.name = name
    this.uidValidity = mailbox.uidValidity
    this.mailboxId = mailbox.mailboxId
    this.isReadOnly = inbox.isReadOnly
    inbox.openCount += 1
  }

  latest(): Snapshot {
    return this.#mailbox.snapshot
  }

  async refresh(): Promise<Snapshot> {
    return this.#mailbox.snapshot
  }

  onChange(listener: () => void): () => void {
    return this.#mailbox.onChange(listener)
  }

  async *fetch(
    uids: readonly number[],
    wanted: WantedItems,
    signal: AbortSignal,
  ): AsyncGenerator<readonly FetchedMessage[]> {
    await this.#mayHang(signal)
    for (let start = 0; start < uids.length; start += BATCH) {
      if (signal.aborted) return
      yield uids.slice(start, start + BATCH).flatMap((uid) => {
        const message = this.#mailbox.messages.get(uid)
        if (!message) return []
        const { source, body, bodyStructure, ...readable } = wanted
        if (!message.isDamaged || !(source || body || bodyStructure))
          return [fetched(uid, message, wanted, this.#inbox.largeBytes)]
        return [{ ...fetched(uid, message, readable, this.#inbox.largeBytes), isDamaged: true }]
      })
    }
  }

  async storeFlags(
    uids: readonly number[],
    change: FlagChange,
    unchangedSince = Number.POSITIVE_INFINITY,
  ): Promise<{ modified: number[] }> {
    if (this.#inbox.isUnwritable) throw new ImapRefusal('UNAVAILABLE', 'the disk is full')
    const { unchanged, modified } = this.#mailbox.split(uids, unchangedSince)
    this.#mailbox.change(unchanged, change)
    return { modified }
  }

  async copy(uids: readonly number[], target: string): Promise<CopyResult> {
    const into = this.#inbox.require(target, 'TRYCREATE')
    const from = uids.filter((uid) => this.#mailbox.messages.has(uid))
    const to = into.append(
      from.map((uid) => ({ ...this.#mailbox.messages.get(uid)!, flags: this.#mailbox.flagsOf(uid) })),
    )
    return { uidValidity: into.uidValidity, from, to }
  }

  async move(uids: readonly number[], target: string): Promise<CopyResult> {
    const copied = await this.copy(uids, target)
    this.#mailbox.remove(copied.from)
    return copied
  }

  async expunge(uids?: readonly number[]): Promise<void> {
    const { snapshot } = this.#mailbox
    const wanted = uids && new Set(uids)
    this.#mailbox.remove(
      Array.from(snapshot.uids).filter(
        (uid, at) => snapshot.flags[at]!.includes('\\Deleted') && (!wanted || wanted.has(uid)),
      ),
    )
  }

  async search(
    key: SearchKey,
    snapshot: Snapshot,
    saved: readonly number[],
    signal: AbortSignal,
    onDamaged?: (count: number) => void,
  ): Promise<readonly number[]> {
    await this.#mayHang(signal)
    const uids = Array.from(snapshot.uids)
    const damaged = uids.filter((uid) => this.#mailbox.everyMessage.get(uid)!.isDamaged).length
    if (damaged > 0) onDamaged?.(damaged)
    return uids.filter((uid, at) => {
      const message = this.#mailbox.everyMessage.get(uid)!
      return !message.isDamaged && matchMessage(key, { at, uid, message, snapshot, saved })
    })
  }

  async #mayHang(signal: AbortSignal): Promise<void> {
    if (!this.#inbox.onHang) return
    const aborted = once(signal, 'abort')
    this.#inbox.onHang()
    await aborted
    signal.throwIfAborted()
  }

  async vanishedSince(modseq: number, known: readonly UidRange[]): Promise<readonly UidRange[]> {
    return this.#mailbox.vanished
      .filter(({ uid, at }) => at > modseq && known.some(({ first, last }) => uid >= first && uid <= last))
      .map(({ uid }) => ({ first: uid, last: uid }))
      .sort((one, other) => one.first - other.first)
  }

  close(): void {
    this.#inbox.openCount -= 1
  }
}

function fetched(uid: number, message: MemoryMessage, wanted: WantedItems, largeBytes: number): FetchedMessage {
  const { raw, internalDate, saveDate, emailId, threadId } = message
  const structure = () => {
    message.structure ??= readImapStructure(raw, STRUCTURE_LIMITS)
    return message.structure
  }
  const isLarge = raw.length > largeBytes
  const bytes = wanted.source === 'head' ? raw.subarray(0, structure().root.bodyStart) : raw
  return {
    uid,
    ...(wanted.internalDate && { internalDate }),
    ...(wanted.saveDate && { saveDate }),
    ...(wanted.size && { sizeBytes: raw.length }),
    ...(wanted.ids && { emailId, threadId }),
    ...(wanted.preview && { preview: message.preview ?? null }),
    ...(wanted.envelope && { envelope: structure().envelope }),
    ...(wanted.body && { body: structure().body }),
    ...(wanted.bodyStructure && { bodyStructure: structure().bodyStructure }),
    ...(wanted.source && {
      source: {
        sizeBytes: bytes.length,
        bytes: isLarge ? undefined : bytes,
        async *read(start: number, end: number) {
          for (let at = start; at < end; at += 10_000) yield bytes.subarray(at, Math.min(end, at + 10_000))
        },
        structure: async () => structure().root,
      },
    }),
  }
}
