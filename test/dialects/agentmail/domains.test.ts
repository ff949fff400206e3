/**
 * Tests domains of tenants with AgentMail's client and a real DNS server: from the claim to an inbox that sends and
 * receives, and who gets the mail when several tenants claim a name.
 */
import { dkimVerify } from 'mailauth/lib/dkim/verify.js'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type DnsServer, type Records, startDns, type Zones } from '../../support/dns-server.ts'
import { readRows } from '../../support/test-database.ts'
import { startWorld, type World } from '../../support/world.ts'

/** The zones of the test: a name is added when its owner publishes its records. */
const zones: Zones = {}
let dns: DnsServer
let world: World
let now = Date.now()
beforeAll(async () => {
  dns = await startDns(zones)
  world = await startWorld({
    clock: () => now,
    env: { MARTLET_DNS_SERVERS: dns.address, MARTLET_DOMAIN_GRACE: '48h' },
    limits: {
      ...{ domains: { pollMs: 20, perPodMax: 2, requestsMax: 2 }, dns: { tryMs: 1_000 } },
      policy: { aliasesPerInboxMax: 2 },
    },
  })
})
afterAll(async () => {
  await world[Symbol.asyncDispose]()
  await dns[Symbol.asyncDispose]()
})

const anyTime = expect.any(Date)
const anyText = expect.any(String)
const forSubdomains = { subdomainsEnabled: true }

interface Shown {
  readonly name: string
  readonly type: string
  readonly value: string
  readonly priority?: number | undefined
}

/** Does what the owner of a domain does with the records that the API shows. */
function publish(records: readonly Shown[], { except = [] as readonly string[] } = {}): void {
  for (const { name, type, value, priority } of records) {
    if (except.includes(type)) continue
    const at = name.replace('*', 'martlet-check')
    const known = (zones[at] ?? {}) as Records
    zones[at] =
      type === 'MX'
        ? { ...known, MX: [{ preference: priority!, exchange: value }] }
        : { ...known, TXT: [...(known.TXT ?? []), value.match(/.{1,255}/g)!] }
  }
}

function withdraw(domain: string): void {
  for (const name of Object.keys(zones)) if (name === domain || name.endsWith(`.${domain}`)) delete zones[name]
}

async function statusOf(domain: string): Promise<string> {
  return (await world.agentmail.domains.get(domain)).status
}

/** Claims, publishes and verifies. */
async function verified(domain: string, options = {}) {
  const made = await world.agentmail.domains.create({ domain, feedbackEnabled: true, ...options })
  publish(made.records)
  await world.agentmail.domains.verify(domain)
  expect(await statusOf(domain)).toBe('VERIFIED')
  return made
}

