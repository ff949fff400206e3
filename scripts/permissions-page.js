/**
 * The page docs/permissions.md: each permission flag, and the operations that need it. What an operation needs is declared
 * with its route (src/edges/http/server/route-access.ts), so the page cannot differ from what the server checks.
 */
import Fastify from 'fastify'
import { loadConfig } from '../build/src/config/settings.js'
import { agentMail } from '../build/src/edges/http/dialects/agentmail/index.js'
import { hiddenClasses, permissions } from '../build/src/mail/access/permissions.js'

/** Stands for every service: the routes are registered, and never called. */
const anything = new Proxy(() => undefined, {
  get: (_target, name) => (name === 'then' ? undefined : anything),
  apply: () => anything,
})

/** @returns the lines of the page */
export async function permissionsPage() {
  const operations = (await listRoutes()).filter(isShown)
  return [
    '# Permissions',
    '',
    'Generated from the routes of the AgentMail dialect and `src/mail/access/permissions.ts` by `npm run docs`; do not edit. The other dialects check the same flags.',
    '',
    'A key that is created without `permissions` may do everything in its scope: the organization, a pod, or an inbox. With the object, it',
    'may do only what its flags allow: `{"permissions": {"message_read": true, "draft_create": true}}` reads mail and writes drafts, and',
    'sends nothing. A key grants no flag that it lacks. Unknown flags grant nothing and are named in `Martlet-Warning`; a response shows what was stored. What lacks a flag gets',
    '403 `missing_permission`, and `fix` names the flag.',
    '',
    '*Also* marks operations that need the flag only for some requests. `organization key`: a key of a pod or an inbox cannot use the',
    'operation, whatever its flags; `pod key`: a key of an inbox cannot. *With* names the other flags that the operation needs.',
    '',
    ...permissions.flatMap((flag) => section(flag, operations)),
    '## Without a flag',
    '',
    'Every key may use these, for what is in its scope:',
    '',
    ...linesOf(operations.filter(({ access }) => access.permissions.length === 0 && !access.conditional)),
    '',
  ]
}

async function listRoutes() {
  const routes = []
  const app = Fastify()
  app.setValidatorCompiler(() => () => true)
  app.setSerializerCompiler(() => JSON.stringify)
  app.addHook('onRoute', (route) => void routes.push(route))
  const config = loadConfig({ MARTLET_DATA_DIR: 'data' })
  const needs = new Proxy({ config }, { get: (given, name) => given[name] ?? anything })
  await app.register((scope) => agentMail(needs).routes(scope, anything), { prefix: '/v0' })
  await app.ready()
  return routes.map(({ method, url, schema = {}, config }) => ({ method, url, schema, ...config }))
}

function isShown({ method, schema, access, isUnbuilt }) {
  return method !== 'HEAD' && !schema.hide && !isUnbuilt && access !== 'public' && access.narrowestKey !== 'root'
}

function section(flag, operations) {
  const needed = operations.filter(({ access }) => access.permissions.includes(flag))
  const also = operations.filter(({ access }) => access.conditional?.includes(flag))
  const hidden = hiddenClasses.find(({ permission }) => permission === flag)
  const lines = [
    ...(hidden
      ? [`Mail with the label \`${hidden.label}\`, in every operation, event and webhook that shows mail.`, '']
      : []),
    ...linesOf(needed, { flag }),
    ...linesOf(also, { flag, mark: '*also* ' }),
  ]
  const isEmpty = lines.length === 0
  return [
    `## ${flag}`,
    '',
    ...(isEmpty ? ['Stored and shown. What it allows does not exist in this version.'] : lines),
    '',
  ]
}

/** One line per summary: most operations exist for the organization, a pod and an inbox. */
function linesOf(operations, { flag, mark = '' } = {}) {
  return [...groupBy(operations, ({ method, schema }) => `${method} ${schema.summary}`).values()].map((group) => {
    const [{ schema, access }] = group
    const paths = group.map(({ method, url }) => `\`${method} ${url.replace(/:(\w+)/g, '{$1}')}\``)
    const scope = group.every((each) => each.access.narrowestKey === access.narrowestKey)
      ? access.narrowestKey
      : 'inbox'
    const others = access.permissions.filter((each) => each !== flag).map((each) => `\`${each}\``)
    const notes = [
      ...(scope === 'inbox' ? [] : [`${scope} key`]),
      ...(others.length > 0 ? [`with ${others.join(', ')}`] : []),
    ]
    return `- ${mark}${schema.summary}${notes.length > 0 ? ` (${notes.join(', ')})` : ''}: ${paths.join(', ')}`
  })
}

/** Node 20 has no Map.groupBy. */
function groupBy(items, keyOfItem) {
  const groups = new Map()
  for (const item of items) groups.set(keyOfItem(item), [...(groups.get(keyOfItem(item)) ?? []), item])
  return groups
}
