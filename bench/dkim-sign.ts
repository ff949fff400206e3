/**
 * How much faster is signing with node:crypto than nodemailer's DKIM module, and what is the limit set by bare RSA?
 *
 *   npm run bench -- dkim-sign
 *
 * All candidates sign the same 5 KB message with the same 2048-bit key, in alternating rounds. Eight signatures run at
 * a time, as in a queue, so that RSA runs on all cores.
 */
import { generateKeyPairSync, sign } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import { promisify } from 'node:util'
import DKIM from 'nodemailer/lib/dkim'
import { signMessage } from '../src/formats/dkim/dkim-sign.ts'

const MEASURE_MS = 1000
const ROUNDS = 3
const CONCURRENT = 8

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
const mail = Buffer.from(
  `From: ann@example.com\r\nTo: bob@example.net\r\nSubject: Hello\r\nDate: Mon, 1 Jan 2024 10:00:00 +0000\r\nMessage-ID: <1@example.com>\r\n\r\n${'A line of text, as long as lines are in mail.\r\n'.repeat(105)}`,
)
const nodemailer = new DKIM({ domainName: 'example.com', keySelector: 'm1', privateKey: pem })
const rawSign = promisify(sign)

const candidates: Record<string, () => Promise<unknown>> = {
  ours: () => signMessage(mail, { domain: 'example.com', selector: 'm1', privateKey }),
  'ours, key as PEM': () => signMessage(mail, { domain: 'example.com', selector: 'm1', privateKey: pem }),
  nodemailer: () => buffer(nodemailer.sign(mail)),
  'bare RSA': () => rawSign('sha256', mail, privateKey),
}

const rates = new Map<string, number[]>()
for (let round = 0; round <= ROUNDS; round++)
  for (const [name, run] of Object.entries(candidates)) {
    const rate = await perSecond(run)
    if (round > 0) rates.set(name, [...(rates.get(name) ?? []), rate]) // the first round only warms up the compiler
  }

const median = (name: string) => rates.get(name)!.sort((a, b) => a - b)[Math.floor(ROUNDS / 2)]!
console.log(`mail of ${mail.length} bytes, ${CONCURRENT} at a time, median of ${ROUNDS} rounds of ${MEASURE_MS} ms`)
for (const name of rates.keys()) console.log(`${name.padEnd(18)} ${Math.round(median(name))} signatures/s`)
console.log(
  `ratio to nodemailer ${(median('ours') / median('nodemailer')).toFixed(2)}, to bare RSA ${(median('ours') / median('bare RSA')).toFixed(2)}`,
)

async function perSecond(run: () => Promise<unknown>): Promise<number> {
  const started = performance.now()
  let count = 0
  const worker = async () => {
    while (performance.now() - started < MEASURE_MS) {
      await run()
      count++
    }
  }
  await Promise.all(Array.from({ length: CONCURRENT }, worker))
  return (count * 1000) / (performance.now() - started)
}