test('a domain goes from its claim to an inbox that sends and receives', async () => {
  const { agentmail } = world
  const socket = await world.subscribe({ eventTypes: ['domain.verified', 'message.received'] })
  const made = await agentmail.domains.create({ domain: 'Own.TEST', feedbackEnabled: true })
  expect(made).toEqual({
    ...{ domainId: 'own.test', domain: 'own.test', status: 'NOT_STARTED' },
    ...{ feedbackEnabled: true, subdomainsEnabled: false, trackingEnabled: false, inbound_enabled: true },
    recommended_records: [], // this hostname is not public
    records: [
      { type: 'MX', name: 'own.test', value: 'mail.localhost', priority: 10 },
      { type: 'TXT', name: 'own.test', value: 'v=spf1 a:mail.localhost ~all' },
      { type: 'TXT', name: expect.stringMatching(/^martlet-[\da-f]{8}\._domainkey\.own\.test$/), value: anyText },
      { type: 'TXT', name: '_dmarc.own.test', value: 'v=DMARC1; p=reject' },
    ].map((record) => ({ ...record, status: 'MISSING', purpose: anyText, seen: [] })),
    ...{ updatedAt: anyTime, createdAt: anyTime },
  })
  const refused = { statusCode: 422, body: { code: 'domain_not_verified' } }
  await expect(agentmail.inboxes.create({ username: 'ada', domain: 'own.test' })).rejects.toMatchObject(refused)

  await agentmail.domains.verify('own.test')
  expect(await agentmail.domains.get('own.test')).toMatchObject({ status: 'PENDING', reason: 'dns_records_missing' })
  publish(made.records, { except: ['MX'] })
  zones['own.test'] = { ...(zones['own.test'] as Records), MX: [{ preference: 5, exchange: 'old.test' }] }
  await agentmail.domains.verify('own.test')
  const invalid = await agentmail.domains.get('own.test')
  expect(invalid).toMatchObject({ status: 'INVALID', reason: 'dns_records_invalid' })
  expect(invalid.records.map(({ status }) => status)).toEqual(['INVALID', 'VALID', 'VALID', 'VALID'])
  expect(invalid.records[0]).toMatchObject({ reason: 'value_mismatch', seen: [{ value: 'old.test', priority: 5 }] })

  publish(made.records, { except: ['TXT'] })
  await agentmail.domains.verify('own.test')
  expect(await agentmail.domains.get('own.test')).toMatchObject({ status: 'VERIFIED', checked_at: anyText })
  const { domain } = await socket.next('domain.verified')
  expect(domain).toMatchObject({ domain_id: 'own.test', status: 'VERIFIED', records: expect.any(Array) })

  const ada = await agentmail.inboxes.create({ username: 'ada', domain: 'own.test' })
  expect(ada.email).toBe('ada@own.test')
  await world.smtp.send({ to: 'ada@own.test', subject: 'hello' })
  expect((await socket.next('message.received')).message).toMatchObject({ subject: 'hello' })

  const sent = await agentmail.inboxes.messages.send('ada@own.test', { to: 'zoe@x.test', subject: 'hi', text: 'hi' })
  const { downloadUrl } = await agentmail.inboxes.messages.getRaw('ada@own.test', sent.messageId)
  const raw = Buffer.from(await (await fetch(downloadUrl)).arrayBuffer())
  const resolver = async (name: string, type: string) =>
    type === 'TXT' ? (((zones[name] as Records | undefined)?.TXT ?? []) as string[][]) : []
  const { results } = await dkimVerify(raw, { resolver } as never)
  expect(results).toMatchObject([{ signingDomain: 'own.test', status: { result: 'pass', aligned: 'own.test' } }])

  const list = await agentmail.domains.list()
  expect(list.domains).toContainEqual(expect.objectContaining({ domainId: 'own.test', feedbackEnabled: true }))
  expect(list.domains[0]).not.toHaveProperty('records')
  const zone = await agentmail.domains.getZoneFile('own.test')
  expect(await new Response(zone.stream()).text()).toContain('own.test.\t3600\tIN\tMX\t10 mail.localhost.')
  const link = await world.request('GET', '/v0/domains/own.test/setup-link')
  expect(link).toMatchObject({ status: 200, body: { supported: false } })
})

test('an unverified claim receives nothing: mail goes to the servers of the domain', async () => {
  const { agentmail } = world
  await agentmail.domains.create({ domain: 'gmail.test', feedbackEnabled: true })
  const sender = await agentmail.inboxes.create({ username: 'carl' })
  const sent = await agentmail.inboxes.messages.send(sender.inboxId, { to: 'bob@gmail.test', text: 'x' })
  const path = `/v0/inboxes/${sender.inboxId}/messages/${encodeURIComponent(sent.messageId)}/deliveries`
  const recipient = async () => (await world.request('GET', path)).body.deliveries[0]
  await expect.poll(recipient).toMatchObject({ state: 'held' }) // the capture route holds mail to other domains
  // The claim may be about to be verified: other servers try again. What nobody claims is refused for good.
  const awaited = {
    responseCode: 450,
    response: expect.stringContaining('4.3.5 The domain "gmail.test" is not verified'),
  }
  await expect(world.smtp.send({ to: 'bob@gmail.test' })).rejects.toMatchObject(awaited)
  await expect(world.smtp.send({ to: 'bob@nobody.test' })).rejects.toMatchObject({ responseCode: 550 })
})

