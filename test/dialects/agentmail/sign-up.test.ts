/**
 * Agents sign up without a key, through the client of AgentMail. The human's mail server is a real SMTP server on
 * loopback, and the tests read the code there. The server trusts the loopback address as a proxy, so each test is a
 * client with an address of its own. The clock starts in the middle of an hour and moves only forward, by the tests.
 */
import { AgentMailClient } from 'agentmail'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { createLog } from '../../../src/log.ts'
import { verifySignature } from '../../support/dkim-verify.ts'
import { type DnsServer, startDns } from '../../support/dns-server.ts'
import { type FakeMx, mxAddress, startMxs } from '../../support/fake-mx.ts'
import { notSupported } from '../../support/test-database.ts'
import { startWorld, type World } from '../../support/world.ts'

const onTwo = notSupported('sqlite', 'one process uses a data folder')

const HOUR = 3_600_000
const DAY = 24 * HOUR
const noon = Math.floor(Date.now() / DAY) * DAY + DAY / 2
const started = performance.now()
let passedMs = 10 * 60_000
const clock = () => noon + passedMs + Math.round(performance.now() - started)

let mxs: Awaited<ReturnType<typeof startMxs>>
let mx: FakeMx
let dns: DnsServer
let world: World
const logged: string[] = []
const secrets = new Set<string>()

beforeAll(async () => {
  mxs = await startMxs({})
  mx = mxs.mxs[0]!
  dns = await startDns({
    'people.dev': { MX: [{ preference: 10, exchange: 'mx.people.dev' }] },
    'mx.people.dev': { A: [mxAddress(0)] },
  })
  world = await startWorld({
    clock,
    log: createLog('info', { write: (line) => void logged.push(line) }),
    env: {
      MARTLET_OUTBOUND: 'direct',
      MARTLET_OUTBOUND_PORT: `${mxs.port}`,
      MARTLET_DNS_SERVERS: dns.address,
      MARTLET_TRUSTED_PROXIES: '127.0.0.1, 10.0.0.0/8',
    },
    limits: { delivery: { retryFirstMs: 20, pollMs: 20 }, dns: { tryMs: 200, triesMax: 1 } },
  })
})

afterAll(async () => {
  await world[Symbol.asyncDispose]()
  await dns[Symbol.asyncDispose]()
  await mxs[Symbol.asyncDispose]()
})

/** Signs up from an address of the client. The client of 0.5.27 knows no sign-up without a human: that is a plain request. */
async function signUp(
  { username, humanEmail }: { username: string; humanEmail?: string },
  client: string,
  node: World = world,
) {
  const headers = { 'x-forwarded-for': client }
  if (humanEmail !== undefined) {
    const anonymous = new AgentMailClient({ apiKey: '', baseUrl: node.url, maxRetries: 0 })
    const made = await anonymous.agent.signUp({ username, humanEmail }, { headers })
    secrets.add(made.apiKey)
    return made
  }
  const { status, body } = await node.request('POST', '/v0/agent/sign-up', { key: '', headers, body: { username } })
  if (status !== 200) throw Object.assign(new Error(body.message), { statusCode: status, body })
  return { organizationId: body.organization_id, inboxId: body.inbox_id, apiKey: body.api_key }
}

/** Waits for the newest code that was mailed to this address. @param number of the mail to it, counted from 1 */
async function codeFor(human: string, number = 1): Promise<string> {
  const mails = () => mx.messages.filter(({ to }) => to.includes(human))
  await mx.until(() => mails().length >= number)
  const code = /code: (\d{6})/.exec(mails()[number - 1]!.data)![1]!
  secrets.add(`"${code}"`)
  return code
}

function otherThan(code: string): string {
  return String((Number(code) + 1) % 1_000_000).padStart(6, '0')
}

const refusedSend = { statusCode: 403, body: { name: 'MessageRejectedError' } }

