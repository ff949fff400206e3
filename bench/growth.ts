/**
 * Does a message cost more CPU time in a long thread than in a short one, and in a large mailbox than in a small one?
 *
 *   npm run bench -- growth            # to 10,000 messages; MESSAGES=50000 takes ten minutes
 *
 * Each message has a small attachment, because events list the attachments of the thread, and one WebSocket receives
 * the events. The time is that of the whole server process (Linux only), over windows of messages.
 */
import { readFileSync } from 'node:fs'
import { WebSocket } from 'ws'
import { KEY, startBenchServer } from './server.ts'
import { Session } from './smtp-load.ts'

const MESSAGES = Number(process.env.MESSAGES ?? 10_000)
/** Messages per measured window. */
const WINDOW = 1_000
const SESSIONS = 8
/** /proc counts CPU time in hundredths of a second. */
const TICK_MS = 10

for (const kind of ['one thread', 'one mailbox, a thread per message'] as const) {
  const server = await startBenchServer()
  try {
    await server.request('POST', '/inboxes', { username: 'load' })
    const socket = await subscribe(server.url)
    const sessions = await Promise.all(Array.from({ length: SESSIONS }, () => Session.open(server.smtpPort)))
    let sent = 0
    await window(sessions, () => mail(kind, sent++)) // warms up
    let firstMs: number | undefined
    const marks = [0, 0.2, 0.5, 1].map((share) => Math.round(MESSAGES * share))
    for (const mark of marks) {
      while (sent < mark) await window(sessions, () => mail(kind, sent++))
      const before = cpuMs(server.pid)
      const at = sent
      await window(sessions, () => mail(kind, sent++))
      const ms = (cpuMs(server.pid) - before) / WINDOW
      firstMs ??= ms
      console.log(
        `${kind}: after ${at} messages ${ms.toFixed(2)} ms of CPU time per message, ratio ${(ms / firstMs).toFixed(2)}`,
      )
    }
    for (const session of sessions) await session.quit()
    socket.close()
  } finally {
    await server.stop()
  }
}

/** Sends a window of messages over all sessions. */
async function window(sessions: readonly Session[], next: () => Buffer): Promise<void> {
  let left = WINDOW
  await Promise.all(
    sessions.map(async (session) => {
      while (left-- > 0) await session.deliver('ann@example.test', 'load@mail.localhost', next())
    }),
  )
}

function mail(kind: string, index: number): Buffer {
  const isReply = kind === 'one thread' && index > 0
  return Buffer.from(
    [
      'From: Ann Example <ann@example.test>',
      'To: load@mail.localhost',
      `Subject: ${isReply ? 'Re: ' : ''}${kind === 'one thread' ? 'growth' : `growth ${index}`}`,
      `Message-ID: <${index}@growth.example>`,
      ...(isReply ? ['In-Reply-To: <0@growth.example>'] : []),
      'MIME-Version: 1.0',
      'Content-Type: multipart/mixed; boundary=b',
      '',
      '--b',
      'Content-Type: text/plain; charset=utf-8',
      '',
      `Message ${index}: ${Array.from({ length: 150 }, (_, word) => `word${(index * 31 + word * 17) % 5_000}`).join(' ')}`,
      '--b',
      `Content-Disposition: attachment; filename="${index}.txt"`,
      'Content-Type: text/plain',
      '',
      `file ${index}`,
      '--b--',
      '',
    ].join('\r\n'),
  )
}

async function subscribe(url: string): Promise<WebSocket> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/v0`, { headers: { authorization: `Bearer ${KEY}` } })
  await new Promise((resolve) => socket.once('open', resolve))
  socket.send(JSON.stringify({ type: 'subscribe' }))
  socket.on('message', () => undefined)
  return socket
}

/** User and system time of the process so far (proc(5), fields 14 and 15). */
function cpuMs(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) * TICK_MS
}
