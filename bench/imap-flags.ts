/**
 * STORE of flags on 60,000 messages: how long it takes, and how long the event loop stands still meanwhile, also for a session in IDLE that is told of each
 * change. All but 200 messages are copies of rows. SQLite only. Part of imap.ts.
 */
import type { Found } from './imap-commands.ts'
import { ImapSession } from './imap-load.ts'
import type { ImapPeer } from './imap-peers.ts'
import { createMailPool } from './mail-pool.ts'
import { multiplyMessages } from './multiply-messages.ts'
import { KEY } from './server.ts'
import { Session } from './smtp-load.ts'

const COUNT = Number(process.env.FLAGGED ?? 60_000)
const ORIGINALS = 200
const ADDRESS = 'many@mail.localhost'

export async function measureManyFlags({ server, plain }: ImapPeer, found: Found): Promise<void> {
  await server!.request('POST', '/inboxes', { username: 'many' })
  const sender = await Session.open(server!.smtpPort)
  const mail = createMailPool()
  for (let count = 0; count < ORIGINALS; count++) await sender.deliver('ann@example.test', ADDRESS, mail(ADDRESS))
  multiplyMessages(server!, ADDRESS, COUNT)
  const target = { ...plain, user: ADDRESS, password: KEY }
  const [session, watcher] = [await ImapSession.open(target), await ImapSession.open(target)]
  const measure = async (what: string, command: string) => {
    await server!.probe()
    const before = performance.now()
    await session.command(command)
    found.set(`${what} of ${COUNT} messages, ms`, performance.now() - before)
    const { stallMaxMs, stallCpuMaxMs } = await server!.probe()
    found.set(`longest stall, ${what} of ${COUNT} messages, ms`, stallMaxMs)
    found.set(`in CPU time, ${what} of ${COUNT} messages, ms`, stallCpuMaxMs)
  }
  await measure('first SELECT', 'SELECT INBOX')
  await measure('FETCH FLAGS', 'FETCH 1:* (FLAGS)')
  await measure('STORE', 'STORE 1:* +FLAGS (\\Flagged)')
  await measure('STORE .SILENT', 'STORE 1:* -FLAGS.SILENT (\\Flagged)')
  await watcher.command('SELECT INBOX')
  await watcher.idle()
  await measure('STORE beside IDLE', 'STORE 1:* +FLAGS.SILENT (\\Flagged)')
  session.close()
  watcher.close()
}
