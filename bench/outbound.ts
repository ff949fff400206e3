/**
 * How many sends per second are accepted over REST, each signed, stored and queued on disk before its 200, compared with those
 * that Postfix accepts through submission? And how many messages per second reach 100 destinations from there, compared with
 * Postfix in the same run?
 *
 *   npm run bench -- outbound
 *
 * Submission to Postfix is over STARTTLS with SASL, for which Dovecot checks the passwords; it neither composes nor signs, and a
 * message stays in its queue, as the message of a send does here, where no route is set.
 *
 * The mail server of every destination is one smtp-sink on loopback (destinations.ts). Both mail servers are given
 * MESSAGES messages as fast as they accept them, Martlet over REST and Postfix over SMTP, and the clock stops when the
 * last one has been delivered. Postfix neither composes nor signs, and has a fixed next hop instead of a DNS lookup.
 * Rounds alternate; the median is printed.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { isDovecotThere } from '../test/support/dovecot-auth.ts'
import { DOMAINS, SINK_PORT, sendToDestination, startDestinations } from './destinations.ts'
import { isPostfixThere, startBenchPostfix } from './postfix.ts'
import { atLeast, report } from './report.ts'
import { type BenchServer, cpuMs, eventLoopMs, startBenchServer } from './server.ts'
import { Session, sampleMail } from './smtp-load.ts'

const ROUNDS = Number(process.env.ROUNDS ?? 3)
const MESSAGES = Number(process.env.MESSAGES ?? 1_000)
const SENDERS = Number(process.env.SENDERS ?? 20)
const FROM = 'load@mail.localhost'
const PASSWORD = 'password-of-this-run'
const GOALS = { accepted: 2, delivered: 1 }

const destinations = await startDestinations()
const holding = await startBenchServer()
const sending = await startBenchServer(destinations.env)
const postfix = isPostfixThere()
  ? await startBenchPostfix(2_527, { nextHop: `smtp:[127.0.0.1]:${SINK_PORT}` })
  : undefined
const submission =
  isPostfixThere() && isDovecotThere()
    ? await startBenchPostfix(2_528, { password: PASSWORD, isHeld: true })
    : undefined
try {
  for (const server of [holding, sending]) await server.request('POST', '/inboxes', { username: 'load' })
  const accepted: number[] = []
  const submitted: number[] = []
  const ours: number[] = []
  const theirs: number[] = []
  let [eventLoop, all] = [0, 0]
  for (let round = 0; round < ROUNDS; round += 1) {
    const used = { eventLoop: eventLoopMs(holding.pid), all: cpuMs(holding.pid) }
    accepted.push(await perSecond(() => sendAll(holding)))
    eventLoop += eventLoopMs(holding.pid) - used.eventLoop
    all += cpuMs(holding.pid) - used.all
    if (submission) {
      const open = () => Session.openLoggedIn(submission.port, FROM, PASSWORD)
      submitted.push(await perSecond(() => injectAll(open)))
    }
    const before = await delivered(sending)
    ours.push(
      await perSecond(async () => {
        await sendAll(sending)
        while ((await delivered(sending)) - before < MESSAGES) await delay(20)
      }),
    )
    if (!postfix) continue
    const sentBefore = postfix.sent()
    theirs.push(
      await perSecond(async () => {
        await injectAll(() => Session.open(postfix.port))
        while (postfix.sent() - sentBefore < MESSAGES) await delay(20)
      }),
    )
  }
  const ms = (total: number) => (total / ROUNDS / MESSAGES).toFixed(2)
  const acceptedRatio = median(accepted) / median(submitted)
  report({
    what: `sends accepted over REST, ${SENDERS} at a time`,
    measured: `${rate(accepted)}, ${ms(eventLoop)} ms of the event loop, ${ms(all)} ms of all threads each`,
    ...(submission && {
      beside: `Postfix submission ${rate(submitted)}`,
      ratio: acceptedRatio,
      ...atLeast(acceptedRatio, GOALS.accepted),
    }),
  })
  const deliveredRatio = median(ours) / median(theirs)
  report({
    what: `from the call to the last of ${DOMAINS.length} destinations`,
    measured: rate(ours),
    ...(postfix && {
      beside: `Postfix ${rate(theirs)}`,
      ratio: deliveredRatio,
      ...atLeast(deliveredRatio, GOALS.delivered),
    }),
  })
} finally {
  await holding.stop()
  await sending.stop()
  await postfix?.stop()
  await submission?.stop()
  await destinations.stop()
}

async function sendAll(server: BenchServer): Promise<void> {
  await share((index) => sendToDestination(server, index))
}

async function injectAll(open: () => Promise<Session>): Promise<void> {
  const sessions = await Promise.all(Array.from({ length: SENDERS }, open))
  await share(async (index, sender) => {
    const to = `zoe@${DOMAINS[index % DOMAINS.length]}`
    await sessions[sender]!.deliver(FROM, to, sampleMail(`${index}`))
  })
  for (const session of sessions) await session.quit()
}

/** Makes MESSAGES calls, with SENDERS of them at a time. */
async function share(act: (index: number, sender: number) => Promise<void>): Promise<void> {
  let next = 0
  await Promise.all(
    Array.from({ length: SENDERS }, async (_, sender) => {
      while (next < MESSAGES) await act(next++, sender)
    }),
  )
}

async function delivered({ url }: BenchServer): Promise<number> {
  const text = await (await fetch(`${url}/metrics`)).text()
  const line = /^martlet_recipient_attempts_total\{outcome="delivered"\} (\d+)$/m.exec(text)
  return Number(line?.[1] ?? 0)
}

async function perSecond(act: () => Promise<void>): Promise<number> {
  const start = performance.now()
  await act()
  return MESSAGES / ((performance.now() - start) / 1_000)
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}

function rate(values: readonly number[]): string {
  return `${Math.round(median(values))}/s (${Math.round(Math.min(...values))}–${Math.round(Math.max(...values))})`
}
