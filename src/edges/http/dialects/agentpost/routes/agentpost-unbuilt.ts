/** What AgentPost has and Martlet has not: members, invitations and the deliverability score. */
import { MailError } from '../../../../../errors.ts'
import type { HttpApp } from '../../../server/http-dialect.ts'
import { access } from '../../../server/route-access.ts'

const UNBUILT: readonly (readonly [subject: string, paths: readonly string[]])[] = [
  ['Members and invitations', ['/org/members', '/org/members/:id', '/org/invitations', '/org/invitations/:id']],
  ['Deliverability scores', ['/deliverability', '/deliverability/score']],
]

export function unbuiltRoutes(app: HttpApp): void {
  for (const [subject, paths] of UNBUILT) {
    for (const url of paths) {
      app.route({
        method: ['GET', 'HEAD', 'POST', 'PATCH', 'DELETE'],
        url,
        config: { ...access([]), isUnbuilt: true },
        // Before the body is read.
        onRequest: async ({ method }) => {
          throw new MailError('not_implemented', {
            subject,
            operation: `${method} /api/v1${url.replace(/:(\w+)/g, '{$1}')}`,
          })
        },
        handler: () => undefined,
      })
    }
  }
}
