/**
 * Does a message cost more CPU time in a long thread than in a short one, and in a large mailbox than in a small one?
 *
 *   npm run bench -- growth            KINDS=thread,mailbox  MESSAGES=10000   (50,000 take about ten minutes for each kind)
 *
 * Each message has a small attachment, because events list the attachments of the thread, and one WebSocket receives
 * the events. The time is that of the whole server process (Linux only). At each size, messages go alternately to the
 * large inbox and to an empty one: both ratios compare figures of the same minute, in a database of the same size.
 */
import { WebSocket } from 'ws'
import { mailWithAttachment } from './mail-with-attachment.ts'
import { atMost, report } from './report.ts'
import { cpuMs, KEY, startBenchServer } from './server.ts'
import { Session } from './smtp-load.ts'

const KINDS = (process.env.KINDS ?? 'thread,mailbox').split(',')
const MESSAGES = Number(process.env.MESSAGES ?? 10_000)
/** Before the first figure, to another inbox: loads and compiles code. */
const WARM_UP_MESSAGES = 4_000
const ROUNDS = 8
const ROUND_MESSAGES = 250
/** A connection may send `limits.smtp.commandsMax` commands, three per message. */
const MESSAGES_PER_SESSION = 3_000
/** Sessions that fill the inbox, and that are measured. */
const SESSIONS = 50
const MEASURED_SESSIONS = 8

for (const kind of KINDS) {
  const server = await startBenchServer()
  try {
    const socket = await subscribe(server.url)
    /** Sends messages to an inbox. Returns the CPU time per message. */
    const send = async (target: Target, count: number, sessionCount = SESSIONS): Promise<number> => {
      const before = cpuMs(server.pid)
      let left = count
      const deliver = async () => {
        while (left > 0) {
          const session = await Session.open(server.smtpPort)
          for (let sent = 0; sent < MESSAGES_PER_SESSION && left-- > 0; sent += 1) {
            await session.deliver('ann@example.test', `${target.inbox}@mail.localhost`, mail(kind, target))
          }
          await session.quit()
        }
      }
      await Promise.all(Array.from({ length: sessionCount }, deliver))
      return (cpuMs(server.pid) - before) / count
    }
    const open = async (inbox: string): Promise<Target> => {
      await server.request('POST', '/inboxes', { username: inbox })
      return { inbox, sent: 0 }
    }

    await send(await open('warm-up'), WARM_UP_MESSAGES / 2)
    await send(await open('warm-up-2'), WARM_UP_MESSAGES / 2, MEASURED_SESSIONS)
    const large = await open('large')
    let firstMs: number | undefined
    for (const mark of [0, 0.2, 0.5, 1].map((share) => Math.round(MESSAGES * share))) {
      await send(large, Math.max(0, mark - large.sent))
      const at = large.sent
      const small = await open(`small-${mark}`)
      let largeMs = 0
      let smallMs = 0
      for (let round = 0; round < ROUNDS; round += 1) {
        largeMs += (await send(large, ROUND_MESSAGES, MEASURED_SESSIONS)) / ROUNDS
        smallMs += (await send(small, ROUND_MESSAGES, MEASURED_SESSIONS)) / ROUNDS
      }
      firstMs ??= largeMs
      report({
        what: `${kind} of ${at} messages`,
        measured: `${largeMs.toFixed(2)} ms of CPU time per message, ${(largeMs / firstMs).toFixed(2)} of the first figure`,
        beside: `an empty inbox ${smallMs.toFixed(2)} ms`,
        ratio: largeMs / smallMs,
        ...atMost(largeMs / smallMs, 1.2),
      })
    }
    socket.close()
  } finally {
    await server.stop()
  }
}

interface Target {
  readonly inbox: string
  sent: number
}

/** The next message to an inbox: with the kind "thread" a reply to its first one, otherwise in a thread of its own. */
function mail(kind: string, target: Target): Buffer {
  const { inbox } = target
  const index = target.sent++
  const isReply = kind === 'thread' && index > 0
  return mailWithAttachment({
    inbox,
    subject: `${isReply ? 'Re: ' : ''}${kind === 'thread' ? 'growth' : `growth ${index}`}`,
    messageId: `${index}.${inbox}@growth.example`,
    ...(isReply && { inReplyTo: `0.${inbox}@growth.example` }),
    text: `Message ${index}: ${Array.from({ length: 150 }, (_, word) => `word${(index * 31 + word * 17) % 5_000}`).join(' ')}`,
    file: `${index}`,
  })
}

async function subscribe(url: string): Promise<WebSocket> {
  const socket = new WebSocket(`${url.replace('http', 'ws')}/v0`, { headers: { authorization: `Bearer ${KEY}` } })
  await new Promise((resolve) => socket.once('open', resolve))
  socket.send(JSON.stringify({ type: 'subscribe' }))
  socket.on('message', () => undefined)
  return socket
}
