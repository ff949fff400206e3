/**
 * Tests attachments by URL against a real server. Two loopback addresses stand for a private and a public one; the server
 * counts what reaches it, so a test detects a request to a forbidden address.
 */
import { setTimeout } from 'node:timers/promises'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { type LimitOverrides, withLimits } from '../../src/config/limits.ts'
import { MailError } from '../../src/errors.ts'
import { createFetchAttachments } from '../../src/mail/sending/compose/fetch-attachments.ts'
import { createSafeFetch } from '../../src/net/fetch/safe-fetch.ts'
import { startWebhookSink, type WebhookSink } from '../support/webhook-sink.ts'

const [PRIVATE, PUBLIC] = ['127.0.0.1', '127.0.0.2']
const inbox = { organization_id: 'o', pod_id: 'p' }
const mebibyte = Buffer.alloc(1024 * 1024, 'x')

let sink: WebhookSink
let secret: WebhookSink
let atOnce = 0
let atOnceMax = 0
beforeAll(async () => {
  secret = await startWebhookSink((response) => void response.end('secret'), { host: PRIVATE })
  sink = await startWebhookSink(
    async (response, { path, headers }) => {
      const redirect = (location: string) => void response.writeHead(302, { location }).end()
      if (path.startsWith('/to/')) return redirect(decodeURIComponent(path.slice('/to/'.length)))
      if (path === '/loop') return redirect('/loop')
      if (path.startsWith('/404')) return void response.writeHead(404).end('not here')
      if (path === '/gzip') return void response.writeHead(200, { 'content-encoding': 'gzip' }).end('x')
      if (path === '/hang') return
      if (path === '/cut')
        return void response.writeHead(200, { 'content-length': '100' }).write('x', () => response.destroy())
      if (path === '/slow') {
        atOnceMax = Math.max(atOnceMax, ++atOnce)
        await setTimeout(20)
        atOnce -= 1
      }
      if (path === '/mebibyte') return void response.end(mebibyte)
      response.writeHead(200, { 'content-type': 'Text/CSV; charset=utf-8' }).end(`auth ${headers.authorization}`)
    },
    { host: PUBLIC },
  )
})
afterAll(async () => {
  await sink[Symbol.asyncDispose]()
  await secret[Symbol.asyncDispose]()
})

function open({ limits: overrides = {}, allow = false }: { limits?: LimitOverrides; allow?: boolean } = {}) {
  const limits = withLimits(overrides)
  const lookup = async (name: string) => [{ address: name === 'private.test' ? PRIVATE : PUBLIC, family: 4 }]
  const isRefusedIp = (address: string) => address !== PUBLIC
  const safe = createSafeFetch({ lookup, allowPrivateNetworks: allow, isRefusedIp, limits })
  onTestFinished(() => safe.close())
  const fetchAttachments = createFetchAttachments({ download: safe.download, limits })
  return (...paths: string[]) => {
    const urls = paths.map((path) => (path.startsWith('/') ? `http://public.test:${sink.port}${path}` : path))
    return fetchAttachments(
      urls.map((url) => ({ url })),
      inbox,
    )
  }
}

const fails = (reason: string) => ({ code: 'message_rejected', message: expect.stringContaining(reason) })

test('files are fetched without authentication, in order, and get name and type from URL and response', async () => {
  const fetch = open()
  const list = await fetch(`http://user:pass@public.test:${sink.port}/a%20b.csv?x=1`, '/mebibyte', '/to/%2Fc.csv')
  expect(list).toMatchObject([
    { filename: 'a b.csv', contentType: 'text/csv', bytes: Buffer.from('auth undefined') },
    { filename: 'mebibyte' },
    { bytes: Buffer.from('auth undefined') },
  ])
  expect(list[1]!.bytes.equals(mebibyte)).toBe(true)
})

test('what cannot be fetched rejects the message with the reason, without the query of the URL', async () => {
  const fetch = open({ limits: { sending: { attachmentUrlsMs: 300, attachmentRedirectsMax: 2 } } })
  await expect(fetch('/404?sig=x', '/a')).rejects.toMatchObject(
    fails(
      `Message rejected: the attachment at http://public.test:${sink.port}/404 could not be fetched: the response was 404`,
    ),
  )
  await expect(fetch('/hang')).rejects.toMatchObject(fails('no complete response within 300 ms'))
  await expect(fetch('/cut')).rejects.toMatchObject(fails('aborted'))
  await expect(fetch('/gzip')).rejects.toMatchObject(fails('content encoding gzip'))
  await expect(fetch('/loop')).rejects.toMatchObject(fails('redirects more than 2 times'))
  await expect(fetch('/to/http%3A%2F%2F')).rejects.toMatchObject(fails('not a URL'))
  await expect(fetch('/to/file%3A%2F%2F%2Fetc%2Fpasswd')).rejects.toMatchObject(fails('file: is not supported'))
  for (const url of ['ftp://public.test/a', 'nonsense', `http://public.test/${'a'.repeat(9_000)}`])
    await expect(fetch('/a', url)).rejects.toMatchObject({ code: 'validation_error' })
})

test('no request reaches a private address, by its name, as a literal, or after a redirect', async () => {
  const fetch = open()
  for (const host of ['private.test', PRIVATE, '0x7f.1', '2130706433', '[::ffff:127.0.0.1]']) {
    const url = `http://${host}:${secret.port}/`
    await expect(fetch(url), host).rejects.toMatchObject(fails('private network'))
    await expect(fetch(`/to/${encodeURIComponent(url)}`), host).rejects.toMatchObject(fails('private network'))
  }
  expect(secret.connections).toBe(0)
  const [file] = await open({ allow: true })(`http://${PRIVATE}:${secret.port}/`)
  expect(file!.bytes.toString()).toBe('secret')
})

test('bytes, concurrent requests and concurrent messages are limited', async () => {
  const mib = 1024 * 1024
  const fetch = open({
    limits: { sending: { attachmentUrlsBytesMax: 2 * mib, attachmentUrlsAtOnceMax: 3, fetchingMessagesMax: 2 } },
  })
  expect((await fetch('/mebibyte', '/mebibyte')).length).toBe(2)
  await expect(fetch('/mebibyte', '/mebibyte', '/a')).rejects.toMatchObject(fails('more than 2097152 bytes together'))
  await fetch(...Array<string>(10).fill('/slow'))
  expect(atOnceMax).toBe(3)
  const [first, second] = [fetch('/slow'), fetch('/slow')]
  await expect(second).rejects.toMatchObject({ code: 'too_many_at_once' }) // one pod gets one of two places
  await first
})

test('bytes count as they arrive, and what does not fit into the memory ends the requests', async () => {
  const limits = withLimits({})
  const safe = createSafeFetch({
    lookup: async () => [{ address: PUBLIC, family: 4 }],
    allowPrivateNetworks: true,
    limits,
  })
  onTestFinished(() => safe.close())
  let counted = 0
  const memory = {
    add(bytes: number) {
      counted += bytes
      if (counted > 100_000) throw new MailError('too_many_bodies', {})
    },
  }
  const fetchAttachments = createFetchAttachments({ download: safe.download, limits })
  const url = `http://public.test:${sink.port}/mebibyte`
  await expect(fetchAttachments([{ url }], inbox, memory)).rejects.toMatchObject({ code: 'too_many_bodies' })
  expect(counted).toBeLessThan(500_000)
})
