/**
 * Two nodes with sessions of one mailbox, while mail arrives at both, and both append, flag and move: a UID means one message for ever, at
 * both nodes, and no message is lost. A failure shows as a UID with two subjects, or as a missing subject.
 */
import { expect } from 'vitest'
import { ImapClient } from '../imap/imap-client.ts'
import { type Account, createAccount, IMAP_ON } from '../imap/martlet-under-test.ts'
import { amount } from '../support/amount.ts'
import { notSupported } from '../support/test-database.ts'
import { startNodes, type World } from '../support/world.ts'

const onTwo = notSupported('sqlite', 'one process uses a data folder')
const ROUNDS = amount({ short: 10, long: 100 })

/** Subjects by UID, of all that any session has seen. */
class SeenUids {
  readonly subjects = new Map<number, string>()

  add(uid: number, subject: string): void {
    expect(this.subjects.get(uid) ?? subject, `UID ${uid}`).toBe(subject)
    this.subjects.set(uid, subject)
  }
}

onTwo('a UID means the same message at two nodes that both receive, append, flag and move', useBoth, {
  timeout: amount({ short: 30_000, long: 600_000 }),
})

async function useBoth(): Promise<void> {
  await using nodes = await startNodes({}, IMAP_ON)
  const account = await createAccount(nodes.one)
  const seen = new SeenUids()
  const wanted = new Set<string>()
  const moved = new Set<string>()
  let isOver = false

  const work = nodes.both.flatMap((node, index) => [
    append(node, `${index}a`),
    append(node, `${index}b`),
    receive(node, `${index}r`),
  ])
  const others = nodes.both.flatMap((node, index) => [watch(node), change(node, index)])
  await Promise.all(work)
  isOver = true
  await Promise.all(others)

  const lists = await Promise.all(nodes.both.map((node) => list(node, 'INBOX')))
  expect(lists[1]).toEqual(lists[0])
  const archived = await list(nodes.one, 'Archive')
  const found = [...lists[0]!.map(([, subject]) => subject), ...archived.map(([, subject]) => subject)]
  expect(found.toSorted()).toEqual([...wanted].toSorted())
  expect(archived.map(([, subject]) => subject).toSorted()).toEqual([...moved].toSorted())

  async function append(node: World, name: string): Promise<void> {
    const client = await ImapClient.logIn(node.imapPort, account)
    for (let round = 0; round < ROUNDS; round++) {
      const subject = `${name}${round}`
      wanted.add(subject)
      const { text } = await client.append('INBOX', `Subject: ${subject}\r\n\r\nhello\r\n`)
      const [, uid] = /^\[APPENDUID \d+ (\d+)\]/.exec(text)!
      seen.add(Number(uid), subject)
    }
  }

  async function receive(node: World, name: string): Promise<void> {
    for (let round = 0; round < ROUNDS; round++) {
      const subject = `${name}${round}`
      wanted.add(subject)
      await node.smtp.send({ to: account.user, subject, text: 'hello' })
    }
  }

  /** Follows the mailbox as a client does: by numbers, and asks what is new. */
  async function watch(node: World): Promise<void> {
    const client = await select(node, account, 'INBOX')
    do for (const [uid, subject] of await subjects(client)) seen.add(uid, subject)
    while (!isOver)
  }

  /** Flags all messages, and moves the first one away, again and again. */
  async function change(node: World, index: number): Promise<void> {
    const client = await select(node, account, 'INBOX')
    for (let round = 0; !isOver; round++) {
      const first = (await subjects(client)).at(index)
      await client.ok(`UID STORE 1:* ${round % 2 ? '-' : '+'}FLAGS.SILENT (\\Flagged)`)
      if (!first || round % 3 > 0) continue
      await client.ok(`UID MOVE ${first[0]} Archive`)
      moved.add(first[1])
    }
  }

  async function list(node: World, mailbox: string): Promise<[uid: number, subject: string][]> {
    const found = await subjects(await select(node, account, mailbox))
    expect(new Set(found.map(([uid]) => uid)).size).toBe(found.length)
    return found
  }
}

async function select(node: World, account: Account, mailbox: string): Promise<ImapClient> {
  const client = await ImapClient.logIn(node.imapPort, account)
  await client.ok(`SELECT ${mailbox}`)
  return client
}

async function subjects(client: ImapClient): Promise<[uid: number, subject: string][]> {
  const responses = await client.ok('UID FETCH 1:* (UID ENVELOPE)')
  return responses.flatMap((response): [number, string][] => {
    const [, uid, subject] = /^\d+ FETCH \(UID (\d+) ENVELOPE \((?:NIL|"[^"]*") "([^"]*)"/.exec(response) ?? []
    return uid === undefined ? [] : [[Number(uid), subject!]]
  })
}
