/**
 * Concurrent sessions of one inbox do random things in several mailboxes, while messages arrive and REST changes labels and deletes. At
 * intervals, what each session believes after a NOOP must equal what a new session is sent, and this must equal what REST
 * says. A UID never means another message.
 */
import { expect, test } from 'vitest'
import { amount, firstSeed } from '../../support/amount.ts'
import { seededRandom } from '../../support/seeded-random.ts'
import { Believer } from '../believer.ts'
import { ImapClient } from '../imap-client.ts'
import { messageWith, useServer } from '../imap-under-test.ts'
import { type MartletUnderTest, startMartletImap } from '../martlet-under-test.ts'

const server = useServer(() => startMartletImap())

const MAILBOXES = ['INBOX', 'Work', 'Archive', 'Trash', 'Spam']
/** Labels that are neither flags nor keywords. */
const PLACES = ['received', 'unread', 'trash', 'spam', 'archived', 'work', 'flagged', 'replied']

/** Message of each UID of a mailbox, and its flags without \Deleted. */
type Contents = Map<number, { readonly subject: string; readonly flags: string }>

async function contentsOf(client: ImapClient, mailbox: string): Promise<Contents> {
  await client.ok(`EXAMINE ${mailbox}`)
  const found: Contents = new Map()
  for (const response of await client.ok('UID FETCH 1:* (UID FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])')) {
    const [, uid, flags] = /UID (\d+) FLAGS \((.*?)\)/.exec(response)!
    found.set(Number(uid), { subject: /Subject: (.*)\r\n/.exec(response)![1]!, flags: sorted(flags!) })
  }
  return found
}

const sorted = (flags: string) => flags.split(' ').filter(Boolean).toSorted().join(' ')
const withoutDeleted = (flags: string) => sorted(flags.replace('\\Deleted', ''))

/** Where a received message with these labels is (docs/adr/0069). */
function mailboxesOf(labels: readonly string[]): string[] {
  if (labels.includes('trash')) return ['Trash']
  if (labels.includes('spam')) return ['Spam']
  const found = [...(labels.includes('work') ? ['Work'] : []), ...(labels.includes('archived') ? ['Archive'] : [])]
  return found.length > 0 ? found : ['INBOX']
}

function flagsOf(labels: readonly string[]): string {
  return [
    ...(labels.includes('unread') ? [] : ['\\Seen']),
    ...(labels.includes('flagged') ? ['\\Flagged'] : []),
    ...(labels.includes('replied') ? ['\\Answered'] : []),
    ...labels.filter((label) => !PLACES.includes(label)),
  ]
    .toSorted()
    .join(' ')
}

