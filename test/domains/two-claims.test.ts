/** Tests two nodes that verify the claims of two tenants to one domain at the same time. */
import { expect } from 'vitest'
import { type Records, startDns, type Zones } from '../support/dns-server.ts'
import { notSupported } from '../support/test-database.ts'
import { startNodes } from '../support/world.ts'

notSupported('sqlite', 'it has one server')('of two claims that are verified at once, one gets the name', async () => {
  const zones: Zones = {}
  await using dns = await startDns(zones)
  await using nodes = await startNodes({}, { MARTLET_DNS_SERVERS: dns.address })
  const { agentmail } = nodes.one
  const pods = await Promise.all([agentmail.pods.create({}), agentmail.pods.create({})])

  for (const domain of ['a.test', 'b.test', 'c.test', 'd.test']) {
    for (const { podId } of pods) {
      const { records } = await agentmail.pods.domains.create(podId, { domain, feedbackEnabled: true })
      for (const { name, type, value } of records) {
        const known = (zones[name] ?? {}) as Records
        const isNew = type === 'TXT' && !known.TXT?.some((text) => [text].flat().join('') === value)
        zones[name] = {
          MX: [{ preference: 1, exchange: 'mail.localhost' }],
          TXT: [...(known.TXT ?? []), ...(isNew ? [value.match(/.{1,255}/g)!] : [])],
        }
      }
    }
    await Promise.all(nodes.both.map((node, index) => node.agentmail.pods.domains.verify(pods[index]!.podId, domain)))
    const claims = await Promise.all(pods.map(({ podId }) => agentmail.pods.domains.get(podId, domain)))
    expect(claims.map(({ status }) => status).sort()).toEqual(['FAILED', 'VERIFIED'])
  }
})