test('several tenants claim a name, each with its own key: the first to verify gets it', async () => {
  const { agentmail } = world
  const [red, blue] = [await agentmail.pods.create({}), await agentmail.pods.create({})]
  const claim = (podId: string) => agentmail.pods.domains.create(podId, { domain: 'two.test', feedbackEnabled: true })
  const [one, two] = [await claim(red.podId), await claim(blue.podId)]
  expect(one.records[2]!.value).not.toBe(two.records[2]!.value)
  await expect(claim(red.podId)).rejects.toMatchObject({ statusCode: 403, body: { code: 'resource_taken' } })

  publish(two.records)
  await agentmail.pods.domains.verify(red.podId, 'two.test')
  expect(await agentmail.pods.domains.get(red.podId, 'two.test')).toMatchObject({ status: 'PENDING' })
  await agentmail.pods.domains.verify(blue.podId, 'two.test')
  expect(await agentmail.pods.domains.get(blue.podId, 'two.test')).toMatchObject({ status: 'VERIFIED' })
  publish(one.records.slice(2, 3)) // the owner of the name publishes both keys
  await agentmail.pods.domains.verify(red.podId, 'two.test')
  const shown = { status: 'FAILED', reason: 'verified_by_another_tenant' }
  expect(await agentmail.pods.domains.get(red.podId, 'two.test')).toMatchObject(shown)

  const create = (podId: string) => agentmail.pods.inboxes.create(podId, { username: 'eve', domain: 'two.test' })
  await expect(create(red.podId)).rejects.toMatchObject({ statusCode: 422 })
  const { inboxId } = await create(blue.podId)
  await world.smtp.send({ to: 'eve@two.test', subject: 'for blue' })
  await expect.poll(async () => (await agentmail.inboxes.messages.list(inboxId)).count).toBe(1)

  for (const address of ['info@two.test', 'help@two.test'])
    await world.request('POST', `/v0/inboxes/${inboxId}/aliases`, { body: { address } })
  await agentmail.pods.domains.delete(blue.podId, 'two.test')
  await agentmail.pods.domains.verify(red.podId, 'two.test')
  expect(await agentmail.pods.domains.get(red.podId, 'two.test')).toMatchObject({ status: 'VERIFIED' })
  await expect(world.smtp.send({ to: 'eve@two.test' })).rejects.toMatchObject({ responseCode: 550 })
  expect((await agentmail.inboxes.messages.list(inboxId)).count).toBe(1)

  // Aliases of the earlier owner do not keep their names from the new one.
  const info = await agentmail.pods.inboxes.create(red.podId, { username: 'info', domain: 'two.test' })
  const help = { body: { address: 'help@two.test' } }
  expect((await world.request('POST', `/v0/inboxes/${info.inboxId}/aliases`, help)).status).toBe(200)
  await world.smtp.send({ to: ['info@two.test', 'help@two.test'] })
  expect((await agentmail.inboxes.messages.list(info.inboxId)).count).toBe(1)
})

test('a domain that loses its records is shown as such, is used for the grace period, and is checked by itself', async () => {
  const { agentmail } = world
  const { records } = await verified('lost.test')
  const { inboxId } = await agentmail.inboxes.create({ username: 'fay', domain: 'lost.test' })
  const send = () => agentmail.inboxes.messages.send(inboxId, { to: 'zoe@x.test', text: 'x' })
  withdraw('lost.test')
  now += 6 * 3_600_000
  await expect.poll(() => statusOf('lost.test')).toBe('PENDING')
  const { usable_until } = (await agentmail.domains.get('lost.test')) as unknown as { usable_until: string }
  expect(Date.parse(usable_until) - now).toBeCloseTo(48 * 3_600_000, -4)
  await world.smtp.send({ to: inboxId })
  await send()

  now += 49 * 3_600_000
  const isUsable = async () => 'usable_until' in (await agentmail.domains.get('lost.test'))
  await expect.poll(isUsable).toBe(false)
  await expect(world.smtp.send({ to: inboxId })).rejects.toMatchObject({ responseCode: 450 })
  await expect(send()).rejects.toMatchObject({ statusCode: 422, body: { code: 'domain_not_verified' } })

  publish(records)
  now += 3_600_000
  await expect.poll(() => statusOf('lost.test')).toBe('VERIFIED')
  await world.smtp.send({ to: inboxId })
  await send()
})

