/** The inboxes whose mailboxes are in the memory of this node: one view for each, as long as a login uses it. */
import { MailError } from '../../../errors.ts'
import { InboxView, type InboxViewNeeds } from './inbox-view.ts'

export interface InboxViews {
  /** The caller releases it. */
  acquire(inboxId: string): InboxView
  release(view: InboxView): void
  /** @throws limit_exceeded when too many mailboxes or entries are in memory */
  checkSpace(): void
}

export function createInboxViews(needs: InboxViewNeeds): InboxViews {
  const views = new Map<string, { readonly view: InboxView; users: number }>()
  const { openMax, openEntriesMax } = needs.limits.mailboxes

  return {
    acquire(inboxId) {
      const known = views.get(inboxId) ?? { view: new InboxView(inboxId, needs), users: 0 }
      views.set(inboxId, known)
      known.users += 1
      return known.view
    },

    release({ inboxId }) {
      const known = views.get(inboxId)!
      known.users -= 1
      if (known.users === 0) views.delete(inboxId)
    },

    checkSpace() {
      let [open, entries] = [0, 0]
      for (const { view } of views.values()) {
        open += view.openCount
        entries += view.size
      }
      if (open >= openMax) throw new MailError('limit_exceeded', { what: 'open mailboxes', max: openMax })
      if (entries >= openEntriesMax) {
        throw new MailError('limit_exceeded', { what: 'messages in open mailboxes', max: openEntriesMax })
      }
    },
  }
}
