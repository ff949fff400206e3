/** Rules by which an inbox reports received messages, by webhook and by mail. Set by a client of Assmbl. */
import { afterAll, beforeAll, expect, test } from 'vitest'
import { readRules } from '../../src/edges/http/dialects/assmbl/wire/assmbl-notification-wire.ts'
import { makeAgent, receiveMail } from '../dialects/assmbl/agent.ts'
import { changeRows, readRows } from '../support/test-database.ts'
import { startWebhookSink, type WebhookSink } from '../support/webhook-sink.ts'
import { startWorld, type World } from '../support/world.ts'

let world: World
let sink: WebhookSink

beforeAll(async () => {
  world = await startWorld({ limits: { notifications: { mailsPerHourMax: 3 } } })
  sink = await startWebhookSink()
})

afterAll(async () => {
  await world[Symbol.asyncDispose]()
  await sink[Symbol.asyncDispose]()
})

const subjectsAt = (path: string) =>
  sink.calls.filter((call) => call.path.endsWith(path)).map(({ event }) => event.message.Subject)

// It was ignored: the rule reported the mail of everyone, to people outside.
test('a rule with a filter that is unknown, or beside its channels, is refused', async () => {
  const agent = await makeAgent(world)
  const rule = { id: 'one', channels: { email: { recipients: ['ann@example.test'] } } }
  const cases: readonly [wrong: object, field: string][] = [
    [{ filters: { sender_domain: ['bank.test'] } }, 'rules.1.filters.sender_domain'],
    [{ filters: { senderVerified: true } }, 'rules.1.filters.senderVerified'],
    [{ filter: { sender_domains: ['bank.test'] } }, 'rules.1.filter'],
    [{ sender_domains: ['bank.test'] }, 'rules.1.sender_domains'],
    [{ filters: {}, sender_verified: true }, 'rules.1.sender_verified'],
    [{ trust_tiers: ['verified'] }, 'rules.1.trust_tiers'],
    [{ traffic_types: ['direct'] }, 'rules.1.traffic_types'],
  ]
  for (const [wrong, field] of cases) {
    expect(await agent.request('PUT', '/notifications', [rule, { ...rule, id: 'two', ...wrong }]), field).toMatchObject(
      {
        status: 400,
        body: { error: 'validation_error', field, message: expect.stringContaining('sender_domains') },
      },
    )
  }
  expect((await agent.request('GET', '/notifications')).body).toEqual({ rules: [] })
  // Others are only reported.
  const other = await agent.request('PUT', '/notifications', [{ ...rule, priority: 1 }])
  expect([other.status, other.headers.get('martlet-warning')]).toEqual([200, expect.stringContaining('priority')])
})

test('the path of an unknown filter has its name as one item, also one with dots', () => {
  const filters: object = { 'sender.domains': ['bank.test'] }
  const path = ['rules', 0, 'filters', 'sender.domains']
  expect(() => readRules([{ id: 'one', filters, channels: {} }])).toThrow(
    expect.objectContaining({ params: expect.objectContaining({ path }) }),
  )
})

test('the webhook of a rule gets the messages of its senders only', async () => {
  const agent = await makeAgent(world)
  const rules = [
    {
      id: 'banks',
      name: 'Mail of banks',
      filters: { sender_domains: ['Bank.test', 'müller.test'], traffic_types: ['direct'] },
      channels: { webhook: { url: `${sink.url}/banks` } },
    },
    { id: 'all', channels: { webhook: { url: `${sink.url}/all`, enabled: true } } },
    { id: 'off', enabled: false, channels: { webhook: { url: `${sink.url}/off` } } },
    { id: 'verified', filters: { trust_tiers: ['verified'] }, channels: {} },
    { id: 'unverified', filters: { sender_verified: false }, channels: {} },
  ]
  const { status, body } = await agent.request('PUT', '/notifications', rules)
  expect(status, JSON.stringify(body)).toBe(200)
  expect(body.rules[0]).toEqual({
    id: 'banks',
    name: 'Mail of banks',
    enabled: true,
    filters: { sender_verified: null, sender_domains: ['bank.test', 'xn--mller-kva.test'] },
    channels: { webhook: { enabled: true, url: `${sink.url}/banks`, signing_secret: expect.any(String) } },
  })
  const filters = body.rules.slice(3).map((rule: { filters: object }) => rule.filters)
  expect(filters).toMatchObject([{ sender_verified: true }, { sender_verified: false }])
  const again = await agent.request('PUT', '/notifications', { rules })
  expect(again.body.rules[0].channels.webhook).not.toHaveProperty('signing_secret')
  expect((await agent.request('GET', '/notifications')).body).toEqual(again.body)
  expect((await agent.request('GET', '/webhook')).status).toBe(404) // it belongs to no rule

  await receiveMail(world, agent, { subject: 'from a bank', from: 'x@mail.bank.test' })
  await receiveMail(world, agent, { subject: 'from a thief', from: 'x@notbank.test' })
  await receiveMail(world, agent, { subject: 'from müller', from: 'x@xn--mller-kva.test' })
  await expect.poll(() => subjectsAt('/all')).toHaveLength(3)
  await expect.poll(() => subjectsAt('/banks').toSorted()).toEqual(['from a bank', 'from müller'])
  expect(subjectsAt('/off')).toEqual([])

  await agent.request('PUT', '/notifications', { rules: [{ ...rules[1], id: 'other' }] })
  await receiveMail(world, agent, { subject: 'last' })
  await expect.poll(() => subjectsAt('/all')).toContain('last')
  expect(subjectsAt('/all').filter((subject) => subject === 'last')).toHaveLength(1)
})