// The catch-all of the new owner accepted the message, and it was filed in the inbox of the old one.
test('a domain that moves to another tenant: its mail is for the new one, and the old one keeps what it has', async () => {
  const { agentmail } = world
  const [red, blue] = [await agentmail.pods.create({}), await agentmail.pods.create({})]
  const claim = (podId: string) => agentmail.pods.domains.create(podId, { domain: 'moves.test', feedbackEnabled: true })
  const create = (podId: string, username: string) =>
    agentmail.pods.inboxes.create(podId, { username, domain: 'moves.test' })
  const count = async (inboxId: string) => (await agentmail.inboxes.messages.list(inboxId)).count
  publish((await claim(red.podId)).records)
  await agentmail.pods.domains.verify(red.podId, 'moves.test')
  const old = await create(red.podId, 'eve')
  await create(red.podId, 'fay')
  const key = (await world.request('POST', `/v0/inboxes/${old.inboxId}/api-keys`, { body: { name: 'own' } })).body
    .api_key
  await world.smtp.send({ to: old.inboxId, subject: 'before' })
  await expect.poll(() => count(old.inboxId)).toBe(1)

  withdraw('moves.test')
  await agentmail.pods.domains.verify(red.podId, 'moves.test')
  now += 49 * 3_600_000
  const isUsable = async () => 'usable_until' in (await agentmail.pods.domains.get(red.podId, 'moves.test'))
  await expect.poll(isUsable).toBe(false)
  publish((await claim(blue.podId)).records)
  await agentmail.pods.domains.verify(blue.podId, 'moves.test')
  const { inboxId: all } = await create(blue.podId, 'all')
  const path = `/v0/pods/${blue.podId}/domains/moves.test`
  expect((await world.request('PATCH', path, { body: { catch_all_inbox: all } })).status).toBe(200)
  await world.smtp.send({ to: ['eve@moves.test', 'fay+tag@moves.test'], subject: 'caught' })
  await expect.poll(() => count(all)).toBe(1)
  expect(await count(old.inboxId)).toBe(1)

  const { cursor } = (await world.request('GET', '/v0/events?limit=500&after=latest')).body
  // The new owner gets the address, as an inbox and as an alias.
  const made = await create(blue.podId, 'eve')
  expect(made.inboxId).toBe('eve@moves.test')
  expect(
    (await world.request('POST', `/v0/inboxes/${all}/aliases`, { body: { address: 'fay@moves.test' } })).status,
  ).toBe(200)
  await world.smtp.send({ to: 'eve@moves.test', subject: 'after' })
  await expect.poll(() => count(made.inboxId)).toBe(1)
  expect((await agentmail.inboxes.messages.list(made.inboxId)).messages).toMatchObject([{ subject: 'after' }])

  // The old inbox has another name, which no mail reaches, and its keys still open it.
  const { inboxes } = await agentmail.pods.inboxes.list(red.podId)
  const names = inboxes.map(({ inboxId }) => inboxId).sort()
  expect(names).toEqual([
    expect.stringMatching(/^eve@[0-9a-f]{12}\.moves\.test\.invalid$/),
    expect.stringMatching(/^fay@[0-9a-f]{12}\.moves\.test\.invalid$/),
  ])
  // Programs that use addresses as ids read both in an event.
  const changes = (await world.request('GET', `/v0/events?event_types=inbox.updated&after=${cursor}`)).body.events
  expect(changes.map(({ inbox }: { inbox: object }) => inbox)).toMatchObject([
    { inbox_id: names[0], email: names[0], previous_inbox_id: 'eve@moves.test', pod_id: red.podId },
    { inbox_id: names[1], previous_inbox_id: 'fay@moves.test' },
  ])
  const kept = await world.request('GET', `/v0/inboxes/${names[0]}/messages`, { key })
  expect(kept.body.messages).toMatchObject([{ subject: 'before' }])
  expect((await world.request('GET', '/v0/inboxes/eve@moves.test', { key })).status).toBe(404)
  await expect(world.smtp.send({ to: names[0]! })).rejects.toMatchObject({ responseCode: 550 })
  const sent = agentmail.inboxes.messages.send(names[0]!, { to: 'zoe@x.test', text: 'x' })
  await expect(sent).rejects.toMatchObject({ statusCode: 422 })

  // If the domain comes back, the inbox under the other name still cannot send.
  await agentmail.pods.domains.delete(blue.podId, 'moves.test')
  withdraw('moves.test')
  publish((await agentmail.pods.domains.get(red.podId, 'moves.test')).records)
  await agentmail.pods.domains.verify(red.podId, 'moves.test')
  expect((await agentmail.pods.domains.get(red.podId, 'moves.test')).status).toBe('VERIFIED')
  const again = agentmail.inboxes.messages.send(names[0]!, { to: 'zoe@x.test', text: 'x' })
  await expect(again).rejects.toMatchObject({ statusCode: 422 })
  const back = await create(red.podId, 'eve')
  await world.smtp.send({ to: back.inboxId, subject: 'back' })
  await expect.poll(() => count(back.inboxId)).toBe(1)
  expect(await count(made.inboxId).catch(() => 'renamed')).toBe(1)
})

