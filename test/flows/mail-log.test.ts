/** Tests that the log answers "did it arrive?": a line per accepted message, and a line per outcome with its reason. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createTransport } from 'nodemailer'
import { expect, onTestFinished, test } from 'vitest'
import { createLog } from '../../src/log.ts'
import { MAIL_PROGRAMS_OFF } from '../support/free-port.ts'
import { cli } from '../support/program.ts'
import { ROOT_KEY } from '../support/root-key.ts'
import { openTerminal } from '../support/terminal.ts'
import { createTestDatabase } from '../support/test-database.ts'
import { startWorld } from '../support/world.ts'

interface Line {
  readonly msg: string
  readonly level: string
  readonly [field: string]: unknown
}

// Accepted mail left no line, and the line of a bounce named neither the message nor the reason.
test('each accepted message and each outcome of a delivery is one line, with the message, the domain and the reason', async () => {
  const lines: Line[] = []
  const log = createLog('info', { write: (line) => void lines.push(JSON.parse(line)) })
  await using world = await startWorld({ log })
  const ada = await world.agentmail.inboxes.create({ username: 'ada' })
  await world.agentmail.inboxes.create({ username: 'bob' })

  const to = ['ada@mail.localhost', 'ada+tag@mail.localhost', 'bob@mail.localhost']
  const { messageId } = await world.smtp.send({ to, text: 'hello' })
  const line = (msg: string, about: object = {}) =>
    lines.filter((each) => each.msg === msg && Object.entries(about).every(([name, value]) => each[name] === value))
  expect(line('message received')).toEqual([
    expect.objectContaining({
      ...{ level: 'info', messageId, from: 'ann@example.test', recipients: to, inboxes: 2, via: 'ESMTPS' },
      ...{ id: expect.any(String), sizeBytes: expect.any(Number), ms: expect.any(Number), remoteAddress: '127.0.0.1' },
    }),
  ])

  const many = Array.from({ length: 12 }, (_, index) => `nobody${index}@mail.localhost`)
  const sent = await world.agentmail.inboxes.messages.send(ada.inboxId, {
    to: ['bob@mail.localhost', 'eve@example.test', ...many],
    text: 'hello',
  })
  const about = { messageId: sent.messageId }
  expect(line('message accepted for delivery', about)).toMatchObject([
    { from: 'ada@mail.localhost', recipients: ['bob@mail.localhost', 'eve@example.test', ...many.slice(0, 8)] },
  ])
  await expect.poll(() => line('message delivered', about)).toMatchObject([{ domain: 'mail.localhost', code: 250 }])
  await expect
    .poll(() => line('message held', about))
    .toMatchObject([
      { domain: 'example.test', recipients: ['eve@example.test'], reason: 'Held: no route; see MARTLET_OUTBOUND' },
    ])
  await expect.poll(() => line('message bounced', about).length).toBe(many.length)
  const bounced = line('message bounced', about).find(({ recipients }) => String(recipients) === many[3])
  expect(bounced).toMatchObject({
    ...{ level: 'info', domain: 'mail.localhost', code: 550, enhancedCode: '5.1.1' },
    reason: `There is no mailbox ${many[3]} here`,
  })
})

test('on a terminal the lines are readable, and no text in them can move the cursor', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'martlet-test-'))
  await using database = await createTestDatabase('started', dataDir)
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }))
  const env = {
    PATH: process.env.PATH,
    MARTLET_DATA_DIR: dataDir,
    MARTLET_DATABASE_URL: database.url ?? '',
    MARTLET_ROOT_KEY: ROOT_KEY,
    MARTLET_HTTP_PORT: '0',
    MARTLET_SMTP_PORT: '0',
    ...MAIL_PROGRAMS_OFF,
  }
  const terminal = openTerminal(`'${process.execPath}' '${cli}' serve`, { cwd: tmpdir(), env })
  onTestFinished(terminal.kill)
  const [, port] = await terminal.until(/SMTP +127\.0\.0\.1:(\d+)\n/)
  await terminal.until(/Press Ctrl-C to stop\.\n/)
  const transport = createTransport({ host: '127.0.0.1', port: Number(port), tls: { rejectUnauthorized: false } })
  onTestFinished(() => transport.close())
  const mail = { from: 'ann@example.test', to: 'postmaster@mail.localhost', subject: 'confidential', text: 'x' }
  await transport.sendMail({ ...mail, messageId: '<a\u009b2Jb@example.test>' })
  await terminal.until(
    /^\d\d:\d\d:\d\d info +message received {2}messageId="<a 2Jb@example\.test>" id=\S+ from=ann@example\.test recipients=postmaster@mail\.localhost .*inboxes=1 .*ms=[\d.]+$/m,
  )
  expect(terminal.screen()).not.toMatch(/\u009b|confidential|"level"/)
  terminal.press('\x03')
  expect(await terminal.exited).toBe(0)
})
