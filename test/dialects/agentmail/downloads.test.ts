/**
 * Tests signed download links: who can use them, for how long, and that a browser never runs scripts from a received
 * message.
 */
import { describe, expect, test } from 'vitest'
import { contentDisposition, safeContentType } from '../../../src/edges/http/server/file-response.ts'
import { startWorld } from '../../support/world.ts'
import { startEdge } from './edge.ts'

test('a link works until it expires, and a forged token never works', async () => {
  let now = Date.UTC(2026, 0, 1)
  await using world = await startWorld({ clock: () => now, limits: { messages: { downloadUrlMs: 60_000 } } })
  const { inboxId } = await world.agentmail.inboxes.create({ username: 'ada' })
  await world.smtp.send({ to: inboxId, text: 'x', messageId: '<1@x.test>' })
  const { downloadUrl, expiresAt } = await world.agentmail.inboxes.messages.getRaw(inboxId, '<1@x.test>')
  expect(expiresAt.getTime()).toBe(now + 60_000)
  expect((await fetch(downloadUrl)).status).toBe(200)

  const { pathname } = new URL(downloadUrl)
  for (const path of [
    `${pathname}x`,
    `${pathname.slice(0, -1)}`,
    `${pathname}.`,
    `${pathname}.x`,
    `${pathname}%00`,
    `${pathname}=`,
    pathname.replace('.', '%2E%2E'),
    pathname.replace('.', '%20.'),
    '/v0/downloads/x.y',
    '/v0/downloads/.',
    '/v0/downloads/%00.%00',
  ]) {
    const answer = await world.request('GET', path, { key: '' })
    expect(answer, path).toMatchObject({ status: 404, body: { code: 'not_found' } })
  }
  now += 60_000
  const expired = await fetch(downloadUrl)
  expect(expired.status).toBe(404)
  expect(await expired.json()).toMatchObject({ fix: expect.stringMatching(/^Links expire \(expires_at\)/) })
})