// The old tenant released mail that it had kept. With the SPF record of the new owner, it passed DMARC as mail of that domain.
test('mail that is still in the queue is not sent in the name of a domain that another tenant has verified', async () => {
  const { agentmail } = world
  const [red, blue] = [await agentmail.pods.create({}), await agentmail.pods.create({})]
  const options = { domain: 'kept.test', feedbackEnabled: true, ...forSubdomains }
  const claim = async (podId: string, domain: string) => {
    publish((await agentmail.pods.domains.create(podId, { ...options, domain })).records)
    await agentmail.pods.domains.verify(podId, domain)
  }
  await claim(red.podId, 'kept.test')
  const inboxIds: string[] = []
  for (const domain of ['kept.test', 'shop.kept.test', 'news.kept.test']) {
    inboxIds.push((await agentmail.pods.inboxes.create(red.podId, { username: 'eve', domain })).inboxId)
  }
  const sent = await Promise.all(
    inboxIds.map((inboxId) => agentmail.inboxes.messages.send(inboxId, { to: 'zoe@nowhere.test', text: 'x' })),
  )
  const statesAre = async (expected: readonly string[]) => {
    const stateOf = async (inboxId: string, index: number) => {
      const path = `/v0/inboxes/${inboxId}/messages/${encodeURIComponent(sent[index]!.messageId)}/deliveries`
      return (await world.request('GET', path)).body.deliveries[0].state
    }
    await expect.poll(() => Promise.all(inboxIds.map(stateOf))).toEqual(expected)
  }
  const release = async (index: number) => {
    const { body } = await world.request('POST', '/v0/queue/release', { body: { inbox_id: inboxIds[index] } })
    expect(body).toMatchObject({ changed: 1 })
  }
  await statesAre(['held', 'held', 'held'])

  // A subdomain that another tenant has verified, and one that is still decided by the domain above.
  await claim(blue.podId, 'shop.kept.test')
  await release(1)
  await release(2)
  await statesAre(['held', 'rejected', 'bounced'])

  withdraw('kept.test')
  await agentmail.pods.domains.verify(red.podId, 'kept.test')
  now += 49 * 3_600_000
  const isUsable = async () => 'usable_until' in (await agentmail.pods.domains.get(red.podId, 'kept.test'))
  await expect.poll(isUsable).toBe(false)
  await claim(blue.podId, 'kept.test')
  await release(0)
  await statesAre(['rejected', 'rejected', 'bounced'])
})

test('DNS that does not answer changes nothing', async () => {
  const { agentmail } = world
  await verified('shaky.test')
  const records = zones['shaky.test']!
  for (const failure of ['fails', 'silent'] as const) {
    zones['shaky.test'] = failure
    const answer = { statusCode: 422, body: { code: 'domain_check_failed' } }
    if (failure === 'fails') await expect(agentmail.domains.verify('shaky.test')).rejects.toMatchObject(answer)
    expect(await statusOf('shaky.test')).toBe('VERIFIED')
  }
  zones['shaky.test'] = records
})

test('inboxes in subdomains, domains that only send, and domains without notices', async () => {
  const { agentmail } = world
  const { records } = await verified('wide.test')
  const inSub = { username: 'gil', domain: 'eu.wide.test' }
  await expect(agentmail.inboxes.create(inSub)).rejects.toMatchObject({ statusCode: 422 })
  const changed = await agentmail.domains.update('wide.test', forSubdomains)
  expect(changed).toMatchObject({ status: 'PENDING', subdomainsEnabled: true })
  publish(changed.records.filter(({ name }) => !records.some((known) => known.name === name)))
  await agentmail.domains.verify('wide.test')
  const gil = await agentmail.inboxes.create(inSub)
  await world.smtp.send({ to: 'gil@eu.wide.test' })
  await expect.poll(async () => (await agentmail.inboxes.messages.list(gil.inboxId)).count).toBe(1)
  await agentmail.domains.update('wide.test', { subdomainsEnabled: false })
  await expect(world.smtp.send({ to: 'gil@eu.wide.test' })).rejects.toMatchObject({ responseCode: 550 })

  const sendOnly = { domain: 'out.test', inbound_enabled: false }
  const out = await world.request('POST', '/v0/domains', { body: sendOnly })
  expect(out.body.records.map(({ type }: Shown) => type)).toEqual(['TXT', 'TXT', 'TXT'])
  publish(out.body.records)
  await agentmail.domains.verify('out.test')
  await agentmail.inboxes.create({ username: 'hal', domain: 'out.test' })
  await expect(world.smtp.send({ to: 'hal@out.test' })).rejects.toMatchObject({ responseCode: 550 })
})