test('a rule mails its recipients, in the name of the inbox, about no automatic mail, and not too often', async () => {
  const agent = await makeAgent(world)
  const owner = await makeAgent(world)
  const mailTo = (address: string) => ({
    ...{ id: 'mail', filters: { sender_domains: ['example.test'] } },
    channels: { email: { recipients: [address, 'Ann <ann@example.test>'] } },
  })
  expect((await agent.request('PUT', '/notifications', [mailTo(owner.address)])).status).toBe(200)
  // The two notify each other.
  expect((await owner.request('PUT', '/notifications', [mailTo(agent.address)])).status).toBe(200)

  await receiveMail(world, agent, { subject: 'Grüße', text: 'hello\nagent', from: 'Bob <bob@example.test>' })
  const inbox = async () => (await owner.request('GET', '/inbox')).body.items
  await expect.poll(async () => (await inbox()).length).toBe(1)
  const [item] = await inbox()
  expect(item).toMatchObject({ Subject: 'New message: Grüße', From: `Martlet <${agent.address}>`, Sender: '' })
  const { body } = await owner.request('GET', `/messages/${item.MessageID}`)
  expect(body.body_text).toMatch(/^From: Bob <bob@example\.test> \((?:not )?verified\)$/m)
  expect(body.raw_mime).toMatch(/^Auto-Submitted: auto-generated\r$/m)
  expect(body.raw_mime).toMatch(/^DKIM-Signature: /m)

  await receiveMail(world, agent, { subject: 'of no such sender', from: 'x@other.test' })
  await receiveMail(world, agent, { subject: 'automatic', headers: { 'Auto-Submitted': 'auto-replied' } })
  const from = 'Bob <bob@example.test>'
  await receiveMail(world, agent, { subject: 'a bounce', from, envelope: { from: '', to: agent.address } })
  await receiveMail(world, agent, { subject: 'a person', headers: { 'Auto-Submitted': 'no' } })
  // Jobs run at the same time: on a busy machine, a report about one of the next could come first.
  await expect.poll(async () => (await inbox()).length).toBe(2)
  for (const subject of ['third', 'fourth', 'fifth']) await receiveMail(world, agent, { subject })
  await expect.poll(async () => (await inbox()).map(({ Subject }: { Subject: string }) => Subject)).toHaveLength(3)
  await expect.poll(async () => readRows(world, "select key from jobs where kind = 'notify-by-mail'")).toEqual([])
  const subjects = (await inbox()).map(({ Subject }: { Subject: string }) => Subject)
  expect(subjects).toEqual([
    'New message: Grüße',
    'New message: a person',
    expect.stringMatching(/: (third|fourth|fifth)$/),
  ])
  const queued = await world.request('GET', '/v0/queue')
  expect(JSON.stringify(queued.body)).toContain('notification')
})

