/**
 * How long the event loop stands still while a mail program asks for a large message: an ordinary one, and some that are made to be slow. Each
 * is appended, and then asked for: its structure, the same again from the store, its text. Martlet only. Part of imap.ts.
 */
import type { Found } from './imap-commands.ts'
import { ImapSession } from './imap-load.ts'
import type { ImapPeer } from './imap-peers.ts'

const SIZES = (process.env.SIZES ?? '20,50').split(',').map(Number)
const MEGABYTE = 1_000_000

const fill = (piece: string, size: number) => piece.repeat(Math.floor(size / piece.length))
const MULTIPART = 'Content-Type: multipart/mixed; boundary=b\r\n\r\n'
const BASE64 = `${fill('QUJDREVGR0hJSktM', 76)}\r\n`

const MESSAGES: Readonly<Record<string, (size: number) => string>> = {
  ordinary: (size) =>
    `${MULTIPART}--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b\r\nContent-Type: application/pdf\r\n` +
    `Content-Transfer-Encoding: base64\r\n\r\n${fill(BASE64, size)}--b--\r\n`,
  'nearly delimiters': (size) => MULTIPART + fill('--ba\r\n', size),
  'empty lines in nested messages': (size) => fill('Content-Type: message/rfc822\r\n\r\n', 150) + fill('\r\n', size),
  'a header without an end': (size) => fill('a:\r\n', size),
  'long parameters': (size) =>
    MULTIPART +
    fill(
      `--b\r\nContent-Type: a/b${Array.from({ length: 100 }, (_, index) => `; p${index}=${fill('\xe9', 800)}`).join('')}\r\n\r\n`,
      size,
    ),
  'text in base64': (size) =>
    `Content-Type: text/plain\r\nContent-Transfer-Encoding: base64\r\n\r\n${fill(BASE64, size)}`,
}

const COMMANDS = {
  'first BODYSTRUCTURE': 'FETCH 1 (ENVELOPE BODYSTRUCTURE)',
  'BODYSTRUCTURE again': 'FETCH 1 (ENVELOPE BODYSTRUCTURE)',
  'SEARCH TEXT': 'SEARCH TEXT "words that no message has"',
}

export async function measureHostile(peer: ImapPeer, found: Found): Promise<void> {
  const session = await ImapSession.open(peer.plain)
  const only = process.env.ONLY
  for (const size of SIZES) {
    for (const [name, make] of Object.entries(MESSAGES)) {
      if (only !== undefined && !name.includes(only)) continue
      const mailbox = `M${found.size}`
      await session.command(`CREATE ${mailbox}`)
      await session.append(mailbox, Buffer.from(make(size * MEGABYTE), 'latin1'))
      await session.command(`SELECT ${mailbox}`)
      for (const [what, command] of Object.entries(COMMANDS)) {
        await peer.server!.probe()
        const before = performance.now()
        await session.command(command)
        const took = performance.now() - before
        const { stallMaxMs, stallCpuMaxMs } = await peer.server!.probe()
        found.set(`longest stall, ${name}, ${size} MB, ${what}, ms`, stallMaxMs)
        found.set(`in CPU time, ${name}, ${size} MB, ${what}, ms`, stallCpuMaxMs)
        found.set(`time, ${name}, ${size} MB, ${what}, ms`, took)
      }
      await session.command('UNSELECT')
    }
  }
  session.close()
}
