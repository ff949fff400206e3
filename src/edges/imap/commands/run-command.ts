/**
 * Runs one command (RFC 9051 §6) in the state of its session, reports what changed in the mailbox meanwhile (§7), and answers with
 * its tag.
 */
import type { AppendStart, ImapCommand } from '../grammar/imap-command.ts'
import { ImapSyntaxError } from '../grammar/imap-syntax.ts'
import { formatText } from '../grammar/response-strings.ts'
import type { ImapSession } from '../session/imap-session.ts'
import { ImapRefusal } from '../session/mail-store.ts'
import type { SelectedMailbox } from '../session/selected-mailbox.ts'
import { append } from './append-command.ts'
import { copy, move } from './copy-command.ts'
import { expunge } from './expunge-command.ts'
import { fetch } from './fetch-command.ts'
import { capability, check, enable, id, logout, namespace, noop } from './general-commands.ts'
import { idle } from './idle-command.ts'
import { list } from './list-command.ts'
import { authenticate, login } from './login-command.ts'
import { create, remove, rename, subscribe } from './mailbox-commands.ts'
import { getQuota, getQuotaRoot } from './quota-command.ts'
import { search } from './search-command.ts'
import { close, select, unselect } from './select-command.ts'
import { startTls } from './starttls-command.ts'
import { status } from './status-command.ts'
import { store } from './store-command.ts'

/** The state in which a command may run (RFC 9051 §3). */
const STATES: Readonly<Record<ImapCommand['name'], 'any' | 'not authenticated' | 'authenticated' | 'selected'>> = {
  ...{ CAPABILITY: 'any', NOOP: 'any', LOGOUT: 'any', ID: 'any' },
  ...{ STARTTLS: 'not authenticated', AUTHENTICATE: 'not authenticated', LOGIN: 'not authenticated' },
  ...{ ENABLE: 'authenticated', SELECT: 'authenticated', EXAMINE: 'authenticated', CREATE: 'authenticated' },
  ...{ DELETE: 'authenticated', RENAME: 'authenticated', SUBSCRIBE: 'authenticated', UNSUBSCRIBE: 'authenticated' },
  ...{ LIST: 'authenticated', LSUB: 'authenticated', NAMESPACE: 'authenticated', STATUS: 'authenticated' },
  ...{ IDLE: 'authenticated', GETQUOTA: 'authenticated', GETQUOTAROOT: 'authenticated' },
  ...{ CHECK: 'selected', CLOSE: 'selected', UNSELECT: 'selected', EXPUNGE: 'selected', SEARCH: 'selected' },
  ...{ FETCH: 'selected', STORE: 'selected', COPY: 'selected', MOVE: 'selected' },
}

/** These commands refer to the snapshot that the client has. Before they run, it is brought as far up to date as the protocol allows. */
const ON_MESSAGES = new Set<ImapCommand['name']>(['FETCH', 'STORE', 'SEARCH', 'COPY', 'MOVE', 'EXPUNGE'])
/** RFC 9051 §7.5.1: no EXPUNGE while these run with sequence numbers. */
const WITH_NUMBERS = new Set<ImapCommand['name']>(['FETCH', 'STORE', 'SEARCH'])

/** Answers the command. @throws errors that end the connection */
export async function runCommand(session: ImapSession, tag: string, command: ImapCommand): Promise<void> {
  const refusal = refuseInState(session, command)
  if (refusal) return answer(session, tag, refusal)
  const isUid = 'isUid' in command ? command.isUid : command.name === 'EXPUNGE' && command.uids !== undefined
  let completion: string | undefined
  try {
    if (ON_MESSAGES.has(command.name)) await reportBefore(session, isUid)
    completion = await dispatch(session, tag, command)
  } catch (error) {
    completion = completionOf(error)
  }
  if (completion === undefined) return
  await reportAfter(session, {
    isUid,
    isFresh: ON_MESSAGES.has(command.name),
    mayExpunge: !(WITH_NUMBERS.has(command.name) && !isUid),
  })
  session.reported.clear()
  answer(session, tag, completion)
}

