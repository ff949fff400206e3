/**
 * How many messages per second do mail programs send through submission, beside the MX of the same server?
 *
 *   npm run bench -- submission
 *
 * Both get the same messages of 5 KB for a mailbox of the server, in turn: over sessions that stay open, and with a new
 * session for each message. The MX parses and files a message; submission also does TLS and a login, signs, and queues it
 * for the delivery that files it once more. (Postfix with SASL was tried as the peer: Debian's
 * did not find the users of a private configuration.)
 */
import { createMailPool } from './mail-pool.ts'
import { cpuMs, startBenchServer } from './server.ts'
import { Session } from './smtp-load.ts'

const ROUND_MS = 2_000
const ROUNDS = 3
const SESSIONS = 10
const [FROM, TO] = ['agent@mail.localhost', 'load@mail.localhost']

interface Target {
  readonly name: string
  open(): Promise<Session>
}

const server = await startBenchServer({ MARTLET_SUBMISSION_PORT: '0' })
try {
  for (const username of ['agent', 'load']) await server.request('POST', '/inboxes', { username })
  const { password } = await server.request('POST', `/inboxes/${FROM}/app-passwords`, {})
  const targets: Target[] = [
    { name: 'submission', open: () => Session.openLoggedIn(server.submissionPort!, FROM, password as string) },
    { name: 'MX', open: () => Session.open(server.smtpPort) },
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
        if (target.name !== 'submission') continue
        cpu += cpuMs(server.pid) - before
        count += sent
      }
    const [ours, theirs] = ['submission', 'MX'].map((name) => median(rates.get(name) ?? []))
    const beside = theirs === undefined ? '' : `, MX ${Math.round(theirs)}/s, ratio ${(ours! / theirs).toFixed(2)}`
    const how = isFresh ? 'one session per message' : 'sessions reused'
    console.log(
      `${SESSIONS} at a time, ${how}: ${Math.round(ours!)}/s (${(cpu / count).toFixed(1)} ms CPU per message)${beside}`,
    )
  }
} finally {
  await server.stop()
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
