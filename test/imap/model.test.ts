/**
 * Concurrent sessions of one mailbox do random things, while it is also changed from outside. Each session keeps what its client must
 * believe from the responses alone: UIDs in order and their flags. After a NOOP, every belief must equal the mailbox. On the
 * way, every response must fit the belief: a number that does not exist, or an EXPUNGE where none may be, fails at once.
 */
import { expect, test } from 'vitest'
import { amount, firstSeed } from '../support/amount.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { Believer } from './believer.ts'
import { ImapClient } from './imap-client.ts'
import { type MemoryServer, messageWith, startMemoryServer, useServer } from './imap-under-test.ts'

const server = useServer(() => startMemoryServer())

async function drive({ port, store, createAccount }: MemoryServer, seed: number, steps: number): Promise<void> {
  const random = seededRandom(seed)
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!
  const account = await createAccount()
  const inbox = store.inboxes.get(account.user)!
  const mailbox = inbox.add('Work')
  inbox.add('Other')
  mailbox.append(Array.from({ length: 5 }, (_, i) => ({ raw: Buffer.from(messageWith(`m${i}`)) })))
  const believers: Believer[] = []
  for (let i = 0; i < 4; i++) {
    const client = await ImapClient.logIn(port, account)
    if (i % 2 === 1) await client.ok('ENABLE QRESYNC')
    believers.push(new Believer(client, i % 2 === 1))
    await believers[i]!.select()
  }
  const flag = () => pick(['\\Seen', '\\Flagged', '\\Deleted', '\\Deleted', 'kw'])
  const uids = () => Array.from(mailbox.snapshot.uids)
  const outside = () => {
    const act = pick(['append', 'change', 'remove'])
    if (act === 'append')
      mailbox.append([{ raw: Buffer.from(messageWith('new')), flags: random() < 0.3 ? [flag()] : [] }])
    else if (act === 'change')
      mailbox.change([pick(uids())!].filter(Boolean), { how: pick(['add', 'remove']), flags: [flag()] })
    else mailbox.remove([pick(uids())!].filter(Boolean))
  }
  const act = async (believer: Believer): Promise<void> => {
    const { messages } = believer
    const number = 1 + Math.floor(random() * messages.length)
    const set = messages.length === 0 ? '1:*' : pick([`${number}`, `${number}:*`, '1:*'])
    const uid = pick(messages)?.uid ?? 1
    switch (
      pick([
        'noop',
        'fetch',
        'store',
        'uid store',
        'expunge',
        'move',
        'copy',
        'append',
        'search',
        'outside',
        'idle',
        'body',
        'select',
      ])
    ) {
      case 'noop':
        return believer.run('NOOP')
      case 'fetch':
        return believer.run(`FETCH ${set} (UID FLAGS)`)
      case 'body':
        return believer.run(`FETCH ${set} BODY[TEXT]`)
      case 'store':
        return believer.run(`STORE ${set} ${pick(['+', '-', ''])}FLAGS (${flag()})`)
      case 'uid store':
        return believer.run(`UID STORE ${uid} ${pick(['+', '-'])}FLAGS (${flag()})`)
      case 'expunge':
        return believer.run(random() < 0.5 ? 'EXPUNGE' : `UID EXPUNGE ${uid}:*`)
      case 'move':
        return believer.run(`${pick(['UID MOVE', 'UID COPY'])} ${uid} Other`)
      case 'copy':
        return believer.run(`COPY ${set} Work`)
      case 'append':
        return believer.run(`APPEND Work {5+}\r\nA: b\n`)
      case 'search':
        return believer.run('SEARCH DELETED')
      case 'outside':
        return outside()
      case 'idle':
        return believer.idle(async () => {
          for (let i = 0; i < 3; i++) outside()
        })
      case 'select':
        return believer.select()
    }
  }
  for (let step = 0; step < steps; step++) {
    // Sometimes all at once, sometimes one after the other.
    if (random() < 0.5) await Promise.all(believers.map(act))
    else await act(pick(believers))
    if (uids().length > 40) mailbox.remove(uids().slice(20))
    if (step % 10 !== 9) continue
    for (const believer of believers) {
      await believer.run('NOOP')
      await believer.learnAll()
      expect(believer.messages).toEqual(uids().map((uid) => ({ uid, flags: mailbox.flagsOf(uid).join(' ') })))
    }
  }
  for (const { client } of believers) client.destroy()
}

const FIRST = firstSeed('TEST_SEED', 1)

test.each(Array.from({ length: amount({ short: 3, long: 100 }) }, (_, i) => FIRST + i))(
  'what clients believe equals the mailbox (seed %d)',
  (seed) => drive(server.current, seed, amount({ short: 150, long: 1_000 })),
  120_000,
)
