/** The API reference at /docs: what it is made of, and that a browser shows it with its strict policy. */
import { expect, test } from 'vitest'
import { chromiumOrSkip, Page } from '../../support/chromium.ts'
import '../../support/program.ts' // waits for the build, which makes the viewer's files
import { startWorld } from '../../support/world.ts'

test('the page and its files come from this server, and its policy lets nothing else in', async () => {
  await using world = await startWorld()
  const page = await world.request('GET', '/docs', { key: '' })
  expect(page.status).toBe(200)
  expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8')
  const policy = page.headers.get('content-security-policy')
  expect(policy).toMatch(/^default-src 'none'; script-src 'self'; /)
  expect(policy).not.toMatch(/https?:|unsafe-eval|script-src[^;]*unsafe/)
  const files = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, file]) => file)
  expect(files).toEqual([
    'reference/swagger-ui.css',
    'v0/openapi.json',
    'reference/swagger-ui.js',
    'reference/start.js',
  ])
  for (const file of files) {
    const read = await world.request('GET', `/${file}`, { key: '' })
    expect([read.status, read.headers.get('content-encoding')], file).toEqual([
      200,
      /swagger/.test(file) ? 'gzip' : null,
    ])
    const plain = await world.request('GET', `/${file}`, { key: '', headers: { 'accept-encoding': 'identity' } })
    expect(plain.headers.get('content-encoding')).toBeNull()
    expect(plain.body).toEqual(read.body)
  }
})

test('a browser shows the operations, without an error', { timeout: 180_000 }, async ({ skip }) => {
  const program = await chromiumOrSkip(skip)
  await using world = await startWorld()
  await using page = await Page.open(program, `${world.url}/docs#/Messages`)
  await expect.poll(() => page.text(), { message: page.console.join('\n') }).toContain('Get a message with its bodies')
  expect(await page.text()).toContain('Email for AI agents')
  expect(page.console).toEqual([])
})