test('an agent signs up, its human gets a code, and the agent enters it', async () => {
  const human = 'ann@people.dev'
  const made = await signUp({ username: 'flow', humanEmail: 'Ann@People.dev' }, '192.0.2.1')
  expect(made).toEqual({
    organizationId: expect.any(String),
    inboxId: 'flow@mail.localhost',
    apiKey: expect.stringMatching(/^am_us_/),
  })
  const agent = world.agentmailAs(made.apiKey)
  const organization = async () => (await world.request('GET', '/v0/organizations', { key: made.apiKey })).body
  expect(await organization()).toMatchObject({ inbox_count: 1, authentication_type: 'agent_unverified' })
  const send = (to: string) => agent.inboxes.messages.send(made.inboxId, { to: [to], text: 'hello' })
  await expect(send('bob@people.dev')).rejects.toMatchObject(refusedSend)
  await send(human)

  const code = await codeFor(human)
  const mail = mx.messages.find(({ to, data }) => to.includes(human) && data.includes(code))!
  expect(mail).toMatchObject({ from: '<>', to: [human] })
  expect(mail.data).toContain('From: Martlet <no-reply@mail.localhost>')
  expect(mail.data).toContain('Auto-Submitted: auto-generated')
  expect(mail.data).toContain('flow@mail.localhost')
  expect(await verifySignature(mail.data, world)).toBe('pass')

  await expect(agent.agent.verify({ otpCode: otherThan(code) })).rejects.toMatchObject({
    statusCode: 400,
    body: { message: 'The code is wrong; tries left: 9', errors: [{ path: ['otp_code'] }] },
  })
  expect(await agent.agent.verify({ otpCode: code })).toEqual({ verified: true })
  expect(await agent.agent.verify({ otpCode: code })).toEqual({ verified: true }) // a repeated request
  expect(await organization()).toMatchObject({ authentication_type: 'agent_verified' })
  await send('bob@people.dev')
  await agent.pods.create({})
  await agent.inboxes.create({ username: 'flow-2' })
  // Strangers must not speak for the shared domain.
  await expect(agent.inboxes.create({ username: 'admin' })).rejects.toMatchObject({ statusCode: 403 })
})

test('a repeated sign-up replaces the key, until the human is verified', async () => {
  const human = 'rita@people.dev'
  const first = await signUp({ username: 'rita', humanEmail: human }, '192.0.2.2')
  const before = world.agentmailAs(first.apiKey)
  const other = (await before.apiKeys.create({ name: 'another' })) as { apiKey: string }
  await before.webhooks.create({ url: 'https://hook.test/', eventTypes: ['message.received'] })

  const withRules = async (from: World['agentmail'], method: 'GET' | 'PUT') => {
    const { apiKey: key } = (await from.inboxes.apiKeys.create(first.inboxId, { name: method })) as { apiKey: string }
    const rules = [{ id: 'spy', channels: { email: { recipients: ['spy@people.dev'] } } }]
    const options = { key, ...(method === 'PUT' && { body: rules }) }
    const { status, body } = await world.request(method, '/notifications', options)
    expect(status, JSON.stringify(body)).toBe(200)
    return body.rules
  }
  expect(await withRules(before, 'PUT')).toHaveLength(1)

  const second = await signUp({ username: 'rita-2', humanEmail: human }, '192.0.2.2')
  expect(second).toEqual({ ...first, apiKey: expect.not.stringContaining(first.apiKey) })
  for (const key of [first.apiKey, other.apiKey]) {
    await expect(world.agentmailAs(key).inboxes.list()).rejects.toMatchObject({ statusCode: 401 })
  }
  const agent = world.agentmailAs(second.apiKey)
  expect((await agent.webhooks.list()).webhooks).toEqual([]) // its first owner may have been a stranger
  expect(await withRules(agent, 'GET')).toEqual([]) // to whom each message would have been reported

  await agent.agent.verify({ otpCode: await codeFor(human) }) // the code is the same
  await expect(signUp({ username: 'rita-3', humanEmail: human }, '192.0.2.2')).rejects.toMatchObject({
    statusCode: 403,
    body: { name: 'IsTakenError', code: 'resource_taken' },
  })
  expect((await agent.inboxes.list()).count).toBe(1)
  expect(mx.messages.filter(({ to }) => to.includes(human))).toHaveLength(1)
})

