/**
 * Walks over every route of a dialect, with keys of each scope, and own and foreign objects. What a key needs comes from the
 * declaration of the route: a new route needs an entry in the tables of its test only if it has a body or another object.
 */
import { fastify, type RouteOptions } from 'fastify'
import type { Dialect, HttpApp, HttpContext } from '../../src/edges/http/server/http-dialect.ts'
import type { OperationAccess } from '../../src/mail/access/operation-access.ts'
import { permissions as allPermissions, type Permission } from '../../src/mail/access/permissions.ts'
import type { World } from '../support/world.ts'

export interface Operation extends OperationAccess {
  readonly method: string
  /** With the prefix of the dialect. */
  readonly url: string
}

export type Ids = Readonly<Record<string, string>>

/** One object of each kind, and keys of their pod and of their inbox. */
export interface Objects {
  readonly ids: Ids
  readonly podKey: string
  readonly inboxKey: string
}

/** Registers the routes on a server that answers nothing. */
export async function operationsOf({ prefix, routes }: Dialect): Promise<Operation[]> {
  const app = fastify()
  app.setValidatorCompiler(() => () => true) // the schemas have keywords of their own, which Ajv refuses
  const registered: RouteOptions[] = []
  app.addHook('onRoute', (route) => void registered.push(route))
  await app.register(
    async (scope) => {
      scope.decorateRequest('actor')
      await routes(scope as unknown as HttpApp, {} as HttpContext)
    },
    { prefix },
  )
  await app.ready()
  return registered.flatMap(({ method, url, config }) => {
    const access = config?.access
    if (access === undefined || access === 'public') return []
    return [method].flat().flatMap((each) => (each === 'HEAD' ? [] : { method: each, url, ...access }))
  })
}

/** A request that needs a flag which other requests of its route do not need. */
export interface Condition {
  /** By method and path without the prefix, as in `WalkNeeds.bodies`. */
  readonly name: string
  readonly flag: Permission
  readonly body?: object
  /** Makes the object that it is about. */
  readonly make?: () => Promise<Ids>
  /** Without the flag it is done too, and its response lacks this member. Otherwise it is refused. */
  readonly shows?: string
}

interface WalkNeeds {
  readonly world: World
  readonly prefix: string
  readonly operations: readonly Operation[]
  /** By method and path without the prefix. */
  readonly bodies: Readonly<Record<string, object>>
  /** The code in the body of an error. */
  // biome-ignore lint/suspicious/noExplicitAny: any response
  readonly codeOf: (body: any) => unknown
  /** Other answers that are right for a key with exactly the flags of the operation. */
  readonly isExpected: (name: string, status: number) => boolean
  /** The order in which two sets of objects are enough: what ends one is last. From 3 on, the second set is used. */
  readonly rankOf: (operation: Operation) => number
}