async function drive({ world, port, createAccount }: MartletUnderTest, seed: number, steps: number): Promise<void> {
  console.log(`TEST_SEED=${seed}`)
  const random = seededRandom(seed)
  const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!
  const account = await createAccount()
  const path = `/v0/inboxes/${account.user}/messages`
  const observer = await ImapClient.logIn(port, account)
  await observer.ok('CREATE Work')
  const believers: Believer[] = []
  for (let i = 0; i < 4; i++) {
    const client = await ImapClient.logIn(port, account)
    if (i % 2 === 1) await client.ok('ENABLE QRESYNC')
    believers.push(new Believer(client, i % 2 === 1))
    await believers[i]!.select('INBOX')
  }
  let count = 0
  const arrive = () => world.smtp.send({ to: account.user, subject: `s${++count}`, text: 'x' })
  for (let i = 0; i < 5; i++) await arrive()

  /** Over REST: subject, id and labels of every message. */
  const list = async () => {
    const found: { subject: string; message_id: string; labels: string[] }[] = []
    let page = ''
    do {
      const { body } = await world.request('GET', `${path}?limit=100&include_trash=true&include_spam=true${page}`)
      found.push(...body.messages)
      page = body.next_page_token === undefined ? '' : `&page_token=${encodeURIComponent(body.next_page_token)}`
    } while (page !== '')
    return found
  }
  const outside = async (): Promise<void> => {
    if (random() < 0.3) {
      if (count < steps) await arrive()
      return
    }
    const message = pick(await list())
    if (!message) return
    const url = `${path}/${encodeURIComponent(message.message_id)}`
    if (random() < 0.1) {
      await world.request('DELETE', url)
      return
    }
    const label = pick(['unread', 'work', 'archived', 'trash', 'spam', 'flagged', 'todo'])
    await world.request('PATCH', url, { body: random() < 0.5 ? { add_labels: [label] } : { remove_labels: [label] } })
  }
  const act = async (believer: Believer): Promise<unknown> => {
    const number = 1 + Math.floor(random() * believer.messages.length)
    const set = believer.messages.length === 0 ? '1:*' : pick([`${number}`, `${number}`, `${number}:*`])
    const uid = pick(believer.messages)?.uid ?? 1
    const flag = () => pick(['\\Seen', '\\Flagged', '\\Answered', '\\Deleted', 'todo', '$Forwarded'])
    return pick([
      () => believer.run('NOOP'),
      () => believer.run(`FETCH ${set} (UID FLAGS)`),
      () => believer.run(`FETCH ${set} BODY[TEXT]`),
      () => believer.run(`STORE ${set} ${pick(['+', '-', ''])}FLAGS (${flag()})`),
      () => believer.run(`UID STORE ${uid} ${pick(['+', '-'])}FLAGS (${flag()})`),
      () => believer.run(random() < 0.5 ? 'EXPUNGE' : `UID EXPUNGE ${uid}:*`),
      () => believer.run(`UID ${pick(['MOVE', 'COPY'])} ${uid} ${pick(MAILBOXES)}`),
      () => believer.run(`${pick(['MOVE', 'COPY'])} ${set} ${pick(MAILBOXES)}`),
      () => {
        const message = messageWith(`s${++count}`)
        return believer.run(`APPEND ${pick(MAILBOXES)} (${flag()}) {${message.length}+}\r\n${message}`)
      },
      () => believer.run('SEARCH UNSEEN'),
      () => believer.idle(outside),
      () => believer.select(pick(MAILBOXES)),
      outside,
      outside,
    ])()
  }

  const everSeen = new Map<string, string>()
  const check = async () => {
    const contents = new Map<string, Contents>()
    for (const mailbox of MAILBOXES) {
      const found = await contentsOf(observer, mailbox)
      contents.set(mailbox, found)
      for (const [uid, { subject }] of found) {
        const name = `${mailbox}:${uid}`
        expect(everSeen.get(name) ?? subject, name).toBe(subject)
        everSeen.set(name, subject)
      }
    }
    const shown = MAILBOXES.flatMap((mailbox) =>
      [...contents.get(mailbox)!.values()].map(
        ({ subject, flags }) => `${mailbox} ${subject} (${withoutDeleted(flags).toLowerCase()})`,
      ),
    )
    const wanted = (await list()).flatMap(({ subject, labels }) =>
      mailboxesOf(labels).map((mailbox) => `${mailbox} ${subject} (${flagsOf(labels).toLowerCase()})`),
    )
    expect(shown.toSorted()).toEqual(wanted.toSorted())
    for (const believer of believers) {
      await believer.run('NOOP')
      await believer.learnAll()
      const believed = believer.messages.map(({ uid, flags }) => [uid, sorted(flags!)])
      expect(believed).toEqual([...contents.get(believer.mailbox)!].map(([uid, { flags }]) => [uid, flags]))
    }
  }

  for (let step = 0; step < steps; step++) {
    // Sometimes all at once, sometimes one after the other.
    if (random() < 0.5) await Promise.all(believers.map(act))
    else await act(pick(believers))
    if (step % 20 === 19) await check()
  }
}

const FIRST = firstSeed('TEST_SEED', 1)

test.each(Array.from({ length: amount({ short: 1, long: 20 }) }, (_, i) => FIRST + i))(
  'what every session believes equals the inbox (seed %d)',
  (seed) => drive(server.current, seed, amount({ short: 80, long: 600 })),
  300_000,
)