test('mail for a subdomain that another tenant has verified is not delivered to an inbox of the domain above', async () => {
  const { agentmail } = world
  const { podId } = await agentmail.pods.create({})
  const above = await agentmail.domains.create({ domain: 'top.test', feedbackEnabled: true, ...forSubdomains })
  publish(above.records)
  await agentmail.domains.verify('top.test')
  const { inboxId } = await agentmail.inboxes.create({ username: 'kim', domain: 'shop.top.test' })
  await world.smtp.send({ to: inboxId })
  await expect.poll(async () => (await agentmail.inboxes.messages.list(inboxId)).count).toBe(1)
  const below = await agentmail.pods.domains.create(podId, { domain: 'shop.top.test', feedbackEnabled: true })
  publish(below.records)
  await agentmail.pods.domains.verify(podId, 'shop.top.test')
  expect(await agentmail.pods.domains.get(podId, 'shop.top.test')).toMatchObject({ status: 'VERIFIED' })
  await expect(world.smtp.send({ to: inboxId })).rejects.toMatchObject({ responseCode: 550 })
  const sent = agentmail.inboxes.messages.send(inboxId, { to: 'zoe@x.test', text: 'x' })
  await expect(sent).rejects.toMatchObject({ statusCode: 422 })
  // Nor when its new owner catches it.
  const all = await agentmail.pods.inboxes.create(podId, { username: 'all', domain: 'shop.top.test' })
  const body = { catch_all_inbox: all.inboxId }
  expect((await world.request('PATCH', `/v0/pods/${podId}/domains/shop.top.test`, { body })).status).toBe(200)
  await world.smtp.send({ to: inboxId })
  await expect.poll(async () => (await agentmail.inboxes.messages.list(all.inboxId)).count).toBe(1)
  expect((await agentmail.inboxes.messages.list(inboxId)).count).toBe(1)
})

// Sending failed, mail was refused, and a repeated creation renamed the inbox as if another tenant had had it.
test('a tenant that verifies a domain below its own keeps the inboxes and aliases that it has there', async () => {
  const { agentmail } = world
  await verified('roof.test', forSubdomains)
  const { inboxId } = await agentmail.inboxes.create({ username: 'lea', domain: 'cellar.roof.test' })
  const addAlias = () =>
    world.request('POST', `/v0/inboxes/${inboxId}/aliases`, { body: { address: 'lee@cellar.roof.test' } })
  expect((await addAlias()).status).toBe(200)
  await verified('cellar.roof.test')
  await world.smtp.send({ to: [inboxId, 'lee@cellar.roof.test'] })
  await expect.poll(async () => (await agentmail.inboxes.messages.list(inboxId)).count).toBe(1)
  await agentmail.inboxes.messages.send(inboxId, { to: 'zoe@x.test', text: 'x' })
  for (const username of ['lea', 'lee']) {
    const again = agentmail.inboxes.create({ username, domain: 'cellar.roof.test' })
    await expect(again).rejects.toMatchObject({ statusCode: 403, body: { code: 'resource_taken' } })
  }
  expect((await addAlias()).status).toBe(200)
})

test('requests to create and verify domains at the same time are limited', async () => {
  await world.agentmail.domains.create({ domain: 'slow.test', feedbackEnabled: true })
  zones['slow.test'] = 'silent'
  const first = world.request('POST', '/v0/domains/slow.test/verify')
  await expect.poll(() => dns.questions).toContain('NS slow.test')
  const second = await world.request('POST', '/v0/domains/slow.test/verify')
  expect(second).toMatchObject({ status: 429, body: { code: 'too_many_at_once' } })
  const third = await world.request('POST', '/v0/domains', { body: { domain: 'slow2.test' } })
  expect(third).toMatchObject({ status: 429, body: { code: 'too_many_at_once' } })
  delete zones['slow.test']
  await first
})

test('a domain of the organization is open to its pods, and a pod cannot change it', async () => {
  const { agentmail } = world
  await verified('open.test')
  const { podId } = await agentmail.pods.create({ name: 'green' })
  const { apiKey } = await agentmail.pods.apiKeys.create(podId, { name: 'green' })
  const key = world.agentmailAs(apiKey)
  expect(await key.domains.get('open.test')).toMatchObject({ status: 'VERIFIED' })
  expect(await key.inboxes.create({ username: 'ida', domain: 'open.test' })).toMatchObject({ podId })
  const refused = { statusCode: 403 }
  await expect(key.domains.update('open.test', { feedbackEnabled: false })).rejects.toMatchObject(refused)
  await expect(key.domains.verify('open.test')).rejects.toMatchObject(refused)
  await expect(key.domains.delete('open.test')).rejects.toMatchObject(refused)
})