/** @returns whether the connection can go on */
export async function runAppend(session: ImapSession, start: AppendStart, isSynchronising: boolean): Promise<boolean> {
  let completion: string | 'fatal'
  try {
    completion = await append(session, start, isSynchronising)
  } catch (error) {
    completion = completionOf(error)
  }
  if (completion === 'fatal') return false
  await reportAfter(session, { isUid: false, isFresh: false, mayExpunge: true })
  answer(session, start.tag, completion)
  return true
}

function answer(session: ImapSession, tag: string, completion: string): void {
  if (completion.startsWith('BAD')) session.badCommands += 1
  session.output.write(`${tag} ${completion}\r\n`)
}

function refuseInState({ account, selected }: ImapSession, { name }: ImapCommand): string | undefined {
  const state = STATES[name]
  if (state === 'any') return undefined
  if (state === 'not authenticated') return account ? 'BAD you are logged in already' : undefined
  if (!account) return 'BAD log in first'
  return state === 'selected' && !selected ? 'BAD select a mailbox first' : undefined
}

async function reportBefore(session: ImapSession, isUid: boolean): Promise<void> {
  const selected = session.requireSelected()
  await selected.mailbox.refresh()
  await session.report({ mayExpunge: false, isUid })
}

interface After {
  readonly isUid: boolean
  /** The changes were read for this command already. */
  readonly isFresh: boolean
  readonly mayExpunge: boolean
}

async function reportAfter(session: ImapSession, { isUid, isFresh, mayExpunge }: After): Promise<void> {
  const { selected } = session
  if (!selected) return
  if (!isFresh && !(await isRefreshed(selected))) return
  await session.reportChanges({ mayExpunge, isUid })
}

/** The command is done, whatever the store says now: a client that got NO for an APPEND would repeat it. */
async function isRefreshed({ mailbox }: SelectedMailbox): Promise<boolean> {
  try {
    await mailbox.refresh()
    return true
  } catch (error) {
    if (!(error instanceof ImapRefusal)) throw error
    return false
  }
}

/** @throws errors that end the connection */
function completionOf(error: unknown): string {
  if (error instanceof ImapSyntaxError) return `BAD ${error.message}`
  if (!(error instanceof ImapRefusal)) throw error
  return `NO ${error.code === undefined ? '' : `[${error.code}] `}${formatText(error.message)}`
}

function dispatch(
  session: ImapSession,
  tag: string,
  command: ImapCommand,
): Promise<string | undefined> | string | undefined {
  switch (command.name) {
    case 'CAPABILITY':
      return capability(session)
    case 'NOOP':
      return noop()
    case 'CHECK':
      return check()
    case 'LOGOUT':
      return logout(session)
    case 'ID':
      return id(session, command.fields)
    case 'STARTTLS':
      return startTls(session, tag)
    case 'LOGIN':
      return login(session, command)
    case 'AUTHENTICATE':
      return authenticate(session, command)
    case 'ENABLE':
      return enable(session, command.capabilities)
    case 'NAMESPACE':
      return namespace(session)
    case 'CREATE':
      return create(session, command.mailbox)
    case 'DELETE':
      return remove(session, command.mailbox)
    case 'RENAME':
      return rename(session, command.from, command.to)
    case 'SUBSCRIBE':
    case 'UNSUBSCRIBE':
      return subscribe(session, command.mailbox, command.name === 'SUBSCRIBE')
    case 'LIST':
    case 'LSUB':
      return list(session, command)
    case 'STATUS':
      return status(session, command)
    case 'GETQUOTA':
      return getQuota(session, command.root)
    case 'GETQUOTAROOT':
      return getQuotaRoot(session, command.mailbox)
    case 'SELECT':
    case 'EXAMINE':
      return select(session, command)
    case 'CLOSE':
      return close(session)
    case 'UNSELECT':
      return unselect(session)
    case 'IDLE':
      return idle(session)
    case 'EXPUNGE':
      return expunge(session, command.uids)
    case 'SEARCH':
      return search(session, command, tag)
    case 'FETCH':
      return fetch(session, command)
    case 'STORE':
      return store(session, command)
    case 'COPY':
      return copy(session, command)
    case 'MOVE':
      return move(session, command)
  }
}
