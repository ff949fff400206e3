/**
 * SMTP sessions that flood, send very slowly, violate the protocol or never end; and messages that are costly to parse
 * (hostile-messages.ts).
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Random } from '../formats/random.ts'
import { ATTACKERS, type Attack, fill, scale, type Target } from './attack.ts'
import { mailShapes, randomMail } from './hostile-messages.ts'
import { SmtpPeer } from './smtp-peer.ts'

export function smtpAttacks(random: Random): Attack[] {
  return [...mailAttacks(random), ...sessionAttacks(random)]
}

/** Messages, which reach the database. */
export function mailAttacks(random: Random): Attack[] {
  const shaped = Object.entries(mailShapes).flatMap(([name, shape]) => {
    const large = random.below(8) === 0 ? [scale.largeBytes] : []
    return [scale.sizeBytes, ...large].map((sizeBytes) => ({
      name: `mail of ${name}, ${sizeBytes} bytes`,
      run: (target: Target) => deliver(target, () => shape(sizeBytes)),
    }))
  })
  const fuzzed = Array.from({ length: scale.fuzzed }, (_, index) => {
    const mail = randomMail(random)
    return {
      name: `random mail ${index}: ${JSON.stringify(mail.toString('latin1', 0, 200))}`,
      run: (target: Target) => deliver(target, () => mail),
    }
  })
  return [...shaped, ...fuzzed]
}

async function deliver(target: Target, mail: () => string | Buffer): Promise<string> {
  const peer = await SmtpPeer.inData(target, target.victim, ATTACKERS[2])
  await peer.send(mail())
  await peer.send('\r\n.\r\n')
  await peer.reply()
  return peer.leave()
}

type Play = (peer: SmtpPeer, target: Target) => Promise<unknown>

function sessionAttacks(random: Random): Attack[] {
  const garbage = random.bytes(20_000)
  /** After EHLO. */
  const sessions: Record<string, Play> = {
    'a line without an end': (peer) => peer.send(fill('x', scale.largeBytes)),
    'long lines': async (peer) => {
      await peer.send(fill(`NOOP ${fill('x', 5_000)}\r\n`, scale.largeBytes))
      await peer.closed
    },
    'commands without a pause': async (peer) => {
      await peer.send(fill('NOOP\r\n', 6 * scale.flood))
      await peer.quiet()
    },
    'commands that take long, without reading the answers': async (peer) => {
      peer.socket.pause()
      await Promise.race([peer.send(fill('HELP\r\n', 60 * scale.flood)), delay(300)])
    },
    'commands that are unknown': async (peer) => {
      await peer.send(fill('XYZZY\r\n', 7 * scale.flood))
      await peer.closed
    },
    'greetings again and again': async (peer) => {
      for (let count = 0; count < scale.flood / 20; count++) await peer.command(`EHLO ${fill('a.', 250)}b`)
    },
    'recipients by the thousand': async (peer, target) => {
      await peer.command('MAIL FROM:<>')
      await peer.send(fill(`RCPT TO:<${target.victim}>\r\n`, 40 * scale.flood))
      await peer.quiet()
    },
    'different recipients by the thousand': async (peer) => {
      await peer.command('MAIL FROM:<>')
      const lines = Array.from({ length: scale.flood }, (_, i) => `RCPT TO:<victim+${i}@mail.localhost>\r\n`)
      await peer.send(lines.join(''))
      await peer.quiet()
    },
    'transactions that are dropped': async (peer, target) => {
      const one = `MAIL FROM:<>\r\nRCPT TO:<${target.victim}>\r\nRSET\r\n`
      await peer.send(fill(one, 60 * scale.flood))
      await peer.quiet()
    },
    'messages without a pause': async (peer, target) => {
      const one = `MAIL FROM:<>\r\nRCPT TO:<${target.victim}>\r\nDATA\r\nSubject: x\r\n\r\nx\r\n.\r\n`
      await peer.send(one.repeat(Math.ceil(scale.flood / 100)))
      await peer.quiet()
    },
    'addresses of every kind': async (peer) => {
      for (const path of ODD_PATHS) {
        await peer.command(`MAIL FROM:${path}`)
        await peer.command('RSET')
      }
      await peer.command('MAIL FROM:<>')
      for (const path of ODD_PATHS.slice(0, 15)) await peer.command(`RCPT TO:${path}`)
    },
    'many parameters': (peer) => peer.command(`MAIL FROM:<> ${fill('A=b ', 4_000)}`),
    'a message that dribbles': async (peer, target) => {
      await peer.command('MAIL FROM:<>')
      await peer.command(`RCPT TO:<${target.victim}>`)
      await peer.command('DATA')
      for (let count = 0; count < 50; count++) {
        await peer.send('x')
        await delay(10)
      }
    },
    'a message that breaks off': async (peer, target) => {
      await peer.command('MAIL FROM:<>')
      await peer.command(`RCPT TO:<${target.victim}>`)
      await peer.command('DATA')
      await peer.send(fill('x\r\n', scale.sizeBytes))
    },
    'a message of stuffed dots': async (peer, target) => {
      await peer.command('MAIL FROM:<>')
      await peer.command(`RCPT TO:<${target.victim}>`)
      await peer.command('DATA')
      await peer.send(`${fill('..\r\n.x\r\n', scale.sizeBytes)}.\r\n`)
      await peer.quiet()
    },
    'a handshake that is none': async (peer) => {
      await peer.command('STARTTLS')
      await peer.send(garbage)
      await Promise.race([peer.closed, delay(300)])
    },
    'a handshake that never comes': async (peer) => {
      await peer.command('STARTTLS')
      await delay(300)
    },
    'commands behind STARTTLS': async (peer) => {
      await peer.send('STARTTLS\r\nEHLO x\r\nMAIL FROM:<>\r\nNOOP\r\n')
      await Promise.race([peer.closed, delay(300)])
    },
    'bytes at random': async (peer) => {
      await peer.send(garbage)
      await peer.send('\r\n')
      await peer.reply()
    },
    'control characters': async (peer) => {
      for (let code = 0; code < 32; code += 3) await peer.command(`NOOP ${String.fromCharCode(code)}`)
    },
    NULs: async (peer) => {
      await peer.send(Buffer.alloc(scale.sizeBytes))
      await peer.send('\r\n')
      await peer.reply()
    },
    'line feeds': (peer) => peer.send(fill('\n', scale.sizeBytes)),
  }
  const played = Object.entries(sessions).map(([name, play]) => ({
    name: `session of ${name}`,
    async run(target: Target) {
      const peer = await SmtpPeer.greeted(target, ATTACKERS[3])
      const late = delay(2 * scale.answerTimeoutMs, 'late', { ref: false })
      if ((await Promise.race([play(peer, target), late])) === 'late') throw new Error('it did not come to an end')
      return peer.leave()
    },
  }))
  return [...played, early('EHLO x\r\nMAIL FROM:<>\r\n'), early('GET / HTTP/1.1\r\nHost: x\r\n\r\n'), cutAtOnce()]
}