test('a claim can be repeated with a client_id; what cannot be claimed or done is refused', async () => {
  const { agentmail } = world
  const body = { domain: 'again.test', client_id: 'c1' }
  const first = await world.request('POST', '/v0/domains', { body })
  const again = await world.request('POST', '/v0/domains', { body: { ...body, domain: 'other.test' } })
  expect(again).toMatchObject({ status: 200, body: first.body })
  expect((await agentmail.domains.get('c1')).domainId).toBe('again.test')

  zones['corp.test'] = { MX: [{ preference: 1, exchange: 'aspmx.l.google.com' }] }
  const post = (body: object) => world.request('POST', '/v0/domains', { body })
  expect(await post({ domain: 'corp.test' })).toMatchObject({ status: 422, body: { code: 'conflicting_provider' } })
  expect(await post({ domain: 'corp.test', allow_conflicting_provider: true })).toMatchObject({ status: 200 })
  expect(await post({ domain: 'co.uk' })).toMatchObject({ status: 400, body: { code: 'validation_error' } })
  expect(await post({ domain: 'mail.localhost' })).toMatchObject({ status: 400 })
  const tracking = await post({ domain: 'track.test', tracking_enabled: true })
  expect(tracking).toMatchObject({ status: 403, body: { code: 'not_implemented' } })
  expect(await world.request('PATCH', '/v0/domains/again.test', { body: {} })).toMatchObject({ status: 400 })
  for (const path of ['nobody.test', 'nobody.test/zone-file', '%3F%23'])
    expect(await world.request('GET', `/v0/domains/${path}`)).toMatchObject({ status: 404 })
})

test('a pod can have a limited number of domains', async () => {
  const { podId } = await world.agentmail.pods.create({})
  const claim = (domain: string) => world.request('POST', `/v0/pods/${podId}/domains`, { body: { domain } })
  const answers = [await claim('p1.test'), await claim('p2.test'), await claim('p3.test')]
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 403])
  expect(answers[2]!.body).toMatchObject({ code: 'limit_exceeded' })
})

test('a deleted domain stops its mail and keeps what is stored; claimed and verified again, its inboxes work', async () => {
  const { agentmail } = world
  const first = await verified('gone.test')
  const { inboxId } = await agentmail.inboxes.create({ username: 'joe', domain: 'gone.test' })
  await world.smtp.send({ to: inboxId, subject: 'kept' })
  await expect.poll(async () => (await agentmail.inboxes.messages.list(inboxId)).count).toBe(1)
  await agentmail.domains.delete('gone.test')
  await expect(agentmail.domains.get('gone.test')).rejects.toMatchObject({ statusCode: 404 })
  await expect(world.smtp.send({ to: inboxId })).rejects.toMatchObject({ responseCode: 550 })
  const sent = agentmail.inboxes.messages.send(inboxId, { to: 'zoe@x.test', text: 'x' })
  await expect(sent).rejects.toMatchObject({ statusCode: 422 })
  expect((await agentmail.inboxes.messages.list(inboxId)).messages).toMatchObject([{ subject: 'kept' }])
  withdraw('gone.test')
  const [, , key] = (await verified('gone.test')).records
  expect(key).not.toEqual(first.records[2]) // the key was deleted with the domain
  await world.smtp.send({ to: inboxId })
  await expect.poll(async () => (await agentmail.inboxes.messages.list(inboxId)).count).toBe(2)
})

test('the row of a deleted domain goes with its last inbox', async () => {
  const { agentmail } = world
  await verified('bye.test')
  const { inboxId } = await agentmail.inboxes.create({ username: 'kay', domain: 'bye.test' })
  await agentmail.domains.delete('bye.test')
  const rows = () => readRows(world, "select id from domains where domain = 'bye.test'")
  expect(await rows()).toHaveLength(1)
  await agentmail.inboxes.delete(inboxId)
  await expect.poll(rows).toEqual([])

  // The same for aliases.
  for (const ending of ['alias', 'inbox']) {
    withdraw('bye.test')
    await verified('bye.test')
    const other = await agentmail.inboxes.create({})
    const aliases = `/v0/inboxes/${other.inboxId}/aliases`
    await world.request('POST', aliases, { body: { address: 'kay@bye.test' } })
    await agentmail.domains.delete('bye.test')
    expect(await rows()).toHaveLength(1)
    if (ending === 'inbox') await agentmail.inboxes.delete(other.inboxId)
    else await world.request('DELETE', `${aliases}/kay@bye.test`)
    expect(await rows()).toEqual([])
  }
})

