/** Outbound routes: whether outbound mail and webhooks are paused, and the end of a pause. Martlet's own addition. */
import { Type } from 'typebox'
import type { OutboundPause } from '../../../../../mail/jobs/outbound-pause.ts'
import type { HttpApp } from '../../../server/http-dialect.ts'
import { access } from '../../../server/route-access.ts'
import { named, ok, optionalTime, Time } from '../wire/shape-wire.ts'

const tags = ['Queue']
const State = named('OutboundState', { state: Type.Enum(['running', 'paused']), paused_at: Type.Optional(Time) })
const Resumed = named('OutboundResumed', { state: Type.Enum(['running']), was_paused: Type.Boolean() })

export function outboundRoutes(app: HttpApp, { outboundPause }: { readonly outboundPause: OutboundPause }): void {
  const get = { tags, isOurs: true, summary: 'Whether outbound mail and webhooks are paused', response: ok(State) }
  app.get('/outbound', { schema: get, config: access([]) }, async () => {
    const since = await outboundPause.since()
    return { state: since === undefined ? ('running' as const) : ('paused' as const), paused_at: optionalTime(since) }
  })

  const resume = {
    tags,
    isOurs: true,
    summary: 'Resume outbound mail and webhooks (root key only)',
    response: ok(Resumed),
  }
  app.post('/outbound/resume', { schema: resume, config: access([], { narrowestKey: 'root' }) }, async ({ actor }) => {
    return { state: 'running' as const, was_paused: await outboundPause.end(actor) }
  })
}
