/**
 * Kills the server with kill -9 at random instants, while mail programs store flags, move, append and remove, and mail arrives. Afterwards
 * no UID means another message than before, and what was answered OK is there: messages and flags. What got no
 * answer is either done or not.
 *
 * KILL_CUTS sets the number of kills (few in `npm test`, many in `npm run test:long`), KILL_SEED the random seed.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { createTransport } from 'nodemailer'
import { expect, onTestFinished, test } from 'vitest'
import { ImapClient } from '../imap/imap-client.ts'
import { messageWith } from '../imap/imap-under-test.ts'
import { IMAP_ON } from '../imap/martlet-under-test.ts'
import { amount } from '../support/amount.ts'
import { MAIL_PROGRAMS_OFF } from '../support/free-port.ts'
import { ROOT_KEY } from '../support/root-key.ts'
import { seededRandom } from '../support/seeded-random.ts'
import { type ServerProcess, startServer } from '../support/server-process.ts'
import { createTestDatabase } from '../support/test-database.ts'
import { diskFolder } from '../support/test-folders.ts'

const SEED = Number(process.env.KILL_SEED ?? Date.now() % 1_000_000)
const CUTS = Number(process.env.KILL_CUTS ?? amount({ short: 2, long: 50 }))
const WRITERS = 3
const MAILBOXES = ['INBOX', 'Work', 'Archive', 'Trash'] as const
const FLAGS = ['\\Seen', '\\Flagged', 'todo']

type Mailbox = (typeof MAILBOXES)[number]

/** A message of one writer. More than one possibility: a command got no answer. */
interface Known {
  readonly subject: string
  /** undefined: removed for ever, or never stored. */
  places: ({ readonly mailbox: Mailbox; readonly uid: number | undefined } | undefined)[]
  /** For each flag. */
  readonly flags: Map<string, readonly boolean[]>
}

