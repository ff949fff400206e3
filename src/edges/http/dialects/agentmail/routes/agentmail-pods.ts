/** Pod routes: groups of inboxes inside the organization. AgentMail has no route to update a pod. */
import { Type } from 'typebox'
import type { Pods } from '../../../../../mail/tenants/pods.ts'
import type { HttpApp } from '../../../server/http-dialect.ts'
import { access } from '../../../server/route-access.ts'
import { pageQuery, readPage } from '../query-parameters.ts'
import { clientId, objectName } from '../wire/request-texts.ts'
import { named, nothing, ok } from '../wire/shape-wire.ts'
import { Pod, PodList, pod, podList } from '../wire/tenant-wire.ts'

const tags = ['Pods']
const params = Type.Object({ pod_id: Type.String({ description: 'Id or client_id.' }) })

const list = { tags, summary: 'List pods', querystring: Type.Object(pageQuery), response: ok(PodList) }
const get = { tags, summary: 'Get a pod', params, response: ok(Pod) }
const remove = { tags, summary: 'Delete an empty pod', params, response: nothing, errors: ['cannot_delete'] as const }
const create = {
  tags,
  summary: 'Create a pod; another request with the same client_id returns the existing one',
  body: named('CreatePodRequest', {
    name: Type.Optional(Type.String({ rule: objectName })),
    client_id: Type.Optional(Type.String({ rule: clientId })),
  }),
  response: ok(Pod),
  errors: ['organization_unverified', 'resource_deleting'] as const,
}

export function podRoutes(app: HttpApp, { pods }: { readonly pods: Pods }): void {
  app.get('/pods', { schema: list, config: access('pod_read', { narrowestKey: 'pod' }) }, async ({ actor, query }) =>
    podList(await pods.list(actor, readPage(query))),
  )

  app.get('/pods/:pod_id', { schema: get, config: access('pod_read', { narrowestKey: 'pod' }) }, async (request) =>
    pod(await pods.get(request.actor, request.params.pod_id)),
  )

  app.post(
    '/pods',
    { schema: create, config: access('pod_create', { narrowestKey: 'organization' }) },
    async ({ actor, body }) => pod(await pods.create(actor, { name: body.name, clientId: body.client_id })),
  )

  app.delete(
    '/pods/:pod_id',
    { schema: remove, config: access('pod_delete', { narrowestKey: 'pod' }) },
    async (request, reply) => {
      await pods.delete(request.actor, request.params.pod_id)
      return reply.code(204).send(null)
    },
  )
}
