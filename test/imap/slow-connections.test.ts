/**
 * Connections that speak slowly, before and after the login: in the middle of a command, of a literal, of a message that they append. They
 * cost the server process bounded memory, and others are served meanwhile.
 */
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { amount } from '../support/amount.ts'
import { MAIL_PROGRAMS_OFF } from '../support/free-port.ts'
import { ROOT_KEY } from '../support/root-key.ts'
import { startServer } from '../support/server-process.ts'
import { ImapClient } from './imap-client.ts'
import { messageWith } from './imap-under-test.ts'
import { IMAP_ON } from './martlet-under-test.ts'

const COUNT = amount({ short: 200, long: 1_000 })
const PER_ACCOUNT = 25
const PER_CONNECTION_KIB = 32
/** What the process needs for the first connections, whatever their number: compiled code, caches, free memory that it keeps. */
const SPARE_KIB = 64 * 1_024

test.skipIf(process.platform !== 'linux')(
  `${COUNT} connections that speak slowly cost at most ${PER_CONNECTION_KIB} KiB each`,
  async () => {
    const dataDir = await mkdtemp(join(tmpdir(), 'martlet-test-'))
    const server = await startServer({
      ...{ MARTLET_DATA_DIR: dataDir, MARTLET_ROOT_KEY: ROOT_KEY, MARTLET_HTTP_PORT: '0', MARTLET_SMTP_PORT: '0' },
      ...{ ...MAIL_PROGRAMS_OFF, ...IMAP_ON },
    })
    onTestFinished(async () => {
      server.signal('SIGKILL')
      await server.exited
      await rm(dataDir, { recursive: true, force: true })
    })
    const port = server.lines.find(({ msg }) => msg === 'ready')!.imapPort as number
    const post = async (path: string, body: unknown) => {
      const headers = { authorization: `Bearer ${ROOT_KEY}`, 'content-type': 'application/json' }
      const answer = await fetch(`${server.url}/v0/inboxes${path}`, {
        method: 'POST',
        headers,
        body: JSON.stringify(body),
      })
      // biome-ignore lint/suspicious/noExplicitAny: tests read any response
      return (await answer.json()) as any
    }
    const accounts = []
    for (let i = 0; i <= COUNT / 2 / PER_ACCOUNT; i++) {
      const { email: user } = await post('', { username: `u${i}` })
      const { password } = await post(`/${user}/app-passwords`, {})
      accounts.push({ user, password })
    }
    const honest = await ImapClient.logIn(port, accounts.at(-1)!)
    const rssKib = async () => Number(/VmRSS:\s+(\d+)/.exec(await readFile(`/proc/${server.pid}/status`, 'utf8'))![1])

    const clients: ImapClient[] = []
    const begun = [
      'x LOGIN "',
      'x LOGIN {8000+}\r\n',
      'x SEARCH TEXT "',
      'x APPEND INBOX {10000000+}\r\nSubject: x\r\n\r\n',
    ]
    const before = await rssKib()
    for (let i = 0; i < COUNT; i++) {
      // 200 connections are allowed for each address.
      const client = await ImapClient.open(port, { localAddress: `127.0.0.${2 + Math.floor(i / 100)}` })
      if (i % 4 >= 2) {
        const { user, password } = accounts[Math.floor(i / 2 / PER_ACCOUNT)]!
        await client.ok(`LOGIN ${user} "${password}"`)
        await client.ok('SELECT INBOX')
      }
      client.send(begun[i % 4]!)
      clients.push(client)
    }
    for (let round = 0; round < 60; round++) {
      for (const client of clients) client.send('y'.repeat(100))
      await honest.ok('NOOP')
    }
    expect(await honest.append('INBOX', messageWith('served'))).toMatchObject({ status: 'OK' })
    const grownKib = (await rssKib()) - before
    console.log(`${grownKib} KiB for ${COUNT} connections`)
    expect(grownKib).toBeLessThan(SPARE_KIB + COUNT * PER_CONNECTION_KIB)
    expect(clients.map(({ unread }) => unread).filter((text) => text !== '')).toEqual([])
  },
)
