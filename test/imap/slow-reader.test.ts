import { expect, onTestFinished, test, vi } from 'vitest'
import { ImapClient } from './imap-client.ts'
import { startMemoryServer } from './imap-under-test.ts'

const MESSAGES = 1_000

// Of 20 KB and more, all messages of the mailbox were read and waited in memory for the client.
test.each([1_000, 10_000, 17_000, 100_000, 200_000])(
  'FETCH of messages of %i bytes reads no more of them than its client',
  async (sizeBytes) => {
    const server = await startMemoryServer({ imap: { outputStalledMs: 300 } })
    onTestFinished(() => server.stop())
    const account = await server.createAccount()
    const inbox = server.store.inboxes.get(account.user)!
    const raw = Buffer.alloc(sizeBytes, 'Subject: x\r\n\r\n')
    const count = Math.ceil(50_000_000 / sizeBytes / MESSAGES) * MESSAGES
    inbox.inbox.append(Array.from({ length: count }, () => ({ raw })))
    const client = await ImapClient.logIn(server.port, account)
    await client.ok('SELECT INBOX')
    client.socket.pause()
    const read = vi.spyOn(inbox.inbox.messages, 'get')
    client.send('x FETCH 1:* BODY.PEEK[]\r\n')
    await expect.poll(() => inbox.openCount).toBe(0) // it was cut
    expect(read.mock.calls.length).toBeLessThan(count / 2)
  },
)
