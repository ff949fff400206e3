/** Tests `martlet queue` with a real server in this process: its output and its errors. */
import { Writable } from 'node:stream'
import { expect, test } from 'vitest'
import { runQueue } from '../src/cli/queue-command.ts'
import { openServerClient } from '../src/cli/server-client.ts'
import { loadConfig } from '../src/config/settings.ts'
import { FakeMx } from './support/fake-mx.ts'
import { freePort } from './support/free-port.ts'
import { startWorld } from './support/world.ts'

function commandLine(world: { readonly url: string; readonly rootKey: string }) {
  const config = loadConfig({ MARTLET_ROOT_KEY: world.rootKey })
  return async (...args: string[]): Promise<string> => {
    let shown = ''
    const out = new Writable({
      write(chunk, _encoding, done) {
        shown += chunk
        done()
      },
    })
    const code = await runQueue(args, (url) => openServerClient(config, url ?? world.url), out)
    return code === 0 ? shown : `${shown}exit ${code}`
  }
}

const jsonLines = (text: string) =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line))

// A URL without a scheme was "not responding", and http://:::8080 was built for MARTLET_HOST=::.
test('the URL is that of the server on this machine, or well-formed; the key file must be readable', async () => {
  const settings = { MARTLET_ROOT_KEY: 'x'.repeat(20), MARTLET_HOST: '::', MARTLET_PUBLIC_URL: 'https://example.com' }
  expect((await openServerClient(loadConfig(settings))).url).toBe('http://[::1]:8080')
  await expect(openServerClient(loadConfig(settings), '127.0.0.1:8080')).rejects.toThrow(
    '--url=127.0.0.1:8080: write an',
  )
  const off = loadConfig({ ...settings, MARTLET_HTTP_PORT: 'off' })
  await expect(openServerClient(off)).rejects.toThrow('MARTLET_HTTP_PORT=off says no port')
  const unreadable = loadConfig({ MARTLET_DATA_DIR: '/proc/self/mem' }) // a file, so the path cannot be opened
  await expect(openServerClient(unreadable)).rejects.toThrow(
    /root-key cannot be read \(ENOTDIR\); run this as the user/,
  )
})

async function startHolding(
  recipients: readonly (readonly [to: string, subject: string])[],
  env: Readonly<Record<string, string>> = {},
) {
  const world = await startWorld({ env })
  await world.agentmail.inboxes.create({ username: 'ada' })
  const socket = await world.subscribe({ eventTypes: ['message.held'] })
  for (const [to, subject] of recipients) {
    await world.agentmail.inboxes.messages.send('ada@mail.localhost', { to, subject, text: 'x' })
    await socket.next('message.held')
  }
  return { world, socket, queue: commandLine(world) }
}

test('list prints a table, and no text in it can move the cursor', async () => {
  const { world, queue } = await startHolding([
    ['ann@example.test', 'one\u009b\u202etwo'],
    ['zoe@example.com', 'x'.repeat(100)],
  ])
  await using _world = world
  const lines = (await queue('list', '--state', 'held', '--inbox', 'ada@mail.localhost')).split('\n')
  expect(lines).toHaveLength(4)
  expect(lines[0]).toMatch(/^ID +STATE +TO +FROM +SUBJECT +NEXT ATTEMPT +LAST REPLY$/)
  expect(lines[1]).toMatch(
    /^[0-9a-f-]{36} {2}held +ann@example\.test +ada@mail\.localhost +one two +Held: no route; see MARTLET_OUTBOUND$/,
  )
  expect(lines[2]).toContain(` ${'x'.repeat(39)}…  `)
  expect(await queue('list', '--domain', 'example.com')).not.toContain('ann@')
  expect(await queue('list', '--state', 'queued')).toBe('Nothing in the queue matches.\n')
  expect(await queue('list', '--state', 'queued', '--json')).toBe('')
})

test('list shows the whole reason why a message is not delivered, and shortens other texts', async () => {
  const closed = await freePort()
  const env = { MARTLET_RELAY_URL: `smtp://127.0.0.1:${closed}`, MARTLET_OUTBOUND: 'relay' }
  await using world = await startWorld({ env })
  const queue = commandLine(world)
  await world.agentmail.inboxes.create({ username: 'ada' })
  await world.agentmail.inboxes.messages.send('ada@mail.localhost', {
    to: 'ann@example.test',
    subject: 'x'.repeat(100),
    text: 'x',
  })
  await expect
    .poll(() => queue('list'))
    .toMatch(/ {2}x{39}… .* {2}The relay 127\.0\.0\.1 cannot be reached: connection refused; will retry\n$/)
})

test('list --json prints every member, one recipient per line, over all pages', async () => {
  const { world, queue } = await startHolding([])
  await using _world = world
  const recipients = Array.from({ length: 40 }, (_, index) => `u${index}@example.test`)
  const socket = await world.subscribe({ eventTypes: ['message.held'] })
  for (let mail = 0; mail < 13; mail += 1) {
    await world.agentmail.inboxes.messages.send('ada@mail.localhost', { to: recipients, text: 'x' })
  }
  // More recipients than one page returns, and than one call changes.
  for (let held = 0; held < 520; ) held += (await socket.next('message.held')).hold.recipients.length
  const shown = jsonLines(await queue('list', '--json'))
  expect(new Set(shown.map(({ recipient_id }) => recipient_id)).size).toBe(520)
  expect(await queue('cancel', '--all')).toBe('Cancelled: 520\n')
})

