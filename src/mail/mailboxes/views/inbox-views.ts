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
      const known = views.get(inboxId) ?? { view: new InboxView(inboxId, needs, checkEntries), users: 0 }
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
      const open = [...views.values()].reduce((sum, { view }) => sum + view.openCount, 0)
      if (open >= openMax) throw new MailError('limit_exceeded', { what: 'open mailboxes', max: openMax })
      checkEntries(1)
    },
  }

  function checkEntries(more: number): void {
    const entries = [...views.values()].reduce((sum, { view }) => sum + view.size, 0)
    if (entries + more <= openEntriesMax) return
    throw new MailError('limit_exceeded', { what: 'messages in open mailboxes', max: openEntriesMax })
  }
}
