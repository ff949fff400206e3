import { setImmediate as nextTurn } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { ImapClient } from './imap-client.ts'
import { startMemoryServer } from './imap-under-test.ts'

const MESSAGES = 12_500

test.each(['NOOP', 'STATUS INBOX (MESSAGES)', 'FETCH 1 UID'])(
  '%s lets other work run while it reports that all messages have other flags',
  async (command) => {
    // Work that waits begins in another turn.
    const server = await startMemoryServer({ server: { workMs: 0 } })
    onTestFinished(() => server.stop())
    const account = await server.createAccount()
    const { inbox } = server.store.inboxes.get(account.user)!
    inbox.append(Array.from({ length: MESSAGES }, () => ({ raw: Buffer.from('Subject: x\r\n\r\nx') })))
    const client = await ImapClient.logIn(server.port, account)
    await client.ok('SELECT INBOX')
    const quick = { turns: Number.POSITIVE_INFINITY, answers: [] as readonly string[] }
    for (let times = 0; times < 5; times += 1) {
      const { turns, answers } = await count(command)
      quick.turns = Math.min(quick.turns, turns) // of several: the network can be slow once
      quick.answers = answers
    }
    const uids = Array.from({ length: MESSAGES }, (_, index) => index + 1)
    inbox.change(uids, { how: 'add', flags: ['\\Flagged'] })
    inbox.append([{ raw: Buffer.from('Subject: y\r\n\r\ny') }])
    const { turns, answers } = await count(command)
    expect(answers.filter((line) => !quick.answers.includes(line) && !line.startsWith('STATUS'))).toEqual([
      `${MESSAGES + 1} EXISTS`,
      ...uids.map((number) => `${number} FETCH (FLAGS (\\Flagged))`),
    ])
    expect(turns).toBeGreaterThanOrEqual(quick.turns + 8)
    expect((await count(command)).answers).not.toContain('1 FETCH (FLAGS (\\Flagged))')

    /** Counts the turns of the event loop. */
    async function count(command: string) {
      let turns = 0
      let answers: readonly string[] | undefined
      const done = client.ok(command).then((all) => {
        answers = all
      })
      for (; !answers; turns += 1) await nextTurn()
      await done
      return { turns, answers }
    }
  },
)
