/**
 * Concurrent sessions of one mailbox do random things, while it is also changed from outside. Each session keeps what its client must
 * believe from the responses alone: UIDs in order and their flags. After a NOOP, every belief must equal the mailbox. On the
 * way, every response must fit the belief: a number that does not exist, or an EXPUNGE where none may be, fails at once.
 */
import { expect, test } from 'vitest'
import { amount } from '../support/amount.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { ImapClient } from './imap-client.ts'
import { type MemoryServer, messageWith, startMemoryServer, useServer } from './imap-under-test.ts'

const server = useServer(() => startMemoryServer())

interface Belief {
  uid: number | undefined
  flags: string | undefined
}

/** What a client knows, from responses alone. */
class Believer {
  messages: Belief[] = []
  readonly client: ImapClient
  readonly isQresync: boolean

  constructor(client: ImapClient, isQresync: boolean) {
    this.client = client
    this.isQresync = isQresync
  }

  async select(): Promise<void> {
    this.messages = []
    for (const response of await this.client.ok('SELECT Work')) this.#learn(response, true)
    await this.learnAll()
  }

  /** New messages have no flags yet: a client asks for them. */
  async learnAll(): Promise<void> {
    if (this.messages.length > 0) await this.run('UID FETCH 1:* (FLAGS)')
  }

  async run(command: string): Promise<void> {
    const mayExpunge = !/^(FETCH|STORE|SEARCH)/.test(command)
    const { untagged, status, text } = await this.client.command(command)
    if (status === 'BAD') throw new Error(`${command}: ${text}`)
    for (const response of untagged) this.#learn(response, mayExpunge)
  }

  async idle(act: () => Promise<void>): Promise<void> {
    const tag = this.client.begin('IDLE')
    expect(await this.client.response()).toMatch(/^\+/)
    await act()
    this.client.send('DONE\r\n')
    for (const response of (await this.client.end(tag)).untagged) this.#learn(response, true)
  }

  #learn(response: string, mayExpunge: boolean): void {
    const [, number, kind, rest] = /^(\d+) (EXISTS|EXPUNGE|FETCH)(.*)$/s.exec(response) ?? []
    const vanished = /^VANISHED ([\d:,]+)$/.exec(response)
    if (vanished) {
      expect(mayExpunge && this.isQresync, response).toBe(true)
      for (const uid of expand(vanished[1]!)) this.#remove(this.#find(uid), response)
    } else if (kind === 'EXISTS') {
      expect(Number(number), response).toBeGreaterThanOrEqual(this.messages.length)
      while (this.messages.length < Number(number)) this.messages.push({ uid: undefined, flags: undefined })
    } else if (kind === 'EXPUNGE') {
      expect(mayExpunge && !this.isQresync, response).toBe(true)
      this.#remove(Number(number) - 1, response)
    } else if (kind === 'FETCH') {
      const message = this.messages[Number(number) - 1]
      if (!message) throw new Error(`${response}, but there are ${this.messages.length}`)
      const [, uid] = /\bUID (\d+)/.exec(rest!) ?? []
      const [, flags] = /\bFLAGS \((.*?)\)/.exec(rest!) ?? []
      if (uid !== undefined) {
        if (message.uid !== undefined) expect(Number(uid), response).toBe(message.uid)
        message.uid = Number(uid)
      }
      if (flags !== undefined) message.flags = flags
    }
  }

  /** Or a message whose UID the client has not learned yet, among its neighbours. */
  #find(uid: number): number {
    const known = this.messages.findIndex((message) => message.uid === uid)
    if (known !== -1) return known
    const before = this.messages.findLastIndex((message) => message.uid !== undefined && message.uid < uid)
    return this.messages.findIndex((message, at) => at > before && message.uid === undefined)
  }

  #remove(at: number, response: string): void {
    if (!this.messages[at]) throw new Error(`${response}, but there are ${this.messages.length}`)
    this.messages.splice(at, 1)
  }
}

function* expand(set: string): Generator<number> {
  for (const part of set.split(',')) {
    const [first, last = first] = part.split(':').map(Number)
    for (let uid = first!; uid <= last!; uid++) yield uid
  }
}

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

test.each(Array.from({ length: amount({ short: 3, long: 100 }) }, (_, i) => Number(process.env.TEST_SEED ?? 1) + i))(
  'what clients believe equals the mailbox (seed %d)',
  (seed) => drive(server.current, seed, amount({ short: 150, long: 1_000 })),
  120_000,
)
