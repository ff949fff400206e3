/**
 * Signatures are checked by mailauth's verifier, which shares no code with ours; its DNS returns the test's public key.
 */
import { createPublicKey } from 'node:crypto'
import { dkimVerify } from 'mailauth/lib/dkim/verify.js'
import { describe, expect, test } from 'vitest'
import { relaxedBody } from '../../../src/formats/dkim/dkim-canonical.ts'
import { signMessage } from '../../../src/formats/dkim/dkim-sign.ts'
import { composeMessage } from '../../../src/formats/mime/mime-compose.ts'
import { knownSigningKey } from '../../support/shared-signing-keys.ts'
import { mutate, seededRandom } from '../random.ts'
import { mail, samples } from '../sample-messages.ts'

const signingKey = knownSigningKey()
const privateKey = signingKey.export({ type: 'pkcs8', format: 'pem' }).toString()
const publicKey = createPublicKey(signingKey).export({ type: 'spki', format: 'der' }).toString('base64')
const key = { domain: 'example.com', selector: 'm1', privateKey }

async function verify(raw: Buffer): Promise<{ result: string; comment: string }> {
  const resolver = async (name: string) =>
    name === 'm1._domainkey.example.com' ? [[`v=DKIM1; k=rsa; p=${publicKey}`]] : []
  const { results } = await dkimVerify(raw, { resolver } as never)
  const [first] = results as { status: { result: string; comment?: string } }[]
  return { result: first!.status.result, comment: first!.status.comment ?? '' }
}

const simple = mail(
  'From: Ann <ann@example.com>',
  'To: bob@example.net',
  'Subject:  two  spaces ',
  ' folded',
  'Date: Mon, 1 Jan 2024 10:00:00 +0000',
  '',
  'Hello  \t there ',
  '',
  ' x',
  '',
  '',
)

describe('a signature is valid', () => {
  test.each([
    ['a plain message', simple],
    ['an empty body', mail('From: ann@example.com', '', '')],
    ['a body of empty lines', mail('From: ann@example.com', '', '', '', '')],
    ['a body without a line break at the end', mail('From: ann@example.com', '', 'x')],
    ['only white space', mail('From: ann@example.com', '', ' \t ', '  ')],
    ['two fields with the same name', mail('From: ann@example.com', 'Cc: one@x.example', 'Cc: two@x.example', '', 'x')],
    ['8-bit bytes', mail('From: ann@example.com', 'Subject: grüße', '', 'grüße')],
    ...Object.entries(samples).filter(([name]) => name !== 'plain'),
  ])('for %s', async (_, raw) => {
    expect(await verify(await signMessage(raw, key))).toEqual({ result: 'pass', comment: '' })
  })

  test('for a composed message, and with a parsed key', async () => {
    const raw = await composeMessage({
      messageId: '<1@example.com>',
      date: new Date(0),
      boundary: 'b',
      from: { address: 'ann@example.com' },
      to: [{ address: 'bob@example.net' }],
      subject: 'Grüße',
      text: 'ü'.repeat(500),
      html: '<p>x</p>',
      headers: [['List-Unsubscribe', '<https://example.com>']],
    })
    const signed = await signMessage(raw, {
      ...key,
      privateKey: signingKey,
      signedAt: new Date('2024-01-01T00:00:00Z'),
    })
    expect((await verify(signed)).result).toBe('pass')
    expect(signed.toString()).toContain('t=1704067200;')
    expect(
      signed
        .toString()
        .split('\r\n')
        .filter((line) => line.length > 78),
    ).toEqual([])
  })

  test('after a relay has changed white space', async () => {
    const signed = (await signMessage(simple, key)).toString('latin1')
    const relayed = signed
      .replace('Subject:  two  spaces \r\n folded', 'subject: two spaces\r\n\tfolded')
      .replace('Hello  \t there ', 'Hello there')
    expect((await verify(Buffer.from(relayed, 'latin1'))).result).toBe('pass')
  })
})

describe('a signature is invalid', () => {
  test.each([
    ['when the body changes', (text: string) => text.replace('Hello', 'Hullo')],
    ['when a signed field changes', (text: string) => text.replace('bob@', 'eve@')],
    ['when a second From is added at the top', (text: string) => `From: eve@evil.example\r\n${text}`],
    ['when a second Subject is added', (text: string) => text.replace('To: ', 'Subject: evil\r\nTo: ')],
    ['when a second To is added', (text: string) => `To: eve@evil.example\r\n${text}`],
    ['when a second Date is added', (text: string) => `Date: Mon, 1 Jan 2029 10:00:00 +0000\r\n${text}`],
    ['when a Subject is removed', (text: string) => text.replace(/Subject:.*\r\n .*\r\n/, '')],
  ])('%s', async (_, change) => {
    const signed = (await signMessage(simple, key)).toString('latin1')
    expect(change(signed)).not.toBe(signed)
    expect((await verify(Buffer.from(change(signed), 'latin1'))).result).not.toBe('pass')
  })
})

test('any bytes can be signed', async () => {
  for (let seed = 0; seed < 200; seed++) {
    const raw = mutate(samples.nested!, seededRandom(seed))
    expect((await signMessage(raw, { ...key, privateKey: signingKey })).subarray(-raw.length)).toEqual(raw)
  }
})

// The example of RFC 6376 §3.4.5.
test("the relaxed body is that of the RFC's example", () => {
  expect(relaxedBody(Buffer.from(' C \r\nD \t E\r\n\r\n\r\n')).toString()).toBe(' C\r\nD E\r\n')
  expect(relaxedBody(Buffer.from(' C \nD \t E\n\n\n')).toString()).toBe(' C\r\nD E\r\n')
})

test('the relaxed body agrees with its definition, for random lines', () => {
  const byDefinition = (text: string) => {
    const relaxed = text.split(/\r?\n/).map((line) => line.replace(/[ \t]+/g, ' ').replace(/ $/, ''))
    while (relaxed.at(-1) === '') relaxed.pop()
    return relaxed.map((line) => `${line}\r\n`).join('')
  }
  const random = seededRandom(8)
  for (let i = 0; i < 5000; i++) {
    const text = Array.from({ length: random.below(14) }, () =>
      random.pick([' ', '\t', '\r\n', '\n', '\r', 'a', 'b']),
    ).join('')
    expect(relaxedBody(Buffer.from(text)).toString(), JSON.stringify(text)).toBe(byDefinition(text))
  }
})

test('a large message is signed in several turns of the event loop', async () => {
  const raw = mail('From: ann@example.com', '', 'spaces  \tand words on each line \r\n'.repeat(200_000), '', '')
  let turns = 0
  const nextTurn = async () => {
    turns += 1
  }
  const signed = await signMessage(raw, { ...key, privateKey: signingKey }, nextTurn)
  expect(turns).toBeGreaterThan(2)
  expect((await verify(signed)).result).toBe('pass')
})
