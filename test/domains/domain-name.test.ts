/** Tests which names a tenant can claim, and which claim decides about a name. */
import { expect, test } from 'vitest'
import { decidingClaim, decidingNames, parseDomainName } from '../../src/mail/domains/domain-name.ts'
import { newDomain } from '../../src/mail/domains/domains.ts'
import type { DomainRow } from '../../src/store/schema/tenant-rows.ts'

test.each([
  [' Example.COM. ', 'example.com'],
  ['bücher.example', 'xn--bcher-kva.example'],
  ['a.b.example.com', 'a.b.example.com'],
])('%j can be claimed', async (text, domain) => {
  expect(await parseDomainName(text, 'mail.localhost')).toBe(domain)
})

test.each([
  ['an empty text', '', /domain name/],
  ['a single label', 'example', /domain name/],
  ['a public suffix', 'co.uk', /public suffix/],
  ['a private public suffix', 'github.io', /public suffix/],
  ['an address literal', '[192.0.2.1]', /domain name/],
  ['an IP address', '192.0.2.1', /domain name/],
  ['a label that begins with a hyphen', '-a.test', /domain name/],
  ['a space', 'a b.test', /domain name/],
  ['the shared domain', 'mail.localhost', /shared domain/],
  ['a domain below the shared one', 'sub.mail.localhost', /shared domain/],
  ['eleven labels', `${'a.'.repeat(10)}test`, /at most 10 labels/],
  ['a label of 100,000 characters', `${'a'.repeat(100_000)}.test`, /domain name/],
])('%s cannot be claimed', async (_what, text, message) => {
  await expect(parseDomainName(text, 'mail.localhost')).rejects.toMatchObject({ code: 'validation_error', message })
})

test('the claim to a name decides, else the nearest one above it that allows subdomains', () => {
  const claim = (domain: string, subdomains: number) =>
    ({ ...newDomain(domain, 'm'), subdomains_enabled: subdomains }) as unknown as DomainRow
  expect(decidingNames('x.b.a.test')).toEqual(['x.b.a.test', 'b.a.test', 'a.test', 'test'])
  const [top, middle] = [claim('a.test', 1), claim('b.a.test', 0)]
  expect(decidingClaim('b.a.test', [top, middle])).toBe(middle)
  expect(decidingClaim('x.b.a.test', [top, middle])).toBe(top)
  expect(decidingClaim('x.b.a.test', [middle])).toBeUndefined()
  expect(decidingClaim('other.test', [top])).toBeUndefined()
})
