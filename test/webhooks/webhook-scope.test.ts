/** Tests that a webhook is deleted with its inbox or pod, whenever it is created. */
import { expect } from 'vitest'
import { createWebhooks } from '../../src/mail/webhooks/config/webhooks.ts'
import type { Tx } from '../../src/store/handles.ts'
import * as inboxes from '../../src/store/tables/inboxes-table.ts'
import * as tenants from '../../src/store/tables/tenants-table.ts'
import { FeedWorld } from '../events/feed-world.ts'
import { holdOpen, isWaiting, openTestStore, rejection } from '../store/test-store.ts'
import { notSupported } from '../support/test-database.ts'
import { testProfile } from './hook-world.ts'

// The webhook was left: it counted for the limit of the organization, and nothing deleted it.
notSupported('sqlite', 'one process writes')(
  'no webhook is created in an inbox or pod that another node deletes',
  async () => {
    await using world = await FeedWorld.open()
    await using other = await openTestStore({ dataDir: world.dataDir })
    const inbox = await world.addInbox()
    const podId = await world.addPod(inbox.organizationId)
    const owner = await world.addKey({ organizationId: inbox.organizationId })
    const webhooks = createWebhooks({
      ...{ store: world.store, profile: testProfile, allowPrivateNetworks: true, limits: world.limits },
      ...{ random: (bytes) => Buffer.alloc(bytes), enabled: () => undefined },
    })
    const deletions = [
      [{ inbox: inbox.inboxId }, (tx: Tx) => inboxes.update(tx, inbox.inboxId, { deleting_at: tx.now })],
      [{ pod: podId }, (tx: Tx) => tenants.removePod(tx, podId)],
    ] as const
    for (const [within, remove] of deletions) {
      const held = await holdOpen(other, remove)
      const made = rejection(webhooks.create(owner, within, { url: 'http://127.0.0.1:1/' }))
      await Promise.race([made.catch(() => undefined), isWaiting(world)])
      await held.commit()
      expect(await made).toMatchObject({ code: 'not_found' })
    }
    expect(await world.store.db.selectFrom('webhooks').select('id').execute()).toEqual([])
  },
)