test('a domain has a catch-all inbox and aliases, which no other address shares', async () => {
  const { agentmail } = world
  await verified('catch.test')
  const { inboxId: ada } = await agentmail.inboxes.create({ username: 'ada', domain: 'catch.test' })
  const { inboxId: bob } = await agentmail.inboxes.create({ username: 'bob', domain: 'catch.test' })
  const patch = (body: object) => world.request('PATCH', '/v0/domains/catch.test', { body })
  const alias = (method: string, inbox: string, address = '') =>
    world.request(method, `/v0/inboxes/${inbox}/aliases${method === 'DELETE' ? `/${address}` : ''}`, {
      ...(method === 'POST' && { body: { address } }),
    })
  const socket = await world.subscribe({ inboxIds: [ada, bob] })
  const receives = async (to: string | string[], inboxId: string) => {
    await world.smtp.send({ to, text: 'x' })
    expect((await socket.next('message.received')).message.inbox_id).toBe(inboxId)
  }
  const isRefused = (to: string) =>
    expect(world.smtp.send({ to, text: 'x' })).rejects.toMatchObject({ responseCode: 550 })

  await isRefused('any@catch.test')
  expect((await patch({ catch_all_inbox: ada })).body).toMatchObject({ catch_all_inbox: ada, inbound_enabled: true })
  await receives('any+tag@catch.test', ada)
  await receives('bob@catch.test', bob)
  // The domain's postmaster is the server's, not the catch-all.
  await world.smtp.send({ to: 'postmaster@catch.test', text: 'x' })

  expect(await alias('POST', bob, 'Sales@catch.test')).toMatchObject({
    status: 200,
    body: { address: 'sales@catch.test' },
  })
  expect((await alias('POST', bob, 'sales@catch.test')).status).toBe(200)
  expect((await alias('GET', bob)).body).toMatchObject({ count: 1, aliases: [{ address: 'sales@catch.test' }] })
  expect((await alias('POST', bob, 'two@catch.test')).status).toBe(200)
  const third = await alias('POST', bob, 'three@catch.test')
  expect(third).toMatchObject({ status: 403, body: { code: 'limit_exceeded' } })
  expect((await alias('POST', bob, 'sales@catch.test')).status, 'an existing one').toBe(200)
  await alias('DELETE', bob, 'two@catch.test')
  await receives('sales+x@catch.test', bob)
  // A reply to all goes to others only, not to the inbox again.
  for (const [inboxId, own] of [
    [bob, ['sales@catch.test', 'bob@catch.test']],
    [ada, ['any2@catch.test']],
  ] as const) {
    const raw = `From: carl@x.test\r\nTo: ${own.join(', ')}, dora@x.test\r\nMessage-ID: <${own[0]}>\r\n\r\nx`
    await world.smtp.send({ envelope: { from: 'carl@x.test', to: own[0] }, raw })
    const { message } = await socket.next('message.received')
    const drafted = { in_reply_to: message.message_id, reply_all: true, text: 'x' }
    const draft = await world.request('POST', `/v0/inboxes/${inboxId}/drafts`, { body: drafted })
    expect(draft.body).toMatchObject({ to: ['carl@x.test'], cc: ['dora@x.test'] })
  }
  // Once per inbox, however many of its addresses the envelope has.
  await receives(['bob@catch.test', 'sales@catch.test'], bob)
  const sent = await agentmail.inboxes.messages.send(ada, { to: 'sales@catch.test', text: 'local' })
  expect((await socket.next('message.received')).message).toMatchObject({ inbox_id: bob, message_id: sent.messageId })

  for (const [inbox, address, status] of [
    [ada, 'sales@catch.test', 403],
    [ada, 'bob@catch.test', 403],
    [ada, 'x@else.test', 422],
    [ada, 'x y@catch.test', 400],
  ] as const)
    expect((await alias('POST', inbox, address)).status).toBe(status)
  await expect(agentmail.inboxes.create({ username: 'sales', domain: 'catch.test' })).rejects.toMatchObject({
    statusCode: 403,
  })
  expect((await alias('DELETE', ada, 'sales@catch.test')).status).toBe(404)
  expect((await alias('DELETE', bob, 'sales@catch.test')).status).toBe(204)
  await receives('sales@catch.test', ada)

  // With its inbox, the catch-all is gone.
  await alias('POST', ada, 'info@catch.test')
  await agentmail.inboxes.delete(ada)
  await isRefused('any@catch.test')
  await isRefused('info@catch.test')
  expect((await world.request('GET', '/v0/domains/catch.test')).body).not.toHaveProperty('catch_all_inbox')
})
