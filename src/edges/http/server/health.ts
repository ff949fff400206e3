/** Liveness, readiness and metrics for monitoring systems. They belong to no dialect. */
import { isIP } from 'node:net'
import type { FastifyRequest } from 'fastify'
import { isLocalhost, withoutBrackets } from '../../../host-name.ts'
import type { Log } from '../../../log.ts'
import type { KeyActor } from '../../../mail/access/actor.ts'
import type { Credentials } from '../../../mail/access/keys/credentials.ts'
import type { Metrics } from '../../../metrics.ts'
import type { HttpApp } from './http-dialect.ts'
import type { BacklogBudget } from './memory/backlog-budget.ts'
import type { BodyBudget } from './memory/body-budget.ts'
import type { ResponseBudget } from './memory/response-budget.ts'
import { authenticateHeader } from './requests/http-credentials.ts'
import { publicRoute } from './route-access.ts'

/** Probes by name. A probe throws or rejects while its component does not work. */
export type Probes = Readonly<Record<string, () => void | Promise<void>>>

interface HealthNeeds {
  readonly log: Log
  readonly metrics: Metrics
  readonly budget: BacklogBudget
  readonly bodies: Pick<BodyBudget, 'usedBytes'>
  readonly responses: Pick<ResponseBudget, 'usedBytes' | 'composingBytes' | 'waitingCount'>
  readonly credentials: Pick<Credentials, 'authenticate'>
  /** Rejects for a key that must not read what concerns the whole server. */
  readonly requireNoStranger: (actor: KeyActor) => Promise<void>
  readonly probes: Probes
  readonly readyDetails: (() => Promise<object>) | undefined
  readonly isStopping: () => boolean
}

export function healthRoutes(
  app: HttpApp,
  {
    log,
    metrics,
    budget,
    bodies,
    responses,
    credentials,
    requireNoStranger,
    probes,
    readyDetails,
    isStopping,
  }: HealthNeeds,
): void {
  const config = { ...publicRoute, quiet: true } // each route checks for itself

  /** Liveness: the process responds, so do not kill it. Also 200 during a shutdown. */
  app.get('/healthz', { config }, () => ({ status: 'ok' }))

  /** Readiness: every component works and the server is not stopping, so send traffic here. */
  app.get('/readyz', { config }, async (_request, reply) => {
    const failing = isStopping() ? ['stopping'] : await failingProbes()
    if (failing.length === 0) return { status: 'ready', ...(await readyDetails?.()) }
    return reply.code(503).header('retry-after', '1').send({ status: 'not ready', failing })
  })

  /** Metrics show how much mail users get, so other machines need an API key, which no stranger can make by a sign-up. */
  app.get('/metrics', { config }, async (request, reply) => {
    if (!isLocal(request)) {
      const actor = await authenticateHeader(credentials, request)
      request.apiKeyId = actor.apiKeyId
      await requireNoStranger(actor)
    }
    metrics.eventBacklog.set(budget.bytes)
    metrics.httpResponseBytes.set(responses.usedBytes())
    metrics.httpComposingBytes.set(responses.composingBytes())
    metrics.httpResponsesWaiting.set(responses.waitingCount())
    for (const [name, bytes] of Object.entries(bodies.usedBytes())) metrics.httpBodyBytes.set({ budget: name }, bytes)
    return reply.type(metrics.registry.contentType).send(await metrics.registry.metrics())
  })

  async function failingProbes(): Promise<string[]> {
    const results = await Promise.all(
      Object.entries(probes).map(async ([name, probe]) => {
        try {
          await probe()
          return []
        } catch (error) {
          log.debug({ probe: name, err: error }, 'not ready')
          return [name]
        }
      }),
    )
    return results.flat()
  }
}

/**
 * Whether the request is from a program on this machine. A request through a reverse proxy on this machine is not: the proxy adds a
 * header field with the origin. Neither is one to another name: a web page can have its name resolved to this machine (DNS
 * rebinding), and the browser would let it read the response.
 */
function isLocal(request: FastifyRequest): boolean {
  const { headers, socket } = request.raw
  if (headers['x-forwarded-for'] !== undefined || headers.forwarded !== undefined) return false
  const host = (headers.host ?? '').replace(/:\d+$/, '')
  const isOwnName = host === '' || isLocalhost(host) || isIP(withoutBrackets(host)) !== 0
  return isOwnName && /^(?:::ffff:)?127\.|^::1$/.test(socket.remoteAddress ?? '')
}
