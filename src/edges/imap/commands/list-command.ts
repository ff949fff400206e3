/** LIST (RFC 9051 §6.3.9) with LIST-EXTENDED (RFC 5258), LIST-STATUS (RFC 5819) and SPECIAL-USE (RFC 6154), and LSUB (RFC 3501 §6.3.9). */
import type { ListCommand } from '../grammar/imap-command.ts'
import { createListPattern, DELIMITER } from '../grammar/list-pattern.ts'
import type { ImapSession } from '../session/imap-session.ts'
import { ImapRefusal, type MailboxInfo } from '../session/mail-store.ts'
import { writeStatus } from './status-command.ts'

export async function list(session: ImapSession, command: ListCommand): Promise<string> {
  const { name, patterns, reference } = command
  if (!command.isExtended && patterns[0] === '') {
    // RFC 9051 §6.3.9: the delimiter, and the root of the reference
    session.untagged(`${name} (\\Noselect) "${DELIMITER}" ""`)
    return `OK ${name} completed`
  }
  const account = session.requireAccount()
  const mailboxes = await account.list()
  const wanted = createWanted(session, reference, patterns)
  const tree = createTree(mailboxes)
  const found = name === 'LSUB' ? subscribedEntries(tree, wanted) : entries(tree, wanted, command)
  for await (const entry of found) {
    session.untagged(formatEntry(session, command, entry))
    await session.breathe()
    if (!command.status || !entry.info?.isSelectable || !entry.isMatch) continue
    try {
      const found = await account.status(entry.name)
      await writeStatus(session, entry.name, found, command.status)
    } catch (error) {
      if (!(error instanceof ImapRefusal)) throw error // RFC 5819 §2: it was deleted meanwhile, so it has no status
    }
  }
  return `OK ${name} completed`
}

/** Comparisons of characters between which other work may run: some milliseconds. Names and patterns can be made to need billions. */
const COMPARED_AT_ONCE = 1_000_000

interface Wanted {
  matches(name: string): boolean
  /** Call it in loops. @returns a promise if other work may run first */
  pause(): Promise<void> | undefined
}

function createWanted({ services }: ImapSession, reference: string, patterns: readonly string[]): Wanted {
  const wanted = [...new Set(patterns)].map((pattern) => createListPattern(reference + pattern))
  const comparisonsPerChar = wanted.reduce((sum, pattern) => sum + pattern.comparisonsPerChar, 0)
  let compared = 0
  return {
    matches(name) {
      compared += comparisonsPerChar * name.length
      return wanted.some((pattern) => pattern.matches(name))
    },
    pause() {
      if (compared < COMPARED_AT_ONCE) return undefined
      compared = 0
      return services.work.wait()
    },
  }
}

interface Tree {
  readonly mailboxes: readonly MailboxInfo[]
  /** Names that have others directly below them. */
  readonly parents: ReadonlySet<string>
}

interface Entry {
  readonly name: string
  /** undefined: no such mailbox, only others below it. */
  readonly info: MailboxInfo | undefined
  readonly hasChildren: boolean
  /** It matches the selection itself, and not only by what is below it. */
  readonly isMatch: boolean
  /** RFC 5258 §3.5: selection options that a mailbox below it matches. */
  readonly childInfo: readonly string[]
}

/** @param mailboxes with all of their parents, as MailAccount lists them */
function createTree(mailboxes: readonly MailboxInfo[]): Tree {
  const parents = new Set<string>()
  for (const { name } of mailboxes) {
    const end = name.lastIndexOf(DELIMITER)
    if (end !== -1) parents.add(name.slice(0, end))
  }
  return { mailboxes, parents }
}

/** "a/b/c": "a", "a/b". */
function parentsOf(name: string): string[] {
  const parents: string[] = []
  for (let at = name.indexOf(DELIMITER); at !== -1; at = name.indexOf(DELIMITER, at + 1))
    parents.push(name.slice(0, at))
  return parents
}

async function* entries(tree: Tree, wanted: Wanted, { selection }: ListCommand): AsyncGenerator<Entry> {
  const childInfos = selection.has('RECURSIVEMATCH') ? selectedBelow(tree, selection) : undefined
  for (const info of tree.mailboxes) {
    const pausing = wanted.pause()
    if (pausing) await pausing
    if (!wanted.matches(info.name)) continue
    const isMatch = matchesSelection(info, selection)
    const childInfo = childInfos?.get(info.name) ?? []
    if (!isMatch && childInfo.length === 0) continue
    yield { name: info.name, info, hasChildren: tree.parents.has(info.name), isMatch, childInfo }
  }
}

function matchesSelection(info: MailboxInfo, selection: ReadonlySet<string>): boolean {
  if (selection.has('SUBSCRIBED') && !info.isSubscribed) return false
  return !selection.has('SPECIAL-USE') || info.specialUse !== undefined
}

/** The parents of each mailbox that the selection matches, with the options to name in CHILDINFO. */
function selectedBelow(tree: Tree, selection: ReadonlySet<string>): Map<string, string[]> {
  const options = ['SUBSCRIBED', 'SPECIAL-USE'].filter((option) => selection.has(option))
  const below = new Map<string, string[]>()
  for (const info of tree.mailboxes) {
    if (!matchesSelection(info, selection)) continue
    for (const parent of parentsOf(info.name)) below.set(parent, options)
  }
  return below
}

/** RFC 3501 §6.3.9: with "%", a parent that is not subscribed stands for those below it that are. */
async function* subscribedEntries(tree: Tree, wanted: Wanted): AsyncGenerator<Entry> {
  const found = new Map<string, Entry>()
  const add = (name: string, info: MailboxInfo | undefined) => {
    found.set(name, { name, info, hasChildren: tree.parents.has(name), isMatch: true, childInfo: [] })
  }
  for (const info of tree.mailboxes) {
    if (!info.isSubscribed) continue
    const pausing = wanted.pause()
    if (pausing) await pausing
    if (wanted.matches(info.name)) add(info.name, info)
    else {
      for (const parent of parentsOf(info.name)) {
        const pausing = wanted.pause()
        if (pausing) await pausing
        if (!found.has(parent) && wanted.matches(parent)) add(parent, undefined)
      }
    }
  }
  yield* found.values()
}

function formatEntry(session: ImapSession, command: ListCommand, entry: Entry): string {
  const { info } = entry
  const isLsub = command.name === 'LSUB'
  const attributes = [
    ...(info?.isSelectable ? [] : [session.isRev2 && !isLsub ? '\\NonExistent' : '\\Noselect']),
    ...(isLsub ? [] : [entry.hasChildren ? '\\HasChildren' : '\\HasNoChildren']),
    // RFC 5258 §3.4: with SUBSCRIBED, the attribute must be there
    ...(info?.isSubscribed && (command.selection.has('SUBSCRIBED') || command.returns.has('SUBSCRIBED'))
      ? ['\\Subscribed']
      : []),
    ...(info?.specialUse === undefined ? [] : [info.specialUse]),
  ]
  const childInfo =
    entry.childInfo.length === 0 ? '' : ` ("CHILDINFO" (${entry.childInfo.map((option) => `"${option}"`).join(' ')}))`
  return `${command.name} (${attributes.join(' ')}) "${DELIMITER}" ${session.formatMailbox(entry.name)}${childInfo}`
}