function early(bytes: string): Attack {
  return {
    name: `bytes before the greeting: ${JSON.stringify(bytes.slice(0, 20))}`,
    async run(target) {
      const peer = new SmtpPeer(target, ATTACKERS[4])
      await peer.send(bytes)
      await peer.reply()
      return peer.leave()
    },
  }
}

function cutAtOnce(): Attack {
  return {
    name: 'connections that are cut at once',
    async run(target) {
      for (let count = 0; count < scale.held; count++) {
        const peer = new SmtpPeer(target, ATTACKERS[4])
        if (count % 3 === 0) await peer.reply()
        if (count % 2 === 0) peer.socket.resetAndDestroy()
        else peer.socket.destroy()
        await peer.closed
      }
      return 'SMTP cut'
    },
  }
}

const ODD_PATHS = [
  ...[
    '<"a>b"@c.test>',
    '<"a\\"b"@c.test>',
    '<a>b@c.test>',
    '<"a@c.test>',
    '<a@b@c.test>',
    '<@x,@y:a@c.test>',
    '<@:a@c.test>',
  ],
  ...['<>', '<<>>', '< >', '<a@[1.2.3.4]>', '<a@[IPv6:::1]>', '<a@[x]>', `<${'a'.repeat(1_000)}@c.test>`, '<a@b..c>'],
  ...[
    `<a@${'b.'.repeat(200)}c>`,
    '<a@b.test> SIZE=99999999999999999999',
    '<a@b.test> BODY=',
    '<é@c.test>',
    '<a@é.test> SMTPUTF8',
  ],
  ...[
    '<"\\\\"@c.test>',
    '<" "@c.test>',
    '<a@-b.test>',
    '<a@b.test',
    'a@b.test',
    '<a@xn--.test>',
    `<"${'\\a'.repeat(100)}"@c.test>`,
  ],
]
