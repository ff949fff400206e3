/** What this version can do (openapi/capability-list.ts). Added by Martlet. */
import type { Limits } from '../../../../../config/limits.ts'
import { packageVersion } from '../../../../../package-root.ts'
import type { HttpApp } from '../../../server/http-dialect.ts'
import { access } from '../../../server/route-access.ts'
import type { DescribedRoute } from '../openapi/openapi-document.ts'
import { Capabilities } from '../wire/capabilities-wire.ts'
import { ok } from '../wire/shape-wire.ts'

interface CapabilitiesNeeds {
  readonly limits: Limits
  readonly routes: () => readonly DescribedRoute[]
}

export function capabilityRoutes(app: HttpApp, { limits, routes }: CapabilitiesNeeds): void {
  const schema = {
    tags: ['Server'],
    summary: 'What this version can do: operations, event types, limits',
    description: 'Any key may ask. A program that moves here can compare the operations with those that it calls.',
    isOurs: true,
    response: ok(Capabilities),
  }
  app.get('/capabilities', { schema, config: access([]) }, async () => {
    const { capabilities } = await import('../openapi/capability-list.ts')
    return capabilities({ routes: routes(), prefix: app.prefix, version: packageVersion(), limits })
  })
}