test(
  `after ${CUTS} kills, no UID means another message, and no change that was answered OK is lost`,
  async () => {
    console.log(`KILL_SEED=${SEED}`)
    const random = seededRandom(SEED)
    const pick = <T>(from: readonly T[]): T => from[Math.floor(random() * from.length)]!
    const dataDir = await mkdtemp(join(diskFolder(), 'martlet-test-'))
    const database = await createTestDatabase('started', dataDir)
    let server: ServerProcess | undefined
    onTestFinished(async () => {
      server?.signal('SIGKILL')
      await server?.exited
      await database[Symbol.asyncDispose]()
      await rm(dataDir, { recursive: true, force: true })
    })
    const start = async () => {
      server = await startServer({
        ...{ MARTLET_DATA_DIR: dataDir, MARTLET_DATABASE_URL: database.url ?? '', MARTLET_ROOT_KEY: ROOT_KEY },
        ...{ MARTLET_HTTP_PORT: '0', MARTLET_SMTP_PORT: '0', ...MAIL_PROGRAMS_OFF, ...IMAP_ON },
      })
    }
    await start()
    const call = async (method: string, path: string, body?: unknown) => {
      const headers = { authorization: `Bearer ${ROOT_KEY}`, 'content-type': 'application/json' }
      const answer = await fetch(`${server!.url}/v0/inboxes${path}`, {
        ...{ method, headers, ...(body !== undefined && { body: JSON.stringify(body) }) },
      })
      // biome-ignore lint/suspicious/noExplicitAny: tests read any response
      return (await answer.json()) as any
    }
    const { email: user } = await call('POST', '', { username: 'ada' })
    const { password } = await call('POST', `/${user}/app-passwords`, {})
    const logIn = async () => {
      const client = await ImapClient.open(imapPortOf(server!), { isInTest: false })
      await client.ok(`LOGIN ${user} "${password}"`)
      return client
    }
    const setUp = await logIn()
    await setUp.ok('CREATE Work')
    const validities = await uidValidities(setUp)
    setUp.destroy()

    /** Subject of each UID that a session has ever seen, or had in a response to its own command. */
    const meanings = new Map<string, string>()
    const learn = (mailbox: Mailbox, uid: number, subject: string) => {
      const name = `${mailbox} ${uid}`
      expect(meanings.get(name) ?? subject, name).toBe(subject)
      meanings.set(name, subject)
    }
    const known: Known[][] = Array.from({ length: WRITERS }, () => [])
    const accepted = new Set<string>()
    let count = 0
    const figures = { answered: 0, unanswered: 0, uids: 0 }
    let killAt = 0
    let reached: () => void = () => undefined
    const answered = () => {
      figures.answered += 1
      if (figures.answered >= killAt) reached()
    }

    /** One writer changes only its own messages, so that the outcome of each command is known. */
    const write = async (own: Known[]): Promise<void> => {
      const client = await logIn()
      let selected: Mailbox | undefined
      try {
        for (;;) {
          const message = pick(own)
          if (!message || (own.length < 20 && random() < 0.3)) {
            await append(client, own)
            answered()
            continue
          }
          const [place] = message.places
          if (!place || message.places.length > 1 || place.uid === undefined) continue
          if (selected !== place.mailbox) await client.ok(`SELECT ${place.mailbox}`)
          selected = place.mailbox
          await change(client, own, message, { mailbox: place.mailbox, uid: place.uid })
          answered()
        }
      } catch (error) {
        if (!/^closed|ECONN/.test((error as Error).message)) throw error
        figures.unanswered += 1
      } finally {
        client.destroy()
      }
    }
    const append = async (client: ImapClient, own: Known[]) => {
      const subject = `m${++count}`
      const [mailbox, flag] = [pick(['INBOX', 'Work'] as const), pick(FLAGS)]
      const message: Known = {
        subject,
        places: [undefined, { mailbox, uid: undefined }],
        flags: new Map(FLAGS.map((each) => [each, [each === flag]])),
      }
      own.push(message)
      const { status, text } = await client.append(mailbox, messageWith(subject), `(${flag}) `)
      expect(status, text).toBe('OK')
      const uid = Number(/APPENDUID \d+ (\d+)/.exec(text)![1])
      learn(mailbox, uid, subject)
      message.places = [{ mailbox, uid }]
    }
    const change = async (
      client: ImapClient,
      own: Known[],
      message: Known,
      place: { readonly mailbox: Mailbox; readonly uid: number },
    ) => {
      const { mailbox, uid } = place
      const action = random()
      if (action < 0.6) {
        const flag = pick(FLAGS)
        const [before] = message.flags.get(flag)!
        message.flags.set(flag, [before!, !before])
        await client.ok(`UID STORE ${uid} ${before ? '-' : '+'}FLAGS.SILENT (${flag})`)
        message.flags.set(flag, [!before])
      } else if (action < 0.9 || mailbox !== 'Trash') {
        const target = pick(MAILBOXES.filter((each) => each !== mailbox))
        message.places = [place, { mailbox: target, uid: undefined }]
        const untagged = await client.ok(`UID MOVE ${uid} ${target}`)
        const code = untagged.map((text) => /COPYUID \d+ (\d+) (\d+)/.exec(text)).find(Boolean)!
        expect(Number(code[1])).toBe(uid)
        learn(target, Number(code[2]), message.subject)
        message.places = [{ mailbox: target, uid: Number(code[2]) }]
      } else {
        message.places = [place, undefined]
        await client.ok(`UID STORE ${uid} +FLAGS.SILENT (\\Deleted)`)
        await client.ok(`UID EXPUNGE ${uid}`)
        own.splice(own.indexOf(message), 1)
      }
    }
    /** Another session also sees UIDs that no response to a writer contained. */
    const watch = async (): Promise<void> => {
      const client = await logIn()
      try {
        for (;;) {
          const mailbox = pick(MAILBOXES)
          for (const [uid, { subject }] of await contentsOf(client, mailbox)) learn(mailbox, uid, subject)
        }
      } catch (error) {
        if (!/^closed|ECONN/.test((error as Error).message)) throw error
      } finally {
        client.destroy()
      }
    }
    const arrive = async (): Promise<void> => {
      const transport = createTransport({ host: '127.0.0.1', port: server!.smtpPort, pool: true, maxConnections: 1 })
      transport.on('error', () => undefined) // sendMail fails too
      try {
        for (;;) {
          const subject = `m${++count}`
          await transport.sendMail({ from: 'ann@example.test', to: user, subject, text: 'x' })
          accepted.add(subject)
        }
      } catch {
        // the server was killed
      } finally {
        transport.close()
      }
    }
    const check = async (): Promise<void> => {
      const client = await logIn()
      expect(await uidValidities(client)).toEqual(validities)
      const found = new Map<string, { mailbox: Mailbox; uid: number; flags: string }[]>()
      for (const mailbox of MAILBOXES) {
        const contents = await contentsOf(client, mailbox)
        for (const [uid, { subject, flags }] of contents) {
          learn(mailbox, uid, subject)
          found.set(subject, [...(found.get(subject) ?? []), { mailbox, uid, flags }])
        }
        const [status] = await client.ok(`STATUS ${mailbox} (UIDNEXT)`)
        const seen = [...meanings.keys()].filter((name) => name.startsWith(`${mailbox} `))
        const uidMax = Math.max(0, ...seen.map((name) => Number(name.split(' ')[1])))
        expect(Number(/UIDNEXT (\d+)/.exec(status!)![1])).toBeGreaterThan(uidMax)
      }
      for (const own of known) {
        for (const message of [...own]) {
          const [place, ...more] = found.get(message.subject) ?? []
          expect(more).toEqual([])
          const isPossible = message.places.some((each) =>
            each === undefined
              ? place === undefined
              : each.mailbox === place?.mailbox && (each.uid === undefined || each.uid === place.uid),
          )
          expect(isPossible, `${JSON.stringify(message.places)}, but ${JSON.stringify(place)}`).toBe(true)
          if (!place) {
            own.splice(own.indexOf(message), 1)
            continue
          }
          for (const [flag, possible] of message.flags) {
            const isSet = place.flags.split(' ').includes(flag)
            expect(possible, `${flag} of ${message.subject}: ${place.flags}`).toContain(isSet)
            message.flags.set(flag, [isSet])
          }
          message.places = [place]
        }
      }
      for (const subject of accepted) expect(found.get(subject), subject).toHaveLength(1)
      figures.uids = meanings.size
      client.destroy()
    }

    for (let cut = 0; cut < CUTS; cut += 1) {
      killAt = figures.answered + 10 + Math.floor(random() * 100)
      const isBusy = new Promise<void>((resolve) => {
        reached = resolve
      })
      const load = Promise.all([...known.map(write), watch(), arrive()])
      await Promise.race([load, isBusy])
      await delay(random() * 20) // not just after an answer: a kill at a random instant waits for nothing
      server!.signal('SIGKILL')
      await server!.exited
      await load
      await start()
      await check()
    }
    console.log(figures)
  },
  60_000 + CUTS * 10_000,
)

function imapPortOf({ lines }: ServerProcess): number {
  return lines.find(({ msg }) => msg === 'ready')!.imapPort as number
}

async function uidValidities(client: ImapClient): Promise<string[]> {
  const found: string[] = []
  for (const mailbox of MAILBOXES) found.push(...(await client.ok(`STATUS ${mailbox} (UIDVALIDITY)`)))
  return found
}

async function contentsOf(client: ImapClient, mailbox: Mailbox) {
  await client.ok(`EXAMINE ${mailbox}`)
  const found = new Map<number, { subject: string; flags: string }>()
  for (const response of await client.ok('UID FETCH 1:* (UID FLAGS BODY.PEEK[HEADER.FIELDS (SUBJECT)])')) {
    const [, uid, flags] = /UID (\d+) FLAGS \((.*?)\)/.exec(response) ?? []
    const [, subject] = /Subject: (.*)\r\n/.exec(response) ?? []
    if (uid && subject) found.set(Number(uid), { subject, flags: flags! }) // else it reports a change of flags
  }
  return found
}