test('recipients are changed by id, by domain, by inbox, or all at once', async () => {
  await using relay = new FakeMx({})
  await relay.listen('127.0.0.1', 0)
  const { world, queue } = await startHolding(
    [
      ['ann@example.test', 'one'],
      ['zoe@example.com', 'two'],
      ['bea@example.com', 'three'],
      ['eve@example.org', 'four'],
    ],
    { MARTLET_RELAY_URL: `smtp://127.0.0.1:${relay.port}` },
  )
  await using _world = world
  const zoe = jsonLines(await queue('list', '--json')).find(({ subject }) => subject === 'two')
  expect(await queue('retry', zoe.recipient_id)).toBe(
    'Retrying now: 0\nNo match in the queue, or held, or due already: 1 of the ids given.\nexit 1',
  )
  expect(await queue('cancel', zoe.recipient_id)).toBe('Cancelled: 1\n')
  // It printed "Cancelled: 0" and exited with 0, as if all were well.
  expect(await queue('cancel', zoe.recipient_id, zoe.recipient_id, 'unknown')).toBe(
    'Cancelled: 0\nNo match in the queue: 2 of the ids given.\nexit 1',
  )
  expect(await queue('cancel', zoe.recipient_id, '--json')).toBe('{"changed":0,"busy":0}\nexit 1')
  expect(await queue('cancel', '--domain', 'example.net')).toBe('Cancelled: 0\n')
  expect(await queue('cancel', '--inbox', 'ada@mail.localhost', '--domain', 'example.com')).toBe('Cancelled: 1\n')
  expect(await queue('release', '--domain', 'example.test', '--json')).toBe('{"changed":1,"busy":0}\n')
  expect((await relay.mail(1)).to).toEqual(['ann@example.test'])
  expect(await queue('release', '--all', '--via', 'relay')).toBe(
    'Released: 1\nMail to other domains will be sent through the relay.\n',
  )
  expect((await relay.mail(2)).to).toEqual(['eve@example.org'])
  await expect.poll(() => queue('list', '--json')).toBe('')
  expect(await queue('hold', '--all', '--state', 'queued')).toBe('Held: 0\n')
  expect(await queue('retry', '--all')).toBe('Retrying now: 0\n')
  await expect(queue('hold', '--all', '--via', 'direct')).rejects.toThrow(
    `${world.url} rejected the request: route can only be set for a release`,
  )
})

test('a release says that mail leaves a server that captures', async () => {
  await using relay = new FakeMx({})
  await relay.listen('127.0.0.1', 0)
  const { world, queue } = await startHolding([['ann@example.test', 'one']], {
    MARTLET_RELAY_URL: `smtp://127.0.0.1:${relay.port}`,
    MARTLET_OUTBOUND: 'capture',
  })
  await using _world = world
  expect(await queue('release', '--domain', 'example.net')).toBe('Released: 0\n')
  expect(await queue('release', '--all')).toMatch(
    /^Released: 1\nMail to other domains will be sent.* If that is capture: /,
  )
  expect((await relay.mail(1)).to).toEqual(['ann@example.test'])
})

test('a release to a relay that is not configured is refused', async () => {
  const { world, queue } = await startHolding([['ann@example.test', 'one']])
  await using _world = world
  await expect(queue('release', '--all', '--via', 'relay')).rejects.toThrow('MARTLET_RELAY_URL is not set')
  expect(jsonLines(await queue('list', '--json'))).toMatchObject([{ state: 'held' }])
})

test('recipients in delivery are counted as busy, and the command stops when the server makes no progress', async () => {
  const answers = [
    { changed: 2, more: true },
    { changed: 0, busy: 3, more: true },
  ]
  let shown = ''
  const out = new Writable({
    write(chunk, _encoding, done) {
      shown += chunk
      done()
    },
  })
  await runQueue(['hold', '--all'], async () => ({ url: 'x', request: async () => answers.shift() }), out)
  expect(shown).toBe('Held: 2\nNot changed, because delivery is in progress: 3. Try again in a minute.\n')
})

test('a command without a selection changes nothing and says what is missing', async () => {
  const untouched = commandLine({ url: 'http://127.0.0.1:1', rootKey: 'am_test_key_of_the_queue' })
  for (const action of ['hold', 'release', 'cancel', 'retry']) {
    const sentence = `Select what to ${action}: recipient ids, --domain, --inbox, or --all`
    await expect(untouched(action)).rejects.toThrow(sentence)
    await expect(untouched(action, '--state', 'held')).rejects.toThrow(sentence)
  }
  await expect(untouched('list', '--all')).rejects.toThrow('queue list accepts')
  await expect(untouched('list', '--colour')).rejects.toThrow("Unknown option '--colour'")
  await expect(untouched('list')).rejects.toThrow('No server responds at http://127.0.0.1:1')
})