test('two sign-ups for one human at the same time make one organization, and one of their keys is valid', async () => {
  const both = await Promise.all(
    ['race-1', 'race-2'].map((username) => signUp({ username, humanEmail: 'race@people.dev' }, '192.0.2.3')),
  )
  expect(new Set(both.map(({ organizationId }) => organizationId)).size).toBe(1)
  expect(new Set(both.map(({ inboxId }) => inboxId)).size).toBe(1)
  const list = ({ apiKey }: { apiKey: string }) => world.request('GET', '/v0/inboxes', { key: apiKey })
  const statuses = (await Promise.all(both.map(list))).map(({ status }) => status)
  expect(statuses.toSorted()).toEqual([200, 401])
})

test('two organizations see nothing of each other, nor of the server', async () => {
  const [one, two] = await Promise.all(['left', 'right'].map((username) => signUp({ username }, '192.0.2.4')))
  const agent = world.agentmailAs(one!.apiKey)
  const operators = await world.agentmail.inboxes.create({ username: 'operator' })
  expect((await agent.inboxes.list()).inboxes.map(({ inboxId }) => inboxId)).toEqual([one!.inboxId])
  for (const inboxId of [two!.inboxId, operators.inboxId, 'postmaster@mail.localhost']) {
    await expect(agent.inboxes.get(inboxId)).rejects.toMatchObject({ statusCode: 404 })
  }
  expect((await world.request('GET', '/v0/queue', { key: one!.apiKey })).body.recipients).toEqual([])
  const resume = await world.request('POST', '/v0/outbound/resume', { key: one!.apiKey })
  expect(resume.status).toBe(403)
  const headers = { 'x-forwarded-for': '192.0.2.4' } // a request from this machine needs no key
  expect((await world.request('GET', '/metrics', { key: one!.apiKey, headers })).status).toBe(403)
  expect((await world.request('GET', '/metrics', { headers })).status).toBe(200)
})

test('an agent without a human only receives, and can give the address later', async () => {
  const made = await signUp({ username: 'alone' }, '192.0.2.5')
  const agent = world.agentmailAs(made.apiKey)
  const attach = (human: string) =>
    world.request('POST', '/v0/agent/human', { key: made.apiKey, body: { human_email: human } })
  const send = (to: string) => agent.inboxes.messages.send(made.inboxId, { to: [to], text: 'hello' })
  await expect(send('ann@people.dev')).rejects.toMatchObject({ statusCode: 403 })
  await expect(agent.agent.verify({ otpCode: '123456' })).rejects.toMatchObject({ statusCode: 400 })
  await world.smtp.send({ to: made.inboxId, subject: 'hello', text: 'hello' })
  expect((await agent.inboxes.messages.list(made.inboxId)).count).toBe(1)

  expect(await attach('One@people.dev')).toMatchObject({
    status: 200,
    body: { human_email: 'one@people.dev', instructions: expect.stringContaining('/v0/agent/verify') },
  })
  await codeFor('one@people.dev')
  await send('one@people.dev')
  expect((await attach('one@people.dev')).status).toBe(200) // the code stays
  expect((await attach('two@people.dev')).status).toBe(200)
  await expect(send('one@people.dev')).rejects.toMatchObject(refusedSend)
  expect((await attach('three@people.dev')).status).toBe(200)
  expect(await attach('four@people.dev')).toMatchObject({ status: 409, body: { code: 'conflict' } })
  await signUp({ username: 'owned', humanEmail: 'owner@people.dev' }, '192.0.2.5')
  expect((await attach('owner@people.dev')).status).toBe(409)
  expect((await attach('nobody@example.com')).status).toBe(400)

  await agent.agent.verify({ otpCode: await codeFor('three@people.dev') })
  expect((await attach('five@people.dev')).status).toBe(409)
  const codes = mx.messages.filter(
    ({ to, data }) => to.includes('one@people.dev') && data.includes('verification code'),
  )
  expect(codes).toHaveLength(1)
  const root = await world.request('POST', '/v0/agent/human', { body: { human_email: 'root@people.dev' } })
  expect(root.status).toBe(409)
})

