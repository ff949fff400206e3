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

test.each(['', 'adr/0001-record-decisions.md', '../package.json', '%2e%2e/package.json', 'x'])(
  'nothing else is served: %j',
  async (path) => {
    const world = await sharedWorld()
    const { status, body } = await world.request('GET', `/docs/${path}`, { key: '' })
    expect(status).toBe(404)
    expect(JSON.stringify(body)).not.toContain('dependencies')
  },
)
