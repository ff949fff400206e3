/**
 * How many messages per second do mail programs send through submission, compared with Postfix with SASL?
 *
 *   npm run bench -- submission
 *
 * Both get the same messages of 5 KB after STARTTLS and AUTH PLAIN, for a mailbox of their own, in turn: over sessions that
 * stay open, and with a new session for each message. Postfix signs, parses and indexes nothing. Without Postfix and
 * saslpasswd2, only our figures are printed.
 */
import { existsSync } from 'node:fs'
import { createSelfSigned } from '../src/net/self-signed.ts'
import { createMailPool } from './mail-pool.ts'
import { isPostfixThere, startPostfix } from './postfix.ts'
import { cpuMs, startBenchServer } from './server.ts'
import { Session } from './smtp-load.ts'

const ROUND_MS = 2_000
const ROUNDS = 3
const SESSIONS = 10
const [FROM, TO, PASSWORD] = ['agent@mail.localhost', 'load@mail.localhost', 'password-of-this-run']

interface Target {
  readonly name: string
  readonly port: number
  readonly password: string
}

const server = await startBenchServer({ MARTLET_SUBMISSION_PORT: '0' })
const { cert, key } = await createSelfSigned({ hostname: 'bench.localhost', nowMs: Date.now() })
const hasPostfix = isPostfixThere() && existsSync('/usr/sbin/saslpasswd2')
const postfix = hasPostfix ? startPostfix(2_528, undefined, { user: FROM, password: PASSWORD, cert, key }) : undefined
try {
  for (const username of ['agent', 'load']) await server.request('POST', '/inboxes', { username })
  const { password } = await server.request('POST', `/inboxes/${FROM}/app-passwords`, {})
  const targets: Target[] = [
    { name: 'Martlet', port: server.submissionPort!, password: password as string },
    ...(postfix ? [{ name: 'Postfix', port: postfix.port, password: PASSWORD }] : []),
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
        const sent = await sendFor(target, mail, isFresh)
        if (round === 0) continue // the first round only warms up
        rates.get(target.name)!.push(sent / (ROUND_MS / 1_000))
        if (target.name !== 'Martlet') continue
        cpu += cpuMs(server.pid) - before
        count += sent
      }
    const [ours, theirs] = ['Martlet', 'Postfix'].map((name) => median(rates.get(name) ?? []))
    const beside = theirs === undefined ? '' : `, Postfix ${Math.round(theirs)}/s, ratio ${(ours! / theirs).toFixed(2)}`
    const how = isFresh ? 'one session per message' : 'sessions reused'
    console.log(
      `${SESSIONS} at a time, ${how}: ${Math.round(ours!)}/s (${(cpu / count).toFixed(1)} ms CPU per message)${beside}`,
    )
  }
} finally {
  postfix?.stop()
  await server.stop()
}

async function sendFor({ port, password }: Target, mail: () => Buffer, isFresh: boolean): Promise<number> {
  const end = performance.now() + ROUND_MS
  let count = 0
  await Promise.all(
    Array.from({ length: SESSIONS }, async () => {
      let session: Session | undefined
      while (performance.now() < end) {
        session ??= await Session.openLoggedIn(port, FROM, password)
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
