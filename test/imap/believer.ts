/**
 * What a mail program must believe of the mailbox that it has selected, from the responses alone: UIDs in order, and their flags. Every
 * response must fit the belief: a number that does not exist, or an EXPUNGE where none may be, fails at once.
 */
import { expect } from 'vitest'
import type { ImapClient } from './imap-client.ts'

export interface Belief {
  uid: number | undefined
  flags: string | undefined
}

/** What a client knows, from responses alone. */
export class Believer {
  messages: Belief[] = []
  mailbox = ''
  readonly client: ImapClient
  readonly isQresync: boolean

  constructor(client: ImapClient, isQresync: boolean) {
    this.client = client
    this.isQresync = isQresync
  }

  async select(mailbox = 'Work'): Promise<void> {
    this.messages = []
    this.mailbox = mailbox
    for (const response of await this.client.ok(`SELECT ${mailbox}`)) this.#learn(response, true)
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
