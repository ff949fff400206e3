/** The route that makes the text index again. Martlet's own addition. */
import { Type } from 'typebox'
import type { RebuildIndex } from '../../../../../mail/messages/search/rebuild-index.ts'
import type { HttpApp } from '../../../server/http-dialect.ts'
import { ok } from '../wire/shape-wire.ts'

const Rebuilding = Type.Object({ blocks: Type.Integer() })

export function searchRoutes(app: HttpApp, { rebuildIndex }: { readonly rebuildIndex: RebuildIndex }): void {
  const schema = {
    tags: ['Search'],
    summary: 'Make the text index of all inboxes again (root key only)',
    response: ok(Rebuilding),
  }
  app.post('/search/rebuild', { schema }, async ({ actor }) => ({ blocks: await rebuildIndex(actor) }))
}
