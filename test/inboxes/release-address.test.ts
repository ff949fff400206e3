/** Tests the names of inboxes whose address another tenant has now; the flow is in dialects/agentmail/domains.test.ts. */
import { expect, test } from 'vitest'
import { normaliseAddress } from '../../src/formats/address/address.ts'
import { releasedAddress } from '../../src/mail/inboxes/release-address.ts'

const id = '01a22d53-a526-75f4-b14e-26b78db3af66'

// Its tenant got 404 for the inbox: an address of more than 254 bytes is none.
test('the new name of an inbox is an address, however long the old one was', () => {
  expect(releasedAddress({ id, address: 'eve@moves.test' })).toBe('eve@26b78db3af66.moves.test.invalid')
  const long = `${'e'.repeat(64)}@${`${'d'.repeat(60)}.`.repeat(3)}test`
  for (const address of [long, long.slice(0, 230), long.slice(30)]) {
    const released = releasedAddress({ id, address })
    expect(normaliseAddress(released), released).toBe(released)
    expect(released).toMatch(/@26b78db3af66\..*invalid$/)
  }
})
