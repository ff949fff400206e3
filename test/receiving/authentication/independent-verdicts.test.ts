/**
 * Compares our verdicts with those of independent implementations: dkimpy (DKIM, ARC), pyspf (SPF) and authheaders (DMARC), on more
 * than 300 generated mails and records, and the example of RFC 8463. make-corpus.py made corpus.json and asked them.
 */
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { withLimits } from '../../../src/config/limits.ts'
import { readSenderEvidence } from '../../../src/formats/dkim/sender-evidence.ts'
import { evidenceLimits } from '../../../src/mail/messages/content/parsed-message.ts'
import { checkArc } from '../../../src/mail/receiving/authentication/arc-check.ts'
import { createSignatureChecks } from '../../../src/mail/receiving/authentication/dkim-check.ts'
import { checkDmarc } from '../../../src/mail/receiving/authentication/dmarc-check.ts'
import { checkSpf } from '../../../src/mail/receiving/authentication/spf-check.ts'
import { recordsOf, textZone, type ZoneRecords } from './zone-records.ts'

interface Corpus {
  readonly now: number
  readonly zone: Record<string, string[]>
  readonly dkim: { name: string; mail: string; verdicts: string[] }[]
  readonly arc: { name: string; mail: string; verdict: string }[]
  readonly spfZone: ZoneRecords
  readonly spf: { name: string; own: ZoneRecords; ip: string; sender: string; helo: string; verdict: string }[]
  readonly dmarc: {
    name: string
    zone: Record<string, string[]>
    from: string
    spf: [string, string] | null
    dkim: [string, string] | null
    verdict: { result: string; policy: string | null }
  }[]
}

const corpus: Corpus = JSON.parse(readFileSync(new URL('./corpus.json', import.meta.url), 'utf8'))
const limits = withLimits({})
const signatures = createSignatureChecks({ dns: recordsOf(textZone(corpus.zone)), limits })

/** Where verdicts differ, and why. RFC 6376 unless another one is named. */
const DKIM_DIFFERS: Readonly<Record<string, string>> = {
  // dkimpy rejects every message with several From fields. The signature is right, since it covers the lower one (§5.4.2);
  // our answer is that such a message has no verified domain.
  'simple/simple, a second From above': 'fail there, pass here',
  'simple/relaxed, a second From above': 'fail there, pass here',
  'relaxed/simple, a second From above': 'fail there, pass here',
  'relaxed/relaxed, a second From above': 'fail there, pass here',
  // RFC 5322 §4.5 allows it, and §3.4.2 says to remove it.
  'relaxed/simple, a space before a colon': 'error: MessageFormatError there, pass here',
  'relaxed/relaxed, a space before a colon': 'error: MessageFormatError there, pass here',
  // §5.4: "The From header field MUST be signed"
  'From is not signed': 'pass there, permerror here',
  // RFC 8017 §8.2.2 step 1: the signature is as long as the modulus
  'b= with three zero bytes before it': 'pass there, fail here',
  // §8.2: on purpose, since anyone can append to such a message
  'l= and an appended text': 'pass there, fail here',
  'l= is shorter': 'pass there, fail here',
  'l=0': 'pass there, fail here',
  // §3.4.5: there is no such body
  'l= is longer': 'pass there, fail here',
  // §3.6.1 h=, s= (a list) and t=
  'the key record "sha1"': 'pass there, permerror here',
  'the key record "email"': 'error: UnknownKeyTypeError there, pass here',
  'the key record "testing"': 'pass there, policy here',
  't=s, and i= is below the domain': 'pass there, permerror here',
}
const ARC_DIFFERS: Readonly<Record<string, string>> = {
  // RFC 8617 §5.2 step 2: "the chain state is 'fail'"
  'cv=fail in the second set': 'none there, fail here',
}
const SPF_DIFFERS: Readonly<Record<string, string>> = {}
const DMARC_DIFFERS: Readonly<Record<string, string>> = {
  // RFC 7489 §11.2: permerror for "a syntactically incorrect DMARC record"; the effect is that of none
  'without p=': 'none there, permerror here',
}

test('DKIM: the same signatures pass as with dkimpy', async () => {
  const differences: Record<string, string> = {}
  for (const { name, mail, verdicts } of corpus.dkim) {
    const evidence = readSenderEvidence(Buffer.from(mail, 'latin1'), evidenceLimits(limits))
    const results = await signatures.checkDkim(evidence, corpus.now)
    expect(results, name).toHaveLength(verdicts.length)
    for (const [index, { result }] of results.entries())
      if ((result === 'pass') !== (verdicts[index] === 'pass'))
        differences[name] = `${verdicts[index]} there, ${result} here`
  }
  expect(differences).toEqual(DKIM_DIFFERS)
})

test('ARC: the same chains pass as with dkimpy', async () => {
  const differences: Record<string, string> = {}
  for (const { name, mail, verdict } of corpus.arc) {
    const { arc } = readSenderEvidence(Buffer.from(mail, 'latin1'), evidenceLimits(limits))
    const { result } = await checkArc(arc, undefined, {
      signatures,
      trustedSealers: [],
      nowSeconds: corpus.now,
    })
    if (result !== verdict) differences[name] = `${verdict} there, ${result} here`
  }
  expect(differences).toEqual(ARC_DIFFERS)
})

test('SPF: the same results as with pyspf', async () => {
  const differences: Record<string, string> = {}
  for (const { name, own, ip, sender, helo, verdict } of corpus.spf) {
    const dns = recordsOf({ ...corpus.spfZone, ...own })
    const client = { ipAddress: ip, sender, helo }
    const { result } = await checkSpf(client, { dns, hostname: 'mx.test', limits })
    if (result !== verdict) differences[name] = `${verdict} there, ${result} here`
  }
  expect(differences).toEqual(SPF_DIFFERS)
})

test('DMARC: the same results as with authheaders', async () => {
  const differences: Record<string, string> = {}
  for (const { name, zone, from, spf, dkim, verdict } of corpus.dmarc) {
    const spfResult = spf
      ? ({ result: spf[0] as 'pass', domain: spf[1], identity: 'mailfrom' } as const)
      : ({ result: 'none', identity: 'mailfrom' } as const)
    const dkimResults = dkim ? [{ result: dkim[0] as 'pass', domain: dkim[1] }] : []
    const needs = { dns: recordsOf(textZone(zone)), limits, random: () => 0 }
    const { finding } = await checkDmarc(from, spfResult, dkimResults, needs)
    const theirs = `${verdict.result} ${verdict.policy ?? ''}`.toLowerCase().trim()
    const ours = `${finding.result} ${finding.policy ?? ''}`.trim()
    if (theirs !== ours) differences[name] = `${theirs} there, ${ours} here`
  }
  expect(differences).toEqual(DMARC_DIFFERS)
})