export function createWalk({ world, prefix, operations, bodies, codeOf, isExpected, rankOf }: WalkNeeds) {
  const nameOf = ({ method, url }: Operation) => `${method} ${url.slice(prefix.length)}`
  const ask = ({ method, url }: Operation, ids: Ids, body: unknown, key: string) => {
    const path = url.replace(/:(\w+)/g, (_, name: string) => ids[name] ?? 'nothing')
    return world.request(method, path, { key, ...(body !== undefined && { body }) })
  }

  /** Returns a key of the organization with exactly these permissions. */
  async function keyWith(permissions: readonly string[]): Promise<string> {
    const flags = Object.fromEntries(permissions.map((flag) => [flag, true]))
    return (await world.request('POST', '/v0/api-keys', { body: { permissions: flags } })).body.api_key
  }

  return {
    /** @returns the routes that accept a missing or narrow key or one without a flag, or read the body before they refuse it */
    async findUnguarded({ ids, podKey, inboxKey }: Objects): Promise<string[]> {
      const without = new Map<string, string>()
      const problems: string[] = []
      for (const operation of operations) {
        const { permissions, narrowestKey } = operation
        const unread = bodies[nameOf(operation)] && '{"not json'
        const expectRefusal = async (key: string, expected: string) => {
          const { status, body } = await ask(operation, ids, unread, key)
          const got = `${status} ${codeOf(body)}`
          if (got !== expected) problems.push(`${nameOf(operation)}: ${got} instead of ${expected}`)
        }
        await expectRefusal('', '401 missing_authorization')
        for (const flag of permissions) {
          if (!without.has(flag)) without.set(flag, await keyWith(allPermissions.filter((each) => each !== flag)))
          await expectRefusal(without.get(flag)!, '403 missing_permission')
        }
        const narrow = codeOf({ code: 'forbidden', error: { code: 'narrow_key' } })
        if (narrowestKey !== 'inbox') await expectRefusal(inboxKey, `403 ${narrow}`)
        if (narrowestKey === 'organization') await expectRefusal(podKey, `403 ${narrow}`)
      }
      return problems
    },

    /** @returns the routes that find an object of another pod, or one by an id of another kind */
    async findUnscoped(own: Objects, foreign: Objects): Promise<string[]> {
      const problems: string[] = []
      for (const operation of operations) {
        if (!/:\w+_id/.test(operation.url) || operation.narrowestKey === 'organization') continue
        for (const [ids, kind] of [
          [foreign.ids, 'foreign'],
          [{ ...own.ids, ...swapped(own.ids) }, 'swapped'],
        ] as const) {
          const { status, body } = await ask(operation, ids, bodies[nameOf(operation)], own.podKey)
          if (status !== 404) problems.push(`${nameOf(operation)} (${kind}): ${status} ${JSON.stringify(body)}`)
        }
      }
      return problems
    },

    /**
     * Sends requests that need a further flag, with it and without it. The other functions send one request to each route, which needs
     * none of these flags.
     *
     * @returns the flags that a route declares and no condition uses, or the other way round, and the requests that get another answer
     */
    async findConditional({ ids }: Objects, conditions: readonly Condition[]): Promise<string[]> {
      const declared = operations.flatMap((operation) =>
        (operation.conditional ?? []).map((flag) => `${nameOf(operation)} ${flag}`),
      )
      const tested = conditions.map(({ name, flag }) => `${name} ${flag}`)
      const problems = [
        ...declared.filter((each) => !tested.includes(each)).map((each) => `${each}: no condition`),
        ...tested.filter((each) => !declared.includes(each)).map((each) => `${each}: not declared`),
      ]
      for (const { name, flag, body = bodies[name], make, shows } of conditions) {
        const operation = operations.find((each) => nameOf(each) === name)!
        for (const flags of [[flag], []]) {
          const key = await keyWith([...operation.permissions, ...flags])
          const answer = await ask(operation, { ...ids, ...(await make?.()) }, body, key)
          const isDone = answer.status < 300 && (shows === undefined || shows in answer.body === flags.length > 0)
          const isRefused = answer.status === 403 && codeOf(answer.body) === 'missing_permission'
          const isRight = flags.length > 0 || shows !== undefined ? isDone : isRefused
          if (!isRight)
            problems.push(`${name} with [${flags}] of [${flag}]: ${answer.status} ${JSON.stringify(answer.body)}`)
        }
      }
      return problems
    },

    /** Removes the objects. @returns the routes that need more than the permissions that they declare */
    async findUndeclared(own: Objects, foreign: Objects): Promise<string[]> {
      const problems: string[] = []
      for (const operation of operations.toSorted((one, other) => rankOf(one) - rankOf(other))) {
        const { ids } = rankOf(operation) < 3 ? own : foreign
        const key = await keyWith([...operation.permissions, ...(operation.conditional ?? [])])
        const { status, body } = await ask(operation, ids, bodies[nameOf(operation)], key)
        const isRight = status < 300 || status === 501 || isExpected(nameOf(operation), status)
        if (!isRight) problems.push(`${nameOf(operation)}: ${status} ${JSON.stringify(body)}`)
      }
      return problems
    },
  }
}

/** Each id in the place of another kind. */
function swapped(ids: Ids): Ids {
  const names = Object.keys(ids)
  return Object.fromEntries(names.map((name, index) => [name, ids[names[(index + 1) % names.length]!]!]))
}