test('a link uses the public URL', async () => {
  await using world = await startWorld({ env: { MARTLET_PUBLIC_URL: 'https://mail.example.test/m/' } })
  const { inboxId } = await world.agentmail.inboxes.create({ username: 'ada' })
  await world.smtp.send({ to: inboxId, text: 'x', messageId: '<1@x.test>' })
  const { downloadUrl } = await world.agentmail.inboxes.messages.getRaw(inboxId, '<1@x.test>')
  expect(downloadUrl).toMatch(/^https:\/\/mail\.example\.test\/m\/v0\/downloads\//)
})

test('an attachment in quoted-printable without line breaks is downloaded as it was sent', async () => {
  await using world = await startWorld()
  const { inboxId } = await world.agentmail.inboxes.create({ username: 'ada' })
  const content = 'a  \t'.repeat(150_000)
  const fields = ['From: a@x.test', 'Message-ID: <1@x.test>', 'Content-Type: application/octet-stream; name=x.bin']
  const raw = `${fields.join('\r\n')}\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n${content}=\r\n`
  await world.smtp.send({ envelope: { from: 'a@x.test', to: inboxId }, raw })
  const { messages } = world.agentmail.inboxes
  const { attachments: [attachment] = [] } = await messages.get(inboxId, '<1@x.test>')
  expect(attachment?.size).toBe(content.length)
  const { downloadUrl } = await messages.getAttachment(inboxId, '<1@x.test>', attachment!.attachmentId)
  expect((await (await fetch(downloadUrl)).text()) === content).toBe(true)
})

test('plain text, HTML and CSV have a second link, to their text in UTF-8', async () => {
  await using world = await startWorld({ limits: { messages: { textUrlBytesMax: 3_000, textUrlCharsMax: 60 } } })
  const { inboxId } = await world.agentmail.inboxes.create({ username: 'ada' })
  const html =
    '<style>.x{display:none}</style><h1>Gr&uuml;&szlig;e</h1><p class="x">hidden</p><script>1</script><p>second <b>line</b></p>'
  const files: [filename: string, contentType: string, content: Buffer | string, text: string | undefined][] = [
    ['latin.csv', 'text/csv; charset=iso-8859-1', Buffer.from('Köln;1\r\n', 'latin1'), 'Köln;1\r\n'],
    ['utf16.txt', 'text/plain', Buffer.from('\ufeffgrüße', 'utf16le'), 'grüße'],
    ['page.html', 'text/html', html, 'Grüße\n\nsecond line'],
    ['long.txt', 'text/plain; charset=utf-8', '🎉'.repeat(100), '🎉'.repeat(30)],
    ['too-long.txt', 'text/plain', 'x'.repeat(3_001), undefined],
    ['image.svg', 'image/svg+xml', '<svg/>', undefined],
    ['file.pdf', 'application/pdf', 'x', undefined],
  ]
  const attachments = files.map(([filename, contentType, content]) => ({ filename, contentType, content }))
  await world.smtp.send({ to: inboxId, text: 'x', messageId: '<1@x.test>', attachments })
  const { messages, threads } = world.agentmail.inboxes
  const { attachments: stored = [], threadId } = await messages.get(inboxId, '<1@x.test>')
  const paths = (id: string) => [
    `/v0/inboxes/${inboxId}/messages/${encodeURIComponent('<1@x.test>')}/attachments/${id}`,
    `/v0/threads/${threadId}/attachments/${id}`,
  ]
  expect(await threads.get(inboxId, threadId)).toMatchObject({ count: 1 })
  for (const [index, [name, , , text]] of files.entries()) {
    const { attachmentId } = stored.find(({ filename }) => filename === name)!
    for (const path of paths(attachmentId)) {
      const { body } = await world.request('GET', path)
      expect(Object.hasOwn(body, 'text_url'), name).toBe(text !== undefined)
      if (text === undefined) continue
      const answer = await fetch(body.text_url)
      expect(answer.headers.get('content-type'), name).toBe('text/plain; charset=utf-8')
      expect(await answer.text(), name).toBe(text)
      const original = Buffer.from(await (await fetch(body.download_url)).arrayBuffer())
      expect(original.equals(Buffer.from(files[index]![2] as string)), name).toBe(true)
    }
  }

  const draft = await world.agentmail.inboxes.drafts.create(inboxId, {
    attachments: [
      {
        filename: 'a.csv',
        contentType: 'text/csv; charset=windows-1252',
        content: Buffer.from('ü', 'latin1').toString('base64'),
      },
    ],
  })
  const path = `/v0/inboxes/${inboxId}/drafts/${draft.draftId}/attachments/${draft.attachments![0]!.attachmentId}`
  const { body } = await world.request('GET', path)
  expect(await (await fetch(body.text_url)).text()).toBe('ü')
})

// All texts were made in the order of the requests, and the requests of one pod could use all places.
test('texts of one pod let those of another pod take their turn', async () => {
  await using world = await startWorld({ limits: { messages: { textUrlsPerOrganizationMax: 4 } } })
  const content = '<p>slow &amp; long</p>'.repeat(12_000)
  const linkOf = async (name: string) => {
    const { podId } = await world.agentmail.pods.create({ name })
    const { inboxId } = await world.agentmail.pods.inboxes.create(podId, { username: name })
    const attachments = [{ filename: 'a.html', contentType: 'text/html', content }]
    await world.smtp.send({ to: inboxId, text: 'x', messageId: '<1@x.test>', attachments })
    const message = await world.agentmail.inboxes.messages.get(inboxId, '<1@x.test>')
    const id = message.attachments![0]!.attachmentId
    const path = `/v0/inboxes/${inboxId}/messages/${encodeURIComponent('<1@x.test>')}/attachments/${id}`
    return (await world.request('GET', path)).body.text_url as string
  }
  const [busy, fine] = [await linkOf('busy'), await linkOf('fine')]
  const order: string[] = []
  const fetchText = async (name: string, url: string) => {
    const { status } = await fetch(url)
    order.push(`${name} ${status}`)
  }
  const all = Array.from({ length: 6 }, () => fetchText('busy', busy))
  await expect.poll(() => order, { interval: 1 }).toContain('busy 503')
  all.push(fetchText('fine', fine))
  await Promise.all(all)
  const served = order.filter((each) => each.endsWith('200'))
  expect(served).toContain('fine 200') // it also took the place of the last one of the other pod
  expect(served.at(-1)).toBe('busy 200')
})

test('an HTML attachment is served as HTML, but its scripts cannot run', async () => {
  const content = {
    contentType: 'text/html',
    disposition: 'inline',
    sizeBytes: 8,
    bytes: chunks('<script>'),
    about: {},
  } as const
  await using edge = await startEdge({ core: { messages: { download: async () => content } } })
  const { headers, body } = await edge.request('GET', '/v0/downloads/t', { key: null })
  expect(body).toBe('<script>')
  expect(headers.get('content-security-policy')).toMatch(/^sandbox; default-src 'none'/)
  expect(headers.get('x-content-type-options')).toBe('nosniff')
})

test('content in which a browser may run scripts is downloaded, whatever the message said', async () => {
  await using world = await startWorld()
  const { inboxId } = await world.agentmail.inboxes.create({ username: 'ada' })
  const active = ['text/html', 'application/xhtml+xml', 'image/svg+xml', 'Text/XML', 'application/rss+xml', 'text/xsl']
  const passive = ['image/png', 'text/plain', 'application/pdf']
  await world.smtp.send({
    to: inboxId,
    messageId: '<1@x.test>',
    attachments: [...active, ...passive].map((contentType) => ({
      contentType,
      contentDisposition: 'inline',
      filename: `of type ${contentType.replace('/', ' ')}`,
      content: '<script>alert(1)</script>',
    })),
  })
  const { attachments } = await world.agentmail.inboxes.messages.get(inboxId, '<1@x.test>')
  const dispositions = await Promise.all(
    attachments!.map(async ({ attachmentId }) => {
      const link = await world.agentmail.inboxes.messages.getAttachment(inboxId, '<1@x.test>', attachmentId)
      return (await fetch(link.downloadUrl)).headers.get('content-disposition')?.split(';')[0]
    }),
  )
  expect(dispositions).toEqual([...active.map(() => 'attachment'), ...passive.map(() => 'inline')])
})

test('a blob that becomes unreadable aborts the response, and the log names the message', async () => {
  const about = { messageId: 'm1' }
  const content = {
    contentType: 'text/plain',
    disposition: 'attachment',
    sizeBytes: 100,
    bytes: broken(),
    about,
  } as const
  await using edge = await startEdge({ core: { messages: { download: async () => content } } })
  await expect(edge.request('GET', '/v0/downloads/t')).rejects.toThrow()
  expect(edge.log.find((line) => line.msg === 'download failed')).toMatchObject({ level: 'error', ...about })
  expect((await edge.request('GET', '/healthz')).status).toBe(200)
})

test.each([
  ['text/plain; charset=utf-8', 'text/plain; charset=utf-8'],
  ['application/vnd.ms-excel', 'application/vnd.ms-excel'],
  ['text/plain; name="a b.txt"', 'text/plain; name="a b.txt"'],
  ['text/html\r\nX: y', 'application/octet-stream'],
  ['text/pläin', 'application/octet-stream'],
  ['text', 'application/octet-stream'],
  ['', 'application/octet-stream'],
])('the content type %j is sent as %j', (given, sent) => {
  expect(safeContentType(given)).toBe(sent)
})

describe('Content-Disposition', () => {
  test.each([
    [undefined, 'inline'],
    ['plan.pdf', 'inline; filename="plan.pdf"'],
    ['a "b" \\ 100%.txt', `inline; filename="a _b_ _ 100_.txt"; filename*=UTF-8''a%20%22b%22%20%5C%20100%25.txt`],
    ["it's (1)*.txt", `inline; filename="it's (1)*.txt"`],
    ['ü(1).txt', `inline; filename="_(1).txt"; filename*=UTF-8''%C3%BC%281%29.txt`],
    ['a\r\nX: y', `inline; filename="a__X: y"; filename*=UTF-8''a%0D%0AX%3A%20y`],
    ['\ud800', `inline; filename="_"; filename*=UTF-8''%EF%BF%BD`],
  ])('the file name %j', (filename, expected) => {
    expect(contentDisposition({ disposition: 'inline', ...(filename !== undefined && { filename }) })).toBe(expected)
  })
})

async function* chunks(text: string): AsyncGenerator<Uint8Array> {
  yield Buffer.from(text)
}

async function* broken(): AsyncGenerator<Uint8Array> {
  yield Buffer.from('x')
  throw new Error('the blob no longer exists')
}
