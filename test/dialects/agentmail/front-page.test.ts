/** The page for a person who opens the address of a server in a browser. */
import { expect, test } from 'vitest'
import { textOf } from '../../support/imports.ts'
import { sharedByFile } from '../../support/shared-by-file.ts'
import { startWorld } from '../../support/world.ts'

const sharedWorld = sharedByFile(() => startWorld())

test('the page at / says what runs and how to get a key, links the documentation, and loads nothing', async () => {
  const world = await sharedWorld()
  const page = await world.request('GET', '/', { key: '' })
  expect(page.status).toBe(200)
  expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8')
  expect(page.headers.get('content-security-policy')).toMatch(/^default-src 'none'/)
  const { version } = JSON.parse(textOf('package.json'))
  expect(page.body).toContain(`Version ${version}`)
  expect(page.body).toContain('root-key')
  expect(page.body).not.toContain('npx') // outside the clone, it may run another package
  expect(page.body).not.toMatch(/https?:|src=|<script|<link/)

  const links = [...page.body.matchAll(/href="([^"]+)"/g)].map(([, href]) => href)
  expect(links).toContain('v0/openapi.json')
  expect(links.length).toBeGreaterThan(5)
  for (const link of links) {
    const linked = await world.request('GET', `/${link}`, { key: '' })
    expect(linked.status, link).toBe(200)
    if (link.startsWith('docs/') && link.endsWith('.md')) {
      expect(linked.body).toBe(textOf(link))
      expect(linked.headers.get('content-type')).toBe('text/plain; charset=utf-8')
    }
  }
})

// Links to README.md and to decisions were 404.
test('every link of a page that the server shows leads to a page, and to a heading on it', async () => {
  const world = await sharedWorld()
  const { body: front } = await world.request('GET', '/', { key: '' })
  const headings = new Map<string, string[]>()
  const links = [...front.matchAll(/href="(docs\/[^"]+)"/g)].map(([, href]) => ({ from: '/', to: `/${href}` }))
  for (const { from, to } of links) {
    const { pathname, hash } = new URL(to, 'http://server.test')
    if (!headings.has(pathname)) {
      const { status, body, headers } = await world.request('GET', pathname, { key: '' })
      expect(status, `${from} links to ${to}`).toBe(200)
      headings.set(pathname, [])
      if (!headers.get('content-type')?.startsWith('text/plain')) continue
      expect(body).toBe(textOf(pathname.slice(1)))
      const text = body.replace(/^```.*?^```/gms, '')
      headings.set(
        pathname,
        [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading]) => anchorOf(heading)),
      )
      for (const [, link] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^[a-z]+:/.test(link)) continue
        links.push({ from: pathname, to: new URL(link, `http://server.test${pathname}`).href })
      }
    }
    if (hash !== '') expect(headings.get(pathname), `${from} links to ${to}`).toContain(hash.slice(1))
  }
  for (const page of ['/README.md', '/docs/adr/0001-record-decisions.md', '/docs/benchmarks/tests.md']) {
    expect([...headings.keys()]).toContain(page)
  }
})

/** As GitHub makes it, where these pages are read too. */
function anchorOf(heading: string): string {
  return heading
    .trim()
    .toLowerCase()
    .replace(/[^\w\- ]/g, '')
    .replaceAll(' ', '-')
}

test.each([
  '',
  '../package.json',
  '%2e%2e/package.json',
  'x',
  'adr',
  'adr/x.md',
  'adr/../../package.json',
  '/README.md',
])('nothing else is served: %j', async (path) => {
  const world = await sharedWorld()
  const { status, body } = await world.request('GET', `/docs/${path}`, { key: '' })
  expect(status).toBe(404)
  expect(JSON.stringify(body)).not.toContain('dependencies')
})
