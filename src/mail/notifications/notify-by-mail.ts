/**
 * The job that mails a notification about a received message, for the rules of its inbox that match. Receiving enqueues it
 * in the transaction that files the message (mail/receiving/file-received.ts).
 *
 * The mail is Martlet's own, as a notice is: it has the null sender, so its failure causes no notice, and it says that it is
 * automatic (RFC 3834 §5). No automatic message causes a notification, so two inboxes cannot notify each other for ever. It
 * obeys what limits the inbox: its lists, its state, and limits.notifications.mailsPerHourMax.
 *
 * Crash, stop: the job runs again. It ends in the transaction that queues the mail, so it is queued once: the submission is deleted when
 * the mail is delivered, and proves nothing then.
 */
import type { Config } from '../../config/settings.ts'
import { MailError } from '../../errors.ts'
import { formatAddress } from '../../formats/address/address.ts'
import type { Log } from '../../log.ts'
import type { InboxRow } from '../../store/schema/tenant-rows.ts'
import type { Store } from '../../store/store.ts'
import * as inboxes from '../../store/tables/inboxes-table.ts'
import * as messages from '../../store/tables/messages-table.ts'
import * as rulesTable from '../../store/tables/notification-rules-table.ts'
import { lockSender } from '../../store/tables/sender-inboxes-table.ts'
import * as submissions from '../../store/tables/submissions-table.ts'
import { hiddenClasses, parsePermissions } from '../access/permissions.ts'
import { countRates } from '../access/rates.ts'
import type { Domains } from '../domains/domains.ts'
import type { EndingJobHandler } from '../jobs/jobs.ts'
import { insertUnparsed } from '../messages/content/insert-content.ts'
import type { SenderTrust } from '../messages/sender-trust.ts'
import type { MessageItem } from '../messages/views/message.ts'
import { showMessages } from '../messages/views/message-views.ts'
import { composeOwnMail, type OwnMail } from '../sending/compose/own-mail.ts'
import { requireSendable } from '../sending/compose/require-sendable.ts'
import { enqueueSubmission } from '../sending/queue/enqueue-submission.ts'
import { matchesSender } from '../webhooks/dispatch/sender-filter.ts'
import { rulesOf } from './notifications.ts'

interface NotifyByMailNeeds {
  readonly store: Store
  readonly config: Pick<Config, 'limits'>
  readonly domains: Pick<Domains, 'signingKey'>
  readonly senderTrust: Pick<SenderTrust, 'isVerified'>
  readonly log: Log
  /** Epoch ms. */
  readonly wallClock: () => number
  readonly random: (bytes: number) => Buffer
}

/** Characters of the message's subject that the notification shows: a stranger chose it. */
const SUBJECT_CHARS_MAX = 200

interface Notification {
  readonly inbox: InboxRow
  readonly message: MessageItem
  readonly recipients: readonly string[]
}

export function createNotifyByMail(needs: NotifyByMailNeeds): EndingJobHandler {
  const { store, senderTrust, log } = needs
  const { limits } = needs.config

  return async function notifyByMail({ key: messageId, complete }) {
    const notification = await findNotification(messageId)
    if (!notification) return
    const { inbox, recipients } = notification
    const { raw, selector } = await compose(notification)
    try {
      await store.transaction(async (tx) => {
        const current = await lockSender(tx, inbox.id)
        if (!current || (await submissions.listByIds(tx, [messageId])).length > 0) return
        if (!(await complete(tx))) return
        await requireSendable(tx, current, recipients, limits)
        await countRates(tx, [mailsOf(current)])
        await enqueueSubmission(tx, {
          ...{ id: messageId, kind: 'notification', message_id: null },
          content_id: await insertUnparsed(tx, raw),
          dkim_selector: selector,
          inbox: current,
          sender: '',
          recipients,
        })
      })
    } catch (error) {
      if (!(error instanceof MailError) || error.kind === 'temporary' || error.kind === 'internal') throw error
      log.info({ inbox: inbox.address, messageId, reason: error.message }, 'no notification was mailed')
    }
  }

  /** @returns undefined if the message, its inbox or a matching rule is gone, or if the rules may not show it */
  async function findNotification(messageId: string): Promise<Notification | undefined> {
    const [row] = await messages.listByIds(store.db, [messageId])
    const inbox = row && (await inboxes.getById(store.db, row.inbox_id))
    const stored = inbox && (await rulesTable.get(store.db, inbox.id))
    if (!row || !inbox || !stored || !isShown(row.hidden, stored.permissions)) return undefined
    const [message] = await showMessages(store.db, [row], inbox)
    const matching = rulesOf(stored).filter(
      ({ isEnabled, mail, senders }) => isEnabled && mail?.isEnabled && matchesSender(senders, message!, senderTrust),
    )
    const recipients = [...new Set(matching.flatMap(({ mail }) => mail!.recipients))]
    return recipients.length === 0 ? undefined : { inbox, message: message!, recipients }
  }

  function compose({ inbox, message, recipients }: Notification) {
    const mail: OwnMail = {
      ...{ from: inbox.address, domainId: inbox.domain_id, to: recipients },
      subject: `New message: ${(message.subject ?? '').slice(0, SUBJECT_CHARS_MAX).toWellFormed()}`,
      text: textOf(inbox, message, senderTrust.isVerified(message)),
      autoSubmitted: 'auto-generated',
    }
    return composeOwnMail(mail, needs)
  }

  function mailsOf({ id }: InboxRow) {
    const { mailsPerHourMax: max } = limits.notifications
    return { key: `notifications of ${id}`, what: 'notifications of this inbox', max, period: 'hour' } as const
  }
}

/** Whether the key that set the rules may see a message with this hidden mask. Spam, blocked and trash are never reported. */
function isShown(hidden: number, permissions: string | null): boolean {
  if (hidden === 0) return true
  const unauthenticated = hiddenClasses.find(({ label }) => label === 'unauthenticated')!
  if (hidden !== unauthenticated.bit) return false
  return permissions === null || parsePermissions(permissions).includes(unauthenticated.permission)
}

function textOf(inbox: InboxRow, message: MessageItem, isVerified: boolean): string {
  return `${inbox.address} has received a message.

From: ${message.from ? formatAddress(message.from) : 'unknown'} (${isVerified ? 'verified' : 'not verified'})
Subject: ${message.subject ?? ''}

${message.preview ?? ''}

Message id: ${message.id}
`
}