test('an unverified agent has one inbox, ten keys and ten recipients a day, and makes no pods, domains and list entries', async () => {
  const human = 'limits@people.dev'
  const made = await signUp({ username: 'small', humanEmail: human }, '192.0.2.6')
  const agent = world.agentmailAs(made.apiKey)
  const unverified = {
    statusCode: 403,
    body: { code: 'organization_unverified', fix: expect.stringContaining('verify') },
  }
  await expect(agent.inboxes.create({})).rejects.toMatchObject({ statusCode: 403, body: { code: 'limit_exceeded' } })
  await expect(agent.pods.create({})).rejects.toMatchObject(unverified)
  await expect(agent.domains.create({ domain: 'agents.dev', feedbackEnabled: true })).rejects.toMatchObject(unverified)
  for (const entry of ['bob@people.dev', 'people.dev']) {
    await expect(agent.lists.create('send', 'allow', { entry })).rejects.toMatchObject(unverified)
    await expect(agent.inboxes.lists.create(made.inboxId, 'send', 'allow', { entry })).rejects.toMatchObject(unverified)
  }
  await expect(agent.lists.delete('send', 'allow', human)).rejects.toMatchObject({ body: { code: 'cannot_delete' } })

  // Each key has a limit of requests of its own.
  const limited = { statusCode: 403, body: { code: 'limit_exceeded' } }
  const makeKey = () => agent.apiKeys.create({ name: 'another' })
  for (let count = 1; count < 9; count++) await makeKey()
  await agent.inboxes.apiKeys.create(made.inboxId, { name: 'another' })
  await expect(makeKey()).rejects.toMatchObject(limited)
  await expect(agent.inboxes.apiKeys.create(made.inboxId, { name: 'x' })).rejects.toMatchObject(limited)
  const path = `/v0/inboxes/${made.inboxId}/app-passwords`
  expect((await world.request('POST', path, { key: made.apiKey, body: {} })).status).toBe(403)

  const send = () => agent.inboxes.messages.send(made.inboxId, { to: [human], text: 'hello' })
  for (let count = 0; count < 10; count++) await send()
  await expect(send()).rejects.toMatchObject({ statusCode: 429, body: { code: 'rate_limit_exceeded' } })
  await agent.agent.verify({ otpCode: await codeFor(human) })
  await send()
  await makeKey()
})

test('addresses that receive no mail, agents and reserved names are refused', async () => {
  const refuse = async (request: { username: string; humanEmail?: string }, statusCode: number) =>
    expect(signUp(request, '192.0.2.7'), JSON.stringify(request)).rejects.toMatchObject({ statusCode })
  for (const humanEmail of ['a@example.com', 'a@mail.example.org', 'a@b.test', 'a@localhost', 'a@[127.0.0.1]', 'a b'])
    await refuse({ username: 'refused', humanEmail }, 400)
  await refuse({ username: 'admin' }, 403)
  await refuse({ username: 'no-reply' }, 403)
  await refuse({ username: 'a@b' }, 400)
  for (const name of ['source', 'referrer']) {
    const wordy = (chars: number) =>
      world.request('POST', '/v0/agent/sign-up', {
        key: '',
        headers: { 'x-forwarded-for': '192.0.2.20' },
        body: { username: `wordy-${name}`, [name]: 'x'.repeat(chars) },
      })
    expect(await wordy(2_049)).toMatchObject({ status: 400, body: { errors: [{ path: [name] }] } })
    expect((await wordy(2_048)).status).toBe(200)
  }
  const { inboxId } = await signUp({ username: 'first-agent' }, '192.0.2.7')
  // It would read the code itself; the last one does not exist, and it could create it.
  for (const humanEmail of [inboxId, 'first-agent+human@mail.localhost', 'nobody-yet@mail.localhost'])
    await refuse({ username: 'second-agent', humanEmail }, 400)
  await refuse({ username: 'first-agent' }, 403)
})

