import { expect, onTestFinished, test } from 'vitest'
import { ImapClient } from './imap-client.ts'
import { startMemoryServer } from './imap-under-test.ts'

test.each(['SEARCH TEXT x', 'FETCH 1 BODY.PEEK[]'])(
  'a client that leaves while %s runs is no error',
  async (command) => {
    const server = await startMemoryServer()
    onTestFinished(() => server.stop())
    const account = await server.createAccount()
    const inbox = server.store.inboxes.get(account.user)!
    inbox.inbox.append([{ raw: Buffer.from('Subject: x\r\n\r\nx') }])
    const client = await ImapClient.logIn(server.port, account)
    await client.ok('SELECT INBOX')
    const hanging = new Promise<void>((resolve) => {
      inbox.onHang = resolve
    })
    client.send(`x ${command}\r\n`)
    await hanging
    client.socket.resetAndDestroy()
    await expect.poll(() => inbox.openCount).toBe(0)
    expect(server.logged.filter((line) => line.includes('failed'))).toEqual([])
  },
)
