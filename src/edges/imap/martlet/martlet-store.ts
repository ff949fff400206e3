/**
 * Martlet's mail store for the sessions of IMAP (../session/mail-store.ts): logs in (mail/access/keys/logins.ts), and translates calls to
 * mail/mailboxes and its errors to refusals. It contains no rules.
 */
import type { Log } from '../../../log.ts'
import type { Logins } from '../../../mail/access/keys/logins.ts'
import type { Feed } from '../../../mail/events/feed/feed.ts'
import type { MailboxAccount, Mailboxes } from '../../../mail/mailboxes/mailboxes.ts'
import type { OpenMailbox as CoreMailbox } from '../../../mail/mailboxes/open-mailbox.ts'
import {
  type FetchedMessage,
  ImapRefusal,
  type MailAccount,
  type MailStore,
  type OpenMailbox,
} from '../session/mail-store.ts'
import { refusalFor } from './imap-refusals.ts'

interface MartletStoreNeeds {
  readonly logins: Logins
  readonly mailboxes: Mailboxes
  readonly feed: Pick<Feed, 'untilRevoked'>
  readonly log: Log
}

export function createMartletStore({ logins, mailboxes, feed, log }: MartletStoreNeeds): MailStore {
  return {
    logIn: (login, signal) =>
      translated(async () => {
        const { actor, inbox } = await logins.logIn({ ...login, permission: 'message_read' }, signal)
        if (!inbox) throw new ImapRefusal('AUTHENTICATIONFAILED', 'Log in with the address of an inbox as user')
        const account = await mailboxes.open(actor, inbox.id)
        return showAccount(account, inbox.address, async (ended) => {
          if (!(await feed.untilRevoked(actor, ended))) await endOf(ended)
        })
      }),
  }

  function showAccount(
    account: MailboxAccount,
    name: string,
    untilRevoked: (signal: AbortSignal) => Promise<void>,
  ): MailAccount {
    return {
      name,
      untilRevoked: (signal) =>
        untilRevoked(signal).catch((error) =>
          log.warn({ err: error, name }, 'cannot watch the key of an IMAP session'),
        ),
      list: () => translated(() => account.list()),
      status: (mailbox) => translated(() => account.status(mailbox)),
      open: (mailbox) => translated(async () => showMailbox(await account.select(mailbox))),
      create: (mailbox) => translated(async () => ({ mailboxId: await account.create(mailbox) })),
      rename: (from, to) => translated(() => account.rename(from, to)),
      delete: (mailbox) => translated(() => account.delete(mailbox)),
      setSubscribed: (mailbox, isSubscribed) => translated(() => account.setSubscribed(mailbox, isSubscribed)),
      append: (mailbox, message) => translated(() => account.append(mailbox, message), true),
      quota: () => translated(() => account.quota()),
      close: () => account.close(),
    }
  }

  function showMailbox(mailbox: CoreMailbox): OpenMailbox {
    return {
      name: mailbox.name,
      uidValidity: mailbox.uidValidity,
      mailboxId: mailbox.mailboxId,
      isReadOnly: mailbox.isReadOnly,
      permanentFlags: mailbox.permanentFlags,
      get mayAddKeywords() {
        return mailbox.mayAddKeywords
      },
      latest: () => mailbox.latest(),
      refresh: () => translated(() => mailbox.refresh()),
      onChange: (listener) => mailbox.onChange(listener),
      fetch: (uids, wanted, signal) => translatedFetch(mailbox.fetch(uids, wanted, signal)),
      storeFlags: (uids, change, unchangedSince) => translated(() => mailbox.storeFlags(uids, change, unchangedSince)),
      copy: (uids, target) => translated(() => mailbox.moveTo(target, uids, false), true),
      move: (uids, target) => translated(() => mailbox.moveTo(target, uids, true), true),
      expunge: (uids) => translated(() => mailbox.expunge(uids)),
      search: (key, snapshot, saved, signal, onDamaged) =>
        translated(() => mailbox.search({ key, snapshot, saved, onDamaged }, signal)),
      vanishedSince: (modseq, known) => translated(() => mailbox.vanishedSince(modseq, known)),
      close: () => mailbox.close(),
    }
  }

  async function translated<T>(call: () => Promise<T>, isTarget = false): Promise<T> {
    try {
      return await call()
    } catch (error) {
      throw refusalFor(error, log, isTarget)
    }
  }

  async function* translatedFetch(batches: AsyncIterable<readonly FetchedMessage[]>) {
    for await (const batch of translatedItems(batches)) yield batch.map(showMessage)
  }

  /** Translates the errors of later reads: of bytes that are not in memory, and of structures that are read in a thread. */
  function showMessage(message: FetchedMessage): FetchedMessage {
    const { source } = message
    if (!source) return message
    const read = (start: number, end: number) => translatedItems(source.read(start, end))
    return { ...message, source: { ...source, read, structure: () => translated(source.structure) } }
  }

  async function* translatedItems<T>(items: AsyncIterable<T>): AsyncGenerator<T, void> {
    try {
      yield* items
    } catch (error) {
      throw refusalFor(error, log)
    }
  }
}

function endOf(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve()
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
}