test('a repeated sign-up mails no further code to an address that an agent has got meanwhile', async () => {
  const human = 'former@mail.localhost'
  const { inboxId } = await world.agentmail.inboxes.create({ username: 'operators-own' })
  const aliases = `/v0/inboxes/${inboxId}/aliases`
  expect((await world.request('POST', aliases, { body: { address: human } })).status).toBe(200)
  await signUp({ username: 'former-agent', humanEmail: human }, '192.0.2.30')
  expect((await world.request('DELETE', `${aliases}/${human}`)).status).toBe(204)
  await signUp({ username: 'former' }, '192.0.2.30')
  passedMs += DAY
  await expect(signUp({ username: 'former-agent', humanEmail: human }, '192.0.2.30')).rejects.toMatchObject({
    statusCode: 400,
    body: { errors: [{ path: ['human_email'] }] },
  })
})

test('the limits of a network hold whatever a client writes into its headers, and over a restart', async () => {
  // The proxy appends the address of its client to what the client has sent.
  const statuses: number[] = []
  for (let count = 0; count < 12; count++) {
    const headers = { 'x-forwarded-for': `203.0.113.${count}, 198.51.100.7, 10.1.2.3` }
    const body = { username: `flood-${count}` }
    const answer = await world.request('POST', '/v0/agent/sign-up', { key: '', headers, body })
    statuses.push(answer.status)
    if (answer.status === 200) continue
    expect(answer.body).toMatchObject({ name: 'RateLimitError', code: 'rate_limit_exceeded' })
    const seconds = Number(answer.headers.get('retry-after'))
    expect(seconds).toBeGreaterThan(45 * 60)
    expect(seconds).toBeLessThanOrEqual(50 * 60)
  }
  expect(statuses).toEqual([...new Array(10).fill(200), 429, 429])
  await world.restart()
  await expect(signUp({ username: 'flood-again' }, '198.51.100.7')).rejects.toMatchObject({ statusCode: 429 })
  await signUp({ username: 'flood-neighbour' }, '198.51.100.8')
  for (let count = 0; count < 10; count++) await signUp({ username: `six-${count}` }, `2001:db8::${count + 1}`)
  await expect(signUp({ username: 'six-more' }, '2001:db8::ffff')).rejects.toMatchObject({ statusCode: 429 })
})

test('five sign-ups for one mailbox a day, from any network', async () => {
  const attempt = (count: number) =>
    signUp({ username: 'mailbox', humanEmail: `box+${count}@people.dev` }, `192.0.2.${20 + count}`)
  const results = []
  for (let count = 0; count < 6; count++) {
    results.push(
      await attempt(count).then(
        () => 200,
        ({ statusCode }) => statusCode,
      ),
    )
  }
  expect(results).toEqual([200, 403, 403, 403, 403, 429]) // 403: the username is taken, which counts too
})

test('after ten wrong codes even the right one is refused, until it expires and another one is mailed', async () => {
  const human = 'guess@people.dev'
  const made = await signUp({ username: 'guess', humanEmail: human }, '192.0.2.9')
  const agent = world.agentmailAs(made.apiKey)
  const code = await codeFor(human)
  const enter = (otpCode: string) => agent.agent.verify({ otpCode })
  await expect(enter('12345')).rejects.toMatchObject({ statusCode: 400 }) // no code at all: it does not count
  // At the same time: none of them must be free.
  const tries = await Promise.allSettled(new Array(12).fill(otherThan(code)).map(enter))
  const statuses = tries.map((each) => (each as PromiseRejectedResult).reason.statusCode)
  expect(statuses.filter((status) => status === 400)).toHaveLength(10)
  const limit = { statusCode: 403, body: { code: 'limit_exceeded' } }
  await expect(enter(code)).rejects.toMatchObject(limit)
  const { apiKey } = await signUp({ username: 'guess', humanEmail: human }, '192.0.2.9')
  const later = world.agentmailAs(apiKey)
  const attach = () => world.request('POST', '/v0/agent/human', { key: apiKey, body: { human_email: human } })
  expect((await attach()).status).toBe(200)
  await expect(later.agent.verify({ otpCode: code })).rejects.toMatchObject(limit)

  passedMs += DAY
  await expect(later.agent.verify({ otpCode: code })).rejects.toMatchObject({ statusCode: 400 })
  expect((await attach()).status).toBe(200)
  expect(await later.agent.verify({ otpCode: await codeFor(human, 2) })).toEqual({ verified: true })
})

