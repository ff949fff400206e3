/**
 * What does it cost to authenticate senders? Two servers get the same signed mail of about 5 KB, in turn: one trusts its clients and
 * checks nothing, the other one checks SPF, DKIM (RSA, 2,048 bits), DMARC and the name of the client's address, by a DNS server on
 * loopback. Compares the CPU time of all threads per message, and the rates.
 *
 *   npm run bench -- authentication
 *
 * The load generator with the DNS server is this process. Rounds alternate because a shared machine is never equally fast twice.
 */
import { generateKeyPairSync } from 'node:crypto'
import { signMessage } from '../src/formats/dkim/dkim-sign.ts'
import { startDns, type Zones } from '../test/support/dns-server.ts'
import { inStrings, keyRecord } from '../test/support/signed-mail.ts'
import { createMailPool } from './mail-pool.ts'
import { cpuMs, startBenchServer } from './server.ts'
import { load } from './smtp-load.ts'

const ROUNDS = Number(process.env.ROUNDS ?? 6)
const ROUND_MS = Number(process.env.ROUND_MS ?? 1_500)
const SESSIONS = Number(process.env.SESSIONS ?? 50)
const MAILS = Number(process.env.MAILS ?? 4_000)
const DOMAINS = 50
const TO = Array.from({ length: 50 }, (_, index) => `load${index}@mail.localhost`)

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
const zones: Zones = {
  'example.test': { TXT: ['v=spf1 ip4:127.0.0.1 -all'] },
  '1.0.0.127.in-addr.arpa': { PTR: ['mx.example.test'] },
  'mx.example.test': { A: ['127.0.0.1'] },
}
for (let index = 0; index < DOMAINS; index += 1) {
  zones[`s._domainkey.d${index}.example`] = { TXT: [inStrings(keyRecord(privateKey))] }
  zones[`_dmarc.d${index}.example`] = { TXT: ['v=DMARC1; p=reject'] }
}
const dns = await startDns(zones)

const nextMail = createMailPool()
const mails: Buffer[] = []
for (let index = 0; index < MAILS; index += 1) {
  const domain = `d${index % DOMAINS}.example`
  const mail = nextMail(TO[index % TO.length]!)
    .toString('latin1')
    .replace(/^From: .*$/m, `From: Ann <ann@${domain}>`)
  mails.push(await signMessage(Buffer.from(mail, 'latin1'), { domain, selector: 's', privateKey }))
}

const env = { MARTLET_DNS_SERVERS: dns.address }
const servers = {
  trusting: await startBenchServer(env),
  checking: await startBenchServer({
    ...env,
    MARTLET_TRUSTED_NETWORKS: 'none',
    MARTLET_SENDER_RATE: 'off',
    MARTLET_RECIPIENT_RATE: 'off',
  }),
}
const measured = Object.entries(servers).map(([name, server]) => ({
  ...{ name, server, sent: 0, cpu: [] as number[], rates: [] as number[] },
}))
try {
  for (const { server } of measured)
    for (const to of TO) await server.request('POST', '/inboxes', { username: to.split('@')[0] })
  for (let round = -1; round < ROUNDS; round += 1) {
    for (const one of measured) {
      const before = cpuMs(one.server.pid)
      const common = { to: TO, sessions: SESSIONS, isFresh: false, durationMs: ROUND_MS }
      const { perSecond, count } = await load({
        ...common,
        port: one.server.smtpPort,
        nextMail: () => mails[one.sent++ % MAILS]!,
      })
      if (round < 0) continue // the compiler warms up
      one.cpu.push((cpuMs(one.server.pid) - before) / count)
      one.rates.push(perSecond)
    }
  }
  const [trusting, checking] = measured
  for (const { name, cpu, rates, sent } of measured)
    console.log(
      `${name}: ${median(cpu).toFixed(2)} ms of CPU time per message, ${Math.round(median(rates))}/s (${sent} messages)`,
    )
  const ratios = checking!.cpu.map((cpu, round) => cpu / trusting!.cpu[round]!)
  const range = `${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)}`
  console.log(
    `CPU ratio checking / trusting: ${median(ratios).toFixed(2)} (${range}); DNS questions: ${dns.questions.length}`,
  )
} finally {
  for (const { server } of measured) await server.stop()
  await dns[Symbol.asyncDispose]()
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}
