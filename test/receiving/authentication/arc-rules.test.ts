/** Whose ARC seals count. What a valid chain is: independent-verdicts.test.ts, whose mails are used here. */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { withLimits } from '../../../src/config/limits.ts'
import { readSenderEvidence } from '../../../src/formats/dkim/sender-evidence.ts'
import { authservIdOf, readResults } from '../../../src/formats/mime/authentication-results.ts'
import { evidenceLimits } from '../../../src/mail/messages/content/parsed-message.ts'
import { checkArc } from '../../../src/mail/receiving/authentication/arc-check.ts'
import { createSignatureChecks } from '../../../src/mail/receiving/authentication/dkim-check.ts'
import { recordsOf, textZone } from './zone-records.ts'

const corpus = JSON.parse(readFileSync(new URL('./corpus.json', import.meta.url), 'utf8'))
const limits = withLimits({})

async function check(name: string, trustedSealers: readonly string[], fromDomain = 'signer.example', setsMax = 10) {
  const { mail } = corpus.arc.find((each: { name: string }) => each.name === name)
  const read = { ...evidenceLimits(limits), arcSetsMax: setsMax }
  const { arc } = readSenderEvidence(Buffer.from(mail, 'latin1'), read)
  const signatures = createSignatureChecks({ dns: recordsOf(textZone(corpus.zone)), limits })
  return checkArc(arc, fromDomain, { signatures, trustedSealers, nowSeconds: corpus.now })
}

test('a chain is trusted if all its sealers are, and the first one has found this domain authentic', async () => {
  const both = ['sealer.example', 'second.example']
  expect(await check('two sets', both)).toEqual({ result: 'pass', sealers: both, isTrusted: true })
  expect(await check('two sets', ['sealer.example'])).toEqual({ result: 'pass', sealers: both })
  expect(await check('two sets', [])).toEqual({ result: 'pass', sealers: both })
  expect(await check('two sets', both, 'other.example')).toEqual({ result: 'pass', sealers: both })
  expect(await check('changed results of the first set', both)).toMatchObject({ result: 'fail' })
  expect(await check('one set, a changed word', both)).toMatchObject({
    result: 'fail',
    reason: 'the message was changed after the last seal',
  })
})

test('a longer chain than the limit fails, without a lookup', async () => {
  expect(await check('two sets', [], 'signer.example', 1)).toEqual({
    result: 'fail',
    reason: 'it has more than 1 sets',
  })
})

test('results of other servers are read without their comments', () => {
  const read = readResults(
    'mx.example (it (is) ours);\r\n dmarc=pass (p=none) header.from=A.example; spf=fail smtp.mailfrom="x@b.example"; nonsense; dkim=pass header.d = c.example',
  )
  expect(read.map(({ method, result, properties }) => [method, result, Object.fromEntries(properties)])).toEqual([
    ['dmarc', 'pass', { 'header.from': 'a.example' }],
    ['spf', 'fail', { 'smtp.mailfrom': 'x@b.example' }],
    ['dkim', 'pass', { 'header.d': 'c.example' }],
  ])
  expect(readResults('mx.example; (dmarc=pass header.from=a.example); none')).toEqual([])
})

test.each([
  ['a quoted value', 'spf=pass smtp.mailfrom="; dmarc=pass header.from=bank.example; x"@evil.example'],
  [
    'a quoted value with a comment',
    'spf=pass smtp.mailfrom="(\\"; dmarc=pass header.from=bank.example; )"@evil.example',
  ],
  ['a value that is never closed', 'spf=pass smtp.mailfrom="; dmarc=pass header.from=bank.example'],
  ['a reason', 'dmarc=fail reason="; dmarc=pass header.from=bank.example" header.from=bank.example'],
  ['a property after white space', 'dmarc=pass reason="a header.from=bank.example b" header.from=evil.example'],
])('what a stranger has written into %s of a result is no result', (_what, results) => {
  const authentic = readResults(`mx.example; ${results}`).filter(
    ({ method, result, properties }) =>
      method === 'dmarc' && result === 'pass' && properties.get('header.from') === 'bank.example',
  )
  expect(authentic).toEqual([])
})

test.each([
  ['mx.example; none', 'mx.example'],
  [' MX.Example 1; none', 'mx.example'],
  ['(a (nested) comment)\r\n mx.example; none', 'mx.example'],
  ['"mx.example"; none', 'mx.example'],
  ['"m\\x.example"; none', 'mx.example'],
  ['mx.example(x); none', 'mx.example'],
  ['mx.example.; none', 'mx.example'],
  ['mx.example/1; none', 'mx.example'],
  ['"mx.example."; none', 'mx.example'],
  ['mx.example', 'mx.example'],
  ['(never closed mx.example', ''],
  ['', ''],
])('the server of the field %j is %j', (value, server) => {
  expect(authservIdOf(value)).toBe(server)
})
