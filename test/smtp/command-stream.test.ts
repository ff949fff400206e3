/** What sockets can hardly be made to show: a connection that closes at the worst moment of a command. */
import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { CommandStream, type MailSink, PeerGone } from '../../src/edges/smtp/command-stream.ts'

function sink(): MailSink {
  return { stream: new PassThrough().on('error', () => undefined), finish: async () => undefined }
}

const listener = { lineTooLong: async () => undefined, received: () => undefined }

// The reader of that mail used to wait for ever, and with it what it held.
test('a connection that closes while 354 is being written fails the mail that was about to come', async () => {
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

test('a mail that is complete is not failed by the close', async () => {
  let finished: () => void = () => undefined
  const complete = new Promise<void>((resolve) => {
    finished = resolve
  })
  const mail: MailSink = {
    stream: new PassThrough(),
    finish() {
      finished()
      return new Promise(() => undefined) // not answered yet
    },
  }
  const stream = new CommandStream(512, { ...listener, command: async () => mail })
  stream.write('DATA\r\nhello\r\n.\r\n')
  await complete
  stream.abandon()
  expect(Buffer.concat(await mail.stream.toArray()).toString()).toBe('hello\r\n')
})

test('a last line without its end is not a command', async () => {
  const commands: string[] = []
  const stream = new CommandStream(512, {
    ...listener,
    command: async (line) => void commands.push(line.toString()) as undefined,
  })
  await new Promise<void>((resolve) => stream.end('NOOP\r\nQUIT', () => resolve()))
  expect(commands).toEqual(['NOOP'])
})
