/**
 * Who wrote a message, through all layers: SMTP from an untrusted client, a real DNS server, the API and the stored bytes. All tests
 * share one server; each uses a domain of its own.
 */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type DnsServer, startDns, type Zones } from '../support/dns-server.ts'
import { keyZone, sign } from '../support/signed-mail.ts'
import { startWorld, type World } from '../support/world.ts'

const zones: Zones = {}
let dns: DnsServer
let world: World
let inboxId: string

beforeAll(async () => {
  dns = await startDns(zones)
  world = await startWorld({
    env: { MARTLET_TRUSTED_NETWORKS: 'none', MARTLET_DNS_SERVERS: dns.address },
    limits: { dns: { tryMs: 100, triesMax: 1 } },
  })
  inboxId = (await world.agentmail.inboxes.create({ username: 'ada' })).inboxId
})
afterAll(async () => {
  await world[Symbol.asyncDispose]()
  await dns[Symbol.asyncDispose]()
})

let count = 0

/** @returns the message as the API shows it, and its raw bytes */
async function deliver(mail: string, sender = 'bounce@unrelated.example') {
  count += 1
  const subject = `m${count}`
  await world.smtp.send({
    envelope: { from: sender, to: inboxId },
    raw: mail,
  })
  const { messages } = (
    await world.request('GET', `/v0/inboxes/${inboxId}/messages?limit=1&include_unauthenticated=true&include_spam=true`)
  ).body
  const path = `/v0/inboxes/${inboxId}/messages/${encodeURIComponent(messages[0].message_id)}`
  const message = (await world.request('GET', path)).body
  const raw = (await (await fetch((await world.request('GET', `${path}/raw`)).body.download_url)).text()) as string
  return { message, raw, subject }
}

function mailFrom(from: string, extra = ''): string {
  return `From: ${from}\r\nTo: ada@mail.localhost\r\nSubject: hello\r\nMessage-ID: <${crypto.randomUUID()}@x.test>\r\n${extra}\r\nDear Ada,\r\nthe invoice is attached.\r\n`
}

test('a message that its domain has signed has a verified domain, and says how', async () => {
  Object.assign(zones, keyZone('signed.example'), {
    '_dmarc.signed.example': { TXT: ['v=DMARC1; p=reject'] },
    '1.0.0.127.in-addr.arpa': { PTR: ['mx.unrelated.example'] },
    'mx.unrelated.example': { A: ['127.0.0.1'] },
    'unrelated.example': { TXT: ['v=spf1 ip4:127.0.0.1 -all'] },
  })
  const { message, raw } = await deliver(await sign(mailFrom('Ann <ann@signed.example>'), { domain: 'signed.example' }))
  expect(message.verified_domain).toBe('signed.example')
  expect(message.labels).toEqual(['received', 'unread'])
  expect(message.authentication).toEqual({
    result: 'pass',
    from_domain: 'signed.example',
    spf: {
      ...{ result: 'pass', domain: 'unrelated.example', identity: 'mailfrom', aligned: false },
      reason: expect.stringContaining('designates 127.0.0.1 as permitted sender'),
    },
    dkim: [{ result: 'pass', domain: 'signed.example', selector: 's1', algorithm: 'rsa-sha256', aligned: true }],
    dmarc: { result: 'pass', domain: 'signed.example', policy: 'reject' },
    arc: { result: 'none' },
    iprev: { result: 'pass', name: 'mx.unrelated.example' },
  })
  expect(raw).toMatch(
    /^Return-Path: <bounce@unrelated.example>\r\nAuthentication-Results: mail.localhost;\r\n spf=pass /,
  )
  expect(raw).toContain(' dkim=pass header.d=signed.example header.s=s1 header.a=rsa-sha256;\r\n')
  expect(raw).toContain(
    ' dmarc=pass (p=reject) header.from=signed.example;\r\n iprev=pass policy.iprev=127.0.0.1\r\nReceived: from ',
  )
})
