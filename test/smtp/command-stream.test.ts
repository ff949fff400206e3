/** A case that real sockets can hardly reproduce: a connection that closes at the worst moment of a command. */
import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { CommandStream, type MailSink, PeerGone } from '../../src/edges/smtp/protocol/command-stream.ts'

function sink(): MailSink {
  return { stream: new PassThrough().on('error', () => undefined), finish: async () => undefined }
}

const listener = { lineTooLong: async () => undefined, received: () => undefined }

// The consumer of that message used to wait forever, and to keep its resources.
test('a connection that closes while 354 is being written fails the message that follows', async () => {
  const mail = sink()
  let answer: (mail: MailSink) => void = () => undefined
  const answering = new Promise<MailSink>((resolve) => {
    answer = resolve
  })
  const stream = new CommandStream(512, { ...listener, command: () => answering })
  stream.write('DATA\r\n')
  stream.abandon()
  answer(mail)
  await expect(mail.stream.toArray()).rejects.toThrow(PeerGone)
})

test('a message that is complete does not fail when the connection closes', async () => {
  let finished: () => void = () => undefined
  const complete = new Promise<void>((resolve) => {
    finished = resolve
  })
  const mail: MailSink = {
    stream: new PassThrough(),
    finish() {
      finished()
      return new Promise(() => undefined) // no reply yet
    },
  }
  const stream = new CommandStream(512, { ...listener, command: async () => mail })
  stream.write('DATA\r\nhello\r\n.\r\n')
  await complete
  stream.abandon()
  expect(Buffer.concat(await mail.stream.toArray()).toString()).toBe('hello\r\n')
})

test('a last line without a line ending is not a command', async () => {
  const commands: string[] = []
  const stream = new CommandStream(512, {
    ...listener,
    command: async (line) => void commands.push(line.toString()) as undefined,
  })
  await new Promise<void>((resolve) => stream.end('NOOP\r\nQUIT', () => resolve()))
  expect(commands).toEqual(['NOOP'])
})
