/**
 * IMAP sessions that begin and end IDLE without a pause, in clear text and over TLS. An IDLE is the cheapest command that reads the database, follows the
 * inbox and writes at once; over TLS, each write is also a record to encrypt.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { ImapClient } from '../imap/imap-client.ts'
import { ATTACKERS, type Attack, fill, scale, type Target } from './attack.ts'

type Play = (client: ImapClient) => Promise<unknown>

const ONE = 'i IDLE\r\nDONE\r\n'

/** After SELECT of a mailbox. */
const PLAYS: Record<string, Play> = {
  async 'IDLE without a pause'(client) {
    client.send(ONE.repeat(scale.flood))
    await expectEnds(client, scale.flood)
  },
  async 'IDLE with one byte in each write'(client) {
    const count = Math.ceil(scale.flood / 20)
    client.socket.setNoDelay(true)
    // One after the other: what is written together becomes one record of TLS.
    for (const byte of ONE.repeat(count)) await new Promise((resolve) => client.socket.write(byte, resolve))
    await expectEnds(client, count)
  },
  async 'IDLE without reading the answers'(client) {
    client.socket.pause()
    const isWritten = new Promise((resolve) => client.socket.write(ONE.repeat(40 * scale.flood), resolve))
    await Promise.race([isWritten, delay(300)])
  },
  async 'IDLE that ends with other words'(client) {
    client.send(fill('i IDLE\r\nOVER\r\n', scale.sizeBytes))
    await client.closed
    if (!client.unread.includes('* BYE ')) throw new Error('the connection was closed without BYE')
  },
  async 'a line without an end in IDLE'(client) {
    client.send(`i IDLE\r\n${fill('x', scale.sizeBytes)}`)
    await client.closed
  },
  async 'a client that leaves in IDLE'(client) {
    client.send('i IDLE\r\n')
    await client.response()
  },
}

export function imapAttacks(): Attack[] {
  return (['plain', 'tls'] as const).flatMap((kind) =>
    Object.entries(PLAYS).map(([name, play]) => ({
      name: `IMAP (${kind}), ${name}`,
      run: (target) => runPlay(target, kind, play),
    })),
  )
}

async function runPlay(target: Target, kind: 'plain' | 'tls', play: Play): Promise<string> {
  const options = { isTls: kind === 'tls', isInTest: false, localAddress: ATTACKERS[4]! }
  const client = await ImapClient.logIn(
    target.imapPorts[kind],
    { user: target.victim, password: target.appPassword },
    options,
  )
  const ending = new AbortController()
  const late = delay(scale.answerTimeoutMs, undefined, { signal: ending.signal }).then(() => {
    throw new Error(`no answer within ${scale.answerTimeoutMs} ms`)
  })
  late.catch(() => undefined)
  try {
    await client.ok('SELECT INBOX')
    await Promise.race([play(client), late])
    if (client.unread.includes('SERVERBUG')) throw new Error('the server failed')
    return `IMAP (${kind}) survived`
  } finally {
    ending.abort()
    client.destroy()
  }
}

/** Reads what the server says until this many IDLEs have ended well. */
async function expectEnds(client: ImapClient, count: number): Promise<void> {
  for (let ended = 0; ended < count; ) {
    const response = await client.response()
    if (response === 'i OK IDLE completed') ended += 1
    else if (!/^[+*] /.test(response) || response.startsWith('* BYE')) throw new Error(response.slice(0, 200))
  }
}