test('a code that bounced is mailed again at the next request', async () => {
  const human = 'late@people.dev'
  mx.behaviour = { on: (line) => (line.startsWith('RCPT TO:<late@') ? '550 5.1.1 no such user' : undefined) }
  const made = await signUp({ username: 'late', humanEmail: human }, '192.0.2.10')
  await mx.until(() => mx.commands.some((line) => line.startsWith('RCPT TO:<late@')))
  mx.behaviour = {}
  const attach = () => world.request('POST', '/v0/agent/human', { key: made.apiKey, body: { human_email: human } })
  // The outcome is written just after the reply.
  await expect
    .poll(async () => {
      await attach()
      return mx.messages.some(({ to }) => to.includes(human))
    })
    .toBe(true)
  await world.agentmailAs(made.apiKey).agent.verify({ otpCode: await codeFor(human) })
  // A stranger's sign-up must not fill the block list of the operator.
  expect((await world.agentmail.lists.list('send', 'block')).entries).toEqual([])
})

onTwo('limits hold over nodes, and of a verification and a repeated sign-up at the same time one wins', async () => {
  await using other = await world.startSibling()
  const nodes = [world, other]
  const attempts = Array.from({ length: 14 }, (_, index) =>
    signUp({ username: `node-${index}` }, '198.51.100.20', nodes[index % 2]),
  )
  const accepted = (await Promise.allSettled(attempts)).filter(({ status }) => status === 'fulfilled')
  expect(accepted).toHaveLength(10)

  const human = 'both@people.dev'
  const both = await Promise.all(
    nodes.map((node, index) => signUp({ username: `both-${index}`, humanEmail: human }, '198.51.100.21', node)),
  )
  expect(new Set(both.map(({ organizationId }) => organizationId)).size).toBe(1)
  const statuses = await Promise.all(both.map(async ({ apiKey: key }) => world.request('GET', '/v0/inboxes', { key })))
  expect(statuses.map(({ status }) => status).toSorted()).toEqual([200, 401])

  const { apiKey } = both[statuses[0]!.status === 200 ? 0 : 1]!
  const otpCode = await codeFor(human)
  const [verified, repeated] = await Promise.allSettled([
    world.agentmailAs(apiKey).agent.verify({ otpCode }),
    signUp({ username: 'both-2', humanEmail: human }, '198.51.100.21', other),
  ])
  expect([verified.status, repeated.status].toSorted()).toEqual(['fulfilled', 'rejected'])
  const { reason } = [verified, repeated].find((each) => each.status === 'rejected')!
  expect(reason.statusCode).toBe(verified.status === 'fulfilled' ? 403 : 401)
})

test('the log names the client of each request, and neither codes nor keys', async () => {
  const lines = logged.map((line) => JSON.parse(line))
  expect(lines).toContainEqual(
    expect.objectContaining({ path: '/v0/agent/sign-up', client: '198.51.100.7', status: 429 }),
  )
  expect(lines).toContainEqual(expect.objectContaining({ msg: 'an agent has signed up', human: 'ann@people.dev' }))
  expect(secrets.size).toBeGreaterThan(10)
  expect(logged.filter((line) => [...secrets].some((secret) => line.includes(secret)))).toEqual([])
})

test('a server without sign-ups refuses before it reads the body, and believes no header about the client', async () => {
  const lines: string[] = []
  const log = createLog('info', { write: (line) => void lines.push(line) })
  await using off = await startWorld({ log, env: { MARTLET_SIGN_UP: 'off' } })
  const headers = { 'x-forwarded-for': '192.0.2.77' }
  const answer = await off.request('POST', '/v0/agent/sign-up', { key: '', headers, body: '{"not json' })
  expect(answer).toMatchObject({
    status: 403,
    body: { code: 'sign_ups_disabled', message: 'This server accepts no sign-ups' },
  })
  await expect.poll(() => lines.find((line) => line.includes('/v0/agent/sign-up'))).toContain('"client":"127.0.0.1"')
})