// The queued mail was what a repeated job recognised, and it is removed when it is delivered.
test('a notification whose job cannot be ended is not mailed twice', async () => {
  const agent = await makeAgent(world)
  const owner = await makeAgent(world)
  const rule = { id: 'mail', channels: { email: { recipients: [owner.address] } } }
  await agent.request('PUT', '/notifications', [rule])
  const inbox = async () => (await owner.request('GET', '/inbox')).body.items
  const jobs = (condition: string) =>
    readRows(world, `select key from jobs where kind = 'notify-by-mail' and ${condition}`)
  const queued = () =>
    readRows(
      world,
      "select id from submissions where kind = 'notification' and envelope_sender = '' and id in (select submission_id from recipients where state = 'queued')",
    )
  await refuseToEndJobs(world)
  await receiveMail(world, agent, { subject: 'once' })
  await expect
    .poll(async () => (await inbox()).length + (await jobs('last_error is not null')).length)
    .toBeGreaterThan(0)
  await expect.poll(queued).toEqual([])
  await changeRows(world, END_REFUSAL[world.shared.databaseUrl === undefined ? 'sqlite' : 'postgres'])
  // What the end of a lease does, or the time of the next try.
  await changeRows(world, "update jobs set lease_until = 0, run_at = 0 where kind = 'notify-by-mail'")
  await world.smtp.send({ to: owner.address, subject: 'a commit', text: 'x', from: 'x@other.test' })
  await expect.poll(() => jobs('true')).toEqual([])
  await expect.poll(queued).toEqual([])
  const subjects = async () => (await inbox()).map(({ Subject }: { Subject: string }) => Subject).toSorted()
  await expect.poll(subjects).toEqual(['New message: once', 'a commit'])
})

/** Until then, a transaction that deletes a job of this kind fails. */
async function refuseToEndJobs({ shared, dataDir }: World): Promise<void> {
  const isSqlite = shared.databaseUrl === undefined
  await changeRows({ shared, dataDir }, isSqlite ? REFUSE_IN_SQLITE : REFUSE_IN_POSTGRES)
}

const REFUSE_IN_SQLITE = `create trigger refuse before delete on jobs when old.kind = 'notify-by-mail'
  begin select raise(abort, 'planted'); end`
const REFUSE_IN_POSTGRES = `create function refuse() returns trigger language plpgsql as $$
    begin if old.kind = 'notify-by-mail' then raise exception 'planted'; end if; return old; end $$;
  create trigger refuse before delete on jobs for each row execute function refuse()`
const END_REFUSAL = { sqlite: 'drop trigger refuse', postgres: 'drop trigger refuse on jobs' } as const

test('hidden and deleted messages cause no mail, nor does an inbox without permission to send', async () => {
  const owner = await makeAgent(world)
  const reader = await makeAgent(world, { message_read: true, message_update: true })
  const rule = { id: 'mail', channels: { email: { recipients: [owner.address] } } }
  expect((await reader.request('PUT', '/notifications', [rule])).status).toBe(403)
  const agent = await makeAgent(world)
  await agent.request('PUT', '/notifications', [rule])
  const block = `/v0/inboxes/${encodeURIComponent(agent.address)}/lists/receive/block`
  await world.request('POST', block, { body: { entry: 'spam.test' } })
  await world.smtp.send({ to: agent.address, subject: 'blocked', text: 'x', from: 'x@spam.test' })
  await receiveMail(world, agent, { subject: 'seen' })
  await expect.poll(async () => (await owner.request('GET', '/inbox')).body.items.length).toBe(1)
  expect((await owner.request('GET', '/inbox')).body.items[0].Subject).toBe('New message: seen')
  await agent.request('PUT', '/notifications', [])
  await receiveMail(world, agent, { subject: 'unreported' })
  const rows = await readRows(world, `select mails_notifications from inboxes where address = '${agent.address}'`)
  expect(Number(rows[0]![0])).toBe(0)
})

test.each([
  [[{ channels: {} }], 'rules.0.id'],
  [[{ id: 'a b', channels: {} }], 'rules.0.id'],
  [
    [
      { id: 'a', channels: {} },
      { id: 'a', channels: {} },
    ],
    'rules.id',
  ],
  [[{ id: 'a', filters: { sender_domains: ['no domain'] }, channels: {} }], 'rules.0'],
  [[{ id: 'a', channels: { email: { recipients: ['nobody'] } } }], 'rules.0.recipients'],
  [[{ id: 'a', filters: { sender_verified: true, trust_tiers: ['unverified'] }, channels: {} }], 'rules.0.filters'],
  [
    [
      { id: 'a', channels: { webhook: { url: 'http://x.test' } } },
      { id: 'b', channels: { webhook: { url: 'ftp://x.test' } } },
    ],
    'url',
  ],
])('a wrong rule gets 400, and no rule changes: %j', async (rules, field) => {
  const agent = await makeAgent(world)
  const answer = await agent.request('PUT', '/notifications', { rules })
  expect(answer).toMatchObject({ status: 400, body: { error: 'validation_error', field } })
  expect((await agent.request('GET', '/notifications')).body).toEqual({ rules: [] })
  const webhooks = `select w.id from webhooks w join inboxes i on i.id = w.inbox_id where i.address = '${agent.address}'`
  expect(await readRows(world, webhooks)).toEqual([])
})

