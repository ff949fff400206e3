/**
 * The page at `/`, for a person who opens the server's address in a browser, and the documentation of this version: below
 * `/docs/`, and at `/README.md` and so on, so that the links between the pages work. Nothing on them is loaded from elsewhere. They
 * say nothing about the data, so they need no key.
 */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { FastifyReply } from 'fastify'
import { MailError } from '../../../errors.ts'
import { packageRoot, packageVersion } from '../../../package-root.ts'
import type { HttpApp } from './http-dialect.ts'

/** The pages that `/` lists, in the order in which a newcomer needs them. An installation may lack them. */
const PAGES: readonly (readonly [file: string, about: string])[] = [
  ['tutorial.md', 'Tutorial: an agent that receives a message and answers it'],
  ['curl.md', 'The API with curl, on one page'],
  ['events.md', 'Events: WebSocket, event stream, webhooks, long polls'],
  ['browsers.md', 'In the browser: origins, tokens for pages, a React component'],
  ['compatibility/agentmail.md', 'What clients of AgentMail find here'],
  ['compatibility/agentpost.md', 'What clients of AgentPost find here'],
  ['compatibility/assmbl.md', 'What clients of Assmbl find here'],
  ['compatibility/inboxai.md', 'What clients of inboxai find here'],
  ['mail-programs.md', 'Mail programs: reading over IMAP, sending over SMTP'],
  ['move-from-agentmail.md', 'Move from AgentMail'],
  ['permissions.md', 'Permissions of keys'],
  ['configuration.md', 'Settings and limits'],
  ['deployment.md', 'Deployment: DNS, TLS, PostgreSQL'],
  ['operations.md', 'Operations: queue, backup, monitoring'],
  ['errors.md', 'Errors'],
]

/** Those below docs/ link to some of these, which link to the others. */
const PAGES_ABOVE_DOCS = ['README', 'ARCHITECTURE', 'CHANGELOG', 'CONTRIBUTING', 'SECURITY']

/** Paths below docs/, of pages and nothing else. */
const PAGE_PATH = /^(?:[a-z0-9-]+\/)?[a-z0-9-]+\.md$/

const HEADERS = {
  'content-security-policy': "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; base-uri 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
}

export function frontPageRoutes(app: HttpApp): void {
  let page: string | undefined
  app.get('/', (_request, reply) => {
    page ??= renderPage()
    return reply.headers(HEADERS).type('text/html; charset=utf-8').send(page)
  })
  app.get<{ Params: { '*': string } }>('/docs/*', ({ params }, reply) => {
    const path = params['*']
    if (!PAGE_PATH.test(path)) throw new MailError('not_found', { what: 'Page' })
    return sendPage(reply, `docs/${path}`)
  })
  for (const name of PAGES_ABOVE_DOCS) app.get(`/${name}.md`, (_request, reply) => sendPage(reply, `${name}.md`))
}

/** Sends Markdown as text: a browser shows it, and interprets nothing in it. */
async function sendPage(reply: FastifyReply, page: string): Promise<FastifyReply> {
  const text = await readFile(fileOf(page), 'utf8').catch(() => undefined)
  if (text === undefined) throw new MailError('not_found', { what: 'Page' })
  return reply.headers(HEADERS).type('text/plain; charset=utf-8').send(text)
}

function fileOf(page: string): string {
  return fileURLToPath(new URL(page, packageRoot))
}

function renderPage(): string {
  const pages = PAGES.filter(([file]) => existsSync(fileOf(`docs/${file}`)))
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Martlet</title>
<style>body { font: 1rem/1.5 system-ui, sans-serif; max-width: 42rem; margin: 3rem auto; padding: 0 1rem }</style>
<h1>Martlet is running</h1>
<p>Version ${packageVersion()}. This is the API of a mail server for agents: programs use it with an API key.</p>
<p>The first key is in the file <code>root-key</code> in the server's data folder, which is <code>data</code> unless
<code>MARTLET_DATA_DIR</code> says otherwise. On the machine of the server, in the folder of the program,
<code>node dist/cli.js key create</code> makes more.</p>
<ul>
<li><a href="docs">API reference</a>, also as a file: <a href="v0/openapi.json">OpenAPI 3.1</a></li>
${pages.map(([file, about]) => `<li><a href="docs/${file}">${about}</a></li>\n`).join('')}</ul>
</html>
`
}
