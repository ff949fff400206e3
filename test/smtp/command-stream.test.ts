/** A case that real sockets can hardly reproduce: a connection that closes while 354 is being written. */
import { expect, test } from 'vitest'
import { CommandStream, PeerGone } from '../../src/edges/smtp/protocol/command-stream.ts'
import { MailData } from '../../src/edges/smtp/protocol/mail-data.ts'

// The receiver of that message used to wait forever, and to keep its resources.
test('a connection that closes before the message is read fails the message', async () => {
  const body = new MailData()
  const received = body[Symbol.asyncIterator]().next()
  const stream = new CommandStream(512, () => undefined)
  stream.abandon()
  expect(await stream.readMailData(body)).toBe(false)
  await expect(received).rejects.toThrow(PeerGone)
})