test('a replacement removes the webhooks of one that did not end, and shows the secrets that nobody got', async () => {
  const agent = await makeAgent(world)
  const rule = (id: string) => ({ id, channels: { webhook: { url: `${sink.url}/${id}` } } })
  await agent.request('PUT', '/notifications', [rule('stored'), rule('lost')])
  await agent.request('PUT', '/webhook', { url: `${sink.url}/agent` })
  const of = `inbox_id = (select id from inboxes where address = '${agent.address}')`
  await changeRows(world, `update notification_rules set rules = '[]' where ${of}`)
  const { body } = await agent.request('PUT', '/notifications', [rule('stored')])
  expect(body.rules[0].channels.webhook).toHaveProperty('signing_secret')
  const rows = await readRows(world, `select client_id from webhooks where ${of} and is_enabled = 1`)
  expect(rows.flat().toSorted()).toEqual(['agent', 'rule-stored'])
})

test('of replacements at the same time, one counts, with exactly its webhooks', async () => {
  const agent = await makeAgent(world)
  const rule = (id: string) => ({ id, channels: { webhook: { url: `${sink.url}/${id}` } } })
  const sets = [[rule('a')], [rule('b')], [rule('c'), rule('a')]]
  for (let round = 0; round < 3; round += 1) {
    const answers = await Promise.all(sets.map((set) => agent.request('PUT', '/notifications', set)))
    for (const { status } of answers) expect([200, 503]).toContain(status) // none is refused for another's sake
    const stored = (await agent.request('GET', '/notifications')).body.rules.map(
      ({ id }: { id: string }) => `rule-${id}`,
    )
    const of = `inbox_id = (select id from inboxes where address = '${agent.address}')`
    const rows = await readRows(world, `select client_id from webhooks where ${of} and deleting_at is null`)
    expect(rows.flat().toSorted()).toEqual(stored.toSorted())
  }
})

test('the rules of an inbox have a limited number of recipients in total', async () => {
  const agent = await makeAgent(world)
  const rule = (id: string, from: number) => {
    const recipients = Array.from({ length: 11 }, (_, index) => `person${from + index}@people.test`)
    return { id, channels: { email: { recipients } } }
  }
  const tooMany = await agent.request('PUT', '/notifications', [rule('a', 0), rule('b', 11)])
  expect(tooMany).toMatchObject({ status: 400, body: { error: 'too_many_recipients' } })
  expect((await agent.request('PUT', '/notifications', [rule('a', 0), rule('b', 9)])).status).toBe(200)
})

test('rules about paid requests are not implemented', async () => {
  const agent = await makeAgent(world)
  const rules = [{ id: 'paid', filters: { traffic_types: ['marketplace'] }, channels: {} }]
  expect(await agent.request('PUT', '/notifications', rules)).toMatchObject({
    status: 403,
    body: { error: 'not_implemented' },
  })
})

// It was removed at once, because a submission without a message counted as finished while it was held.
test('a code for a human elsewhere that is held stays in the queue of the operator', async () => {
  const body = { username: 'held-code', human_email: 'owner@people.dev' }
  const { status } = await world.request('POST', '/v0/agent/sign-up', { body, key: '' })
  expect(status).toBe(200)
  const held = async () => (await world.request('GET', '/v0/queue?state=held&domain=people.dev')).body.recipients
  await expect.poll(held).toMatchObject([{ kind: 'code', state: 'held' }])
})

test('a deleted inbox takes its rules with it', async () => {
  const agent = await makeAgent(world)
  await agent.request('PUT', '/notifications', [{ id: 'a', channels: {} }])
  await world.request('DELETE', `/v0/inboxes/${encodeURIComponent(agent.address)}`)
  const left = `select r.inbox_id from notification_rules r join inboxes i on i.id = r.inbox_id where i.address = '${agent.address}'`
  await expect.poll(() => readRows(world, left)).toEqual([])
  await expect.poll(() => readRows(world, `select id from inboxes where address = '${agent.address}'`)).toEqual([])
})
