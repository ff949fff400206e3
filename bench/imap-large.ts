/**
 * SELECT of a mailbox of 100,000 messages. Its entries are written into the database of the running server, because 100,000
 * messages would take minutes to deliver: SELECT reads entries only. SQLite only. Part of imap.ts.
 */
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { ImapSession } from './imap-load.ts'
import type { ImapPeer } from './imap-peers.ts'

const ENTRIES = 100_000
const ROUNDS = 5

export async function measureLargeSelect({ server, plain, stallMs }: ImapPeer): Promise<Map<string, number>> {
  const found = new Map<string, number>()
  if (server!.databaseUrl !== undefined) return found
  const session = await ImapSession.open(plain)
  await session.command('CREATE Large')
  await session.command('SELECT Large')
  const database = new Database(join(server!.dataDir, 'martlet.db'))
  const { id } = database.prepare('select id from mailboxes where name = ?').get('Large') as { id: string }
  database.exec('begin immediate')
  database
    .prepare(
      `with recursive numbers(uid) as (select 1 union all select uid + 1 from numbers where uid < ${ENTRIES})
       insert into mailbox_entries (mailbox_id, uid, item_kind, item_id, flags, hidden, size_bytes, is_deleted, modseq, saved_at)
       select ?, uid, 'message', 'message-' || uid, case uid % 3 when 0 then '' else '\\Seen' end, 0, 5000, 0, 1, 0 from numbers`,
    )
    .run(id)
  database.prepare('update mailboxes set uid_next = ? where id = ?').run(ENTRIES + 1, id)
  database.exec('commit')
  database.close()
  await session.command('UNSELECT')
  const times: number[] = []
  await stallMs!()
  for (let round = 0; round < ROUNDS; round++) {
    const before = performance.now()
    const answer = await session.command('SELECT Large')
    times.push(performance.now() - before)
    if (!answer.includes(`* ${ENTRIES} EXISTS`)) throw new Error(answer.toString().slice(0, 500))
    await session.command('UNSELECT')
  }
  found.set(`SELECT of ${ENTRIES} messages, ms`, times.toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)]!)
  found.set('longest stall of the event loop, SELECT, ms', await stallMs!())
  session.close()
  return found
}
