/**
 * How many messages per second do mail programs send through submission, beside Postfix with SASL, and beside the MX of the same server?
 *
 *   npm run bench -- submission
 *
 * All get the same messages of 5 KB for a mailbox of the server, in turn: over sessions that stay open, and with a new
 * session for each message. Both submission servers demand STARTTLS and AUTH PLAIN; Dovecot checks the passwords for Postfix, which
 * delivers to a Maildir, and neither signs, parses nor indexes. The MX parses and files a message; submission also does TLS and a
 * login, signs, and queues it for the delivery that files it once more.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { isDovecotThere } from '../test/support/dovecot-auth.ts'
import { createMailPool } from './mail-pool.ts'
import { isPostfixThere, startBenchPostfix } from './postfix.ts'
import { report } from './report.ts'
import { cpuMs, startBenchServer } from './server.ts'
import { Session } from './smtp-load.ts'

const ROUND_MS = 2_000
const ROUNDS = Number(process.env.ROUNDS ?? 3)
const SESSIONS = 10
const [FROM, TO] = ['agent@mail.localhost', 'load@mail.localhost']

const PASSWORD = 'password-of-this-run'

interface Target {
  readonly name: string
  open(): Promise<Session>
  /** The number of messages that have arrived; absent: a server files what it accepts. */
  readonly delivered?: () => number
}

const postfix =
  isPostfixThere() && isDovecotThere() ? await startBenchPostfix(2_527, { password: PASSWORD }) : undefined
if (!postfix) console.log('Postfix and Dovecot are not installed, or this is not root: no comparison with Postfix')
const server = await startBenchServer({ MARTLET_SUBMISSION_PORT: '0' })
try {
  for (const username of ['agent', 'load']) await server.request('POST', '/inboxes', { username })
  const { password } = await server.request('POST', `/inboxes/${FROM}/app-passwords`, {})
  const targets: Target[] = [
    { name: 'submission', open: () => Session.openLoggedIn(server.submissionPort!, FROM, password as string) },
    { name: 'MX', open: () => Session.open(server.smtpPort) },
    ...(postfix
      ? [
          {
            name: 'Postfix',
            open: () => Session.openLoggedIn(postfix.port, FROM, PASSWORD),
            delivered: postfix.delivered,
          },
        ]
      : []),
  ]
  const nextMail = createMailPool()
  const mail = () =>
    Buffer.from(
      nextMail(TO)
        .toString('latin1')
        .replace(/^From: .*$/m, `From: ${FROM}`),
      'latin1',
    )
  for (const isFresh of [false, true]) {
    const rates = new Map(targets.map(({ name }) => [name, [] as number[]]))
    let [cpu, count] = [0, 0]
    for (let round = 0; round <= ROUNDS; round++)
      for (const target of targets) {
        const before = cpuMs(server.pid)
        const deliveredBefore = target.delivered?.() ?? 0
        const sent = await sendFor(target, mail, isFresh)
        // The rest of its work must not run beside the next target. Ours files what is in its queue, beside the MX.
        while (target.delivered && target.delivered() - deliveredBefore < sent) await delay(20)
        if (round === 0) continue // the first round only warms up
        rates.get(target.name)!.push(sent / (ROUND_MS / 1_000))
        if (target.name !== 'submission') continue
        cpu += cpuMs(server.pid) - before
        count += sent
      }
    const ours = median(rates.get('submission')!)
    const how = isFresh ? 'one session per message' : 'sessions reused'
    for (const name of ['MX', 'Postfix']) {
      const theirs = median(rates.get(name) ?? [])
      if (theirs === undefined) continue
      report({
        what: `submission, ${SESSIONS} at a time, ${how}`,
        measured: `${Math.round(ours!)}/s, ${(cpu / count).toFixed(1)} ms of CPU time per message`,
        beside: `${name} ${Math.round(theirs)}/s`,
        ratio: ours! / theirs,
      })
    }
  }
} finally {
  await server.stop()
  await postfix?.stop()
}

async function sendFor({ open }: Target, mail: () => Buffer, isFresh: boolean): Promise<number> {
  const end = performance.now() + ROUND_MS
  let count = 0
  await Promise.all(
    Array.from({ length: SESSIONS }, async () => {
      let session: Session | undefined
      while (performance.now() < end) {
        session ??= await open()
        await session.deliver(FROM, TO, mail())
        count += 1
        if (!isFresh) continue
        await session.quit()
        session = undefined
      }
      await session?.quit()
    }),
  )
  return count
}

function median(values: readonly number[]): number | undefined {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]
}
