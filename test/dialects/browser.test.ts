/**
 * A page in Chromium with the stock `agentmail` package and React: the one of docs/browsers.md, with its token. It is of another
 * origin than the server.
 */
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { rolldown } from 'rolldown'
import { expect, onTestFinished, test } from 'vitest'
import { amount } from '../support/amount.ts'
import { chromiumOrSkip, Page } from '../support/chromium.ts'
import { freePort } from '../support/free-port.ts'
import { root, textOf } from '../support/imports.ts'
import { blocksOf } from '../support/page-blocks.ts'
import { startWorld } from '../support/world.ts'

const blocks = blocksOf(textOf('docs/browsers.md'))
const blockOf = (heading: string, language: string) =>
  blocks.find((block) => block.heading === heading && block.language === language)!.text

test('a page creates an inbox, subscribes and receives, also after a restart of the server', {
  timeout: 120_000,
}, async ({ skip }) => {
  const program = await chromiumOrSkip(skip)
  await using world = await startWorld({ env: { MARTLET_HTTP_PORT: String(await freePort()) } })
  const token = await makeToken(world.url, world.rootKey)
  await using page = await Page.open(program, await servePage({ url: world.url, token }))
  const shows = (text: string) =>
    expect.poll(() => page.text().catch(String), { message: page.console.join('\n') }).toContain(text)

  await shows('is live')
  const [inbox] = (await world.agentmail.inboxes.list()).inboxes
  expect(await page.text()).toContain(`${inbox!.email} is live`)
  const send = (subject: string) => world.smtp.send({ to: inbox!.email, subject, text: `the text of ${subject}` })
  await send('first')
  await shows('first: the text of first')

  const rounds = amount({ short: 1, long: 20 })
  for (let round = 1; round <= rounds; round += 1) {
    await send(`before ${round}`) // the page need not have it when the server stops
    await world.restart()
    await send(`after ${round}`)
    await shows(`after ${round}: the text of after ${round}`)
    await shows('is live')
  }
  // Each message once.
  const shown = await page.evaluate(
    '[...document.querySelectorAll("li")].map((item) => item.textContent.split(":")[0])',
  )
  const sent = Array.from({ length: rounds }, (_, index) => [`before ${index + 1}`, `after ${index + 1}`]).flat()
  expect(shown.toSorted()).toEqual(['first', ...sent].toSorted())

  await readsErrors(page, world.url, token)
  await streams(page, world.url, token, shown.length)
  await isClosedElsewhere(page)
})

async function readsErrors(page: Page, url: string, token: string): Promise<void> {
  const read = (path: string, key: string) =>
    page.evaluate(`fetch('${url}${path}', { headers: { authorization: 'Bearer ${key}', 'x-own': '1' } }).then(
      async (response) => [response.status, (await response.json()).code, response.headers.get('x-request-id')?.length],
    )`)
  expect(await read('/v0/inboxes', 'am_wrong')).toEqual([401, 'unknown_api_key', 36])
  expect(await read('/v0/webhooks', token)).toEqual([403, 'missing_permission', 36])
  expect(await read('/v0/%zz', token)).toEqual([400, 'validation_error', 36])
}

/** The stream of docs/browsers.md gets every message, from the beginning of the log. */
async function streams(page: Page, url: string, token: string, count: number): Promise<void> {
  const script = blockOf('Without a library', 'js')
    .replace('?api_key', '?after=earliest&event_types=message.received&api_key')
    .replace('console.log', 'received.push')
  const run = `(async () => {
    const received = [], url = '${url}', token = '${token}'
    ${script}
    while (received.length < ${count}) await new Promise((resolve) => setTimeout(resolve, 10))
    source.close()
    return received[0].message.subject
  })()`
  expect(await page.evaluate(run)).toBe('first')
}

async function isClosedElsewhere(page: Page): Promise<void> {
  await using other = await startWorld({ env: { MARTLET_CORS_ORIGINS: 'https://app.example.com' } })
  const headers = `{ authorization: 'Bearer ${other.rootKey}' }`
  await expect(page.evaluate(`fetch('${other.url}/v0/inboxes', { headers: ${headers} })`)).rejects.toThrow('fetch')
  // The key is the credential of a WebSocket, not the origin.
  const socket = `new Promise((resolve) => {
    const socket = new WebSocket('${other.url.replace('http', 'ws')}/v0?api_key=${other.rootKey}')
    socket.onopen = () => resolve('open')
    socket.onerror = () => resolve('refused')
  })`
  expect(await page.evaluate(socket)).toBe('open')
}

/** Runs the program of docs/browsers.md. */
async function makeToken(url: string, key: string): Promise<string> {
  const env = { ...process.env, URL: url, KEY: key }
  const program = blockOf('A token for a page', 'js')
  const { stdout } = await promisify(execFile)(process.execPath, ['--input-type=module', '-e', program], {
    cwd: root,
    env,
  })
  const { token, expires_at } = JSON.parse(stdout)
  expect(Date.parse(expires_at) - Date.now()).toBeGreaterThan(14 * 60_000)
  return token
}

/** Bundles the component of docs/browsers.md. @returns the URL of the page */
async function servePage({ url, token }: { url: string; token: string }): Promise<string> {
  // Below node_modules, where the bundler finds the packages.
  const folder = join(root, 'node_modules/.cache/browser-page')
  mkdirSync(folder, { recursive: true })
  const input = join(folder, 'app.jsx')
  writeFileSync(input, blockOf('A React component', 'jsx'))
  const define = { 'process.env.NODE_ENV': '"production"' }
  const bundled = await rolldown({ input, platform: 'browser', transform: { define }, logLevel: 'silent' })
  const { output } = await bundled.generate({ format: 'esm', codeSplitting: false })
  await bundled.close()
  const script = output[0].code
  const html = `<!doctype html><body data-url="${url}" data-token="${token}"><div id="app"></div><script type="module" src="/app.js"></script>`
  const server = createServer(({ url: path }, response) => {
    const isScript = path === '/app.js'
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html')
    response.end(isScript ? script : html)
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://localhost:${(server.address() as AddressInfo).port}/`
}
