/** Tests that a delivery that hangs can be seen: in the queue, in the deliveries of its message, on the command line. */
import { Writable } from 'node:stream'
import { expect, test } from 'vitest'
import { runQueue } from '../../src/cli/queue-command.ts'
import { openServerClient } from '../../src/cli/server-client.ts'
import { loadConfig } from '../../src/config/settings.ts'
import { startDns } from '../support/dns-server.ts'
import { mxAddress, startMxs } from '../support/fake-mx.ts'
import { startWorld } from '../support/world.ts'

// It was shown as `queued`, with a next attempt in the past.
test('a delivery that hangs is shown as delivering, with the server and the time since when', async () => {
  const { port, [Symbol.asyncDispose]: closeMxs } = await startMxs({ greeting: 'hang' })
  await using _mxs = { [Symbol.asyncDispose]: closeMxs }
  await using dns = await startDns({
    'a.test': { MX: [{ preference: 10, exchange: 'mx.a.test' }] },
    'mx.a.test': { A: [mxAddress(0)] },
  })
  await using world = await startWorld({
    env: { MARTLET_OUTBOUND: 'direct', MARTLET_OUTBOUND_PORT: `${port}`, MARTLET_DNS_SERVERS: dns.address },
    limits: {
      delivery: { destinationConcurrencyMax: 1, showServerAfterMs: 5 },
      server: { shutdownGraceMs: 50 },
    },
  })
  const ada = await world.agentmail.inboxes.create({ username: 'ada' })
  const before = Date.now()
  const first = await world.agentmail.inboxes.messages.send(ada.inboxId, { to: 'ann@a.test', text: 'x' })
  const deliveries = async () => {
    const path = `/v0/inboxes/${ada.email}/messages/${encodeURIComponent(first.messageId)}/deliveries`
    return (await world.request('GET', path)).body.deliveries
  }
  const delivering = {
    ...{ state: 'delivering', delivering_since: expect.any(String) },
    delivering_to: `mx.a.test [${mxAddress(0)}]:${port}`,
  }
  await expect.poll(deliveries).toMatchObject([delivering])
  const [shown] = await deliveries()
  expect(Date.parse(shown.delivering_since)).toBeGreaterThanOrEqual(before)
  expect(Date.parse(shown.delivering_since)).toBeLessThanOrEqual(Date.now())
  expect(shown).not.toHaveProperty('next_attempt_at')

  // The second one waits for the first: it is due, and its time is over.
  await world.agentmail.inboxes.messages.send(ada.inboxId, { to: 'bea@a.test', text: 'x' })
  const { recipients } = (await world.request('GET', '/v0/queue')).body
  expect(recipients).toMatchObject([
    { recipient: 'bea@a.test', state: 'queued' },
    { recipient: 'ann@a.test', ...delivering },
  ])
  expect(recipients[0]).not.toHaveProperty('next_attempt_at')
  expect((await world.request('GET', '/v0/queue?state=queued')).body.recipients).toHaveLength(2)

  const config = loadConfig({ MARTLET_ROOT_KEY: world.rootKey })
  let table = ''
  const out = new Writable({
    write(chunk, _encoding, done) {
      table += chunk
      done()
    },
  })
  await runQueue(['list'], () => openServerClient(config, world.url), out)
  expect(table).toMatch(/ delivering +ann@a\.test .* since 20\S+Z +Now at mx\.a\.test \[127\.0\.0\.2\]:\d+$/m)
})
