import { expect, onTestFinished, test } from 'vitest'
import { openMailbox, startMemoryServer } from './imap-under-test.ts'

// They were counted as sent, so that the client never learnt of their new flags.
test('messages that FETCH has marked as read and not sent, because of an error, are reported with their flags', async () => {
  const server = await startMemoryServer()
  onTestFinished(() => server.stop())
  const [client] = await openMailbox(server)
  const inbox = [...server.store.inboxes.values()][0]!
  const { messages } = inbox.mailboxes.get('Work')!
  const unknown = Buffer.from('Subject: two\r\nContent-Transfer-Encoding: x-unknown\r\n\r\ntwo')
  messages.set(2, { ...messages.get(2)!, raw: unknown })
  expect(await client!.command('FETCH 1:3 BINARY[1]')).toMatchObject({
    status: 'NO',
    text: expect.stringContaining('[UNKNOWN-CTE]'),
    untagged: [
      expect.stringMatching(/^1 FETCH \(BINARY\[1\] .* FLAGS \(\\Seen\)\)$/s),
      '2 FETCH (FLAGS (\\Seen))',
      '3 FETCH (FLAGS (\\Seen))',
    ],
  })
  expect(await client!.ok('NOOP')).toEqual([])
})
