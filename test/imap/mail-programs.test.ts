/**
 * Real mail programs against the whole server: imapflow, Python's imaplib, curl, mutt and mbsync. What they change is seen
 * over REST. mutt and mbsync are tested where they are installed.
 */
import { execFile, spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { promisify } from 'node:util'
import { type FetchMessageObject, ImapFlow } from 'imapflow'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { openTerminal } from '../support/terminal.ts'
import { ImapClient } from './imap-client.ts'
import { messageWith, useServer } from './imap-under-test.ts'
import { type Account, startMartletImap } from './martlet-under-test.ts'

const run = promisify(execFile)
const server = useServer(() => startMartletImap())
let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'martlet-test-'))
  await writeFile(join(folder, 'certificate.pem'), await certificateOf(server.current.tlsPort))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

function isInstalled(program: string): boolean {
  return spawnSync('which', [program]).status === 0
}

async function certificateOf(port: number): Promise<string> {
  const client = connect({ host: '127.0.0.1', port, rejectUnauthorized: false })
  await new Promise((resolve) => client.once('secureConnect', resolve))
  const { raw } = client.getPeerCertificate()
  client.destroy()
  const lines = raw.toString('base64').match(/.{1,64}/g)!
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}

/** Messages are received one after the other: their order is that of the UIDs. */
async function receive({ user }: Account, ...subjects: string[]): Promise<void> {
  for (const subject of subjects)
    await server.current.world.smtp.send({ to: user, subject, text: `text of ${subject}` })
}

/** Labels of each message over REST by its subject, without those that every message has. */
async function labels({ user }: Account): Promise<Record<string, string[]>> {
  const { world } = server.current
  const { body } = await world.request('GET', `/v0/inboxes/${user}/messages?include_trash=true&include_spam=true`)
  const shown = body.messages.map(({ subject, labels: all }: { subject: string; labels: string[] }) => [
    subject,
    all.filter((label) => label !== 'received').toSorted(),
  ])
  return Object.fromEntries(shown)
}

test('imapflow: IDLE, FETCH, flags, MOVE, APPEND, SEARCH, mailboxes, QRESYNC', async () => {
  const account = await server.current.createAccount()
  const options = {
    ...{ host: '127.0.0.1', port: server.current.tlsPort, secure: true, tls: { rejectUnauthorized: false } },
    auth: { user: account.user, pass: account.password },
    ...{ logger: false as const, qresync: true },
  }
  const client = new ImapFlow(options)
  onTestFinished(() => client.close())
  await client.connect()
  const lock = await client.getMailboxLock('INBOX')
  const arrived = new Promise<{ count: number }>((resolve) => client.once('exists', resolve))
  void client.idle()
  await receive(account, 'one', 'two', 'three')
  expect((await arrived).count).toBeGreaterThan(0)
  await client.noop()

  const found: FetchMessageObject[] = []
  for await (const each of client.fetch('1:*', { envelope: true, bodyStructure: true, flags: true, source: true }))
    found.push(each)
  expect(found.map(({ envelope, flags }) => [envelope?.subject, [...flags!]])).toEqual([
    ...[
      ['one', []],
      ['two', []],
      ['three', []],
    ],
  ])
  expect(found[0]!.bodyStructure).toMatchObject({ type: 'text/plain', encoding: '7bit' })
  expect(found[0]!.source?.toString()).toContain('\r\n\r\ntext of one\r\n')

  await client.messageFlagsAdd({ seq: '1' }, ['\\Seen', 'todo'])
  expect(await client.search({ body: 'text of two' }, { uid: true })).toEqual([2])
  expect(await client.search({ keyword: 'todo' })).toEqual([1])
  await client.mailboxCreate('Projects/2026')
  const moved = await client.messageMove('2', 'Projects/2026', { uid: true })
  expect(moved && [...moved.uidMap!]).toEqual([[2, 1]])
  expect(await client.append('Archive', messageWith('kept'), ['\\Seen'])).toMatchObject({ destination: 'Archive' })
  await client.messageDelete('3', { uid: true })
  expect(await labels(account)).toEqual({
    ...{ one: ['todo'], two: ['projects/2026', 'unread'], three: ['trash', 'unread'], kept: ['archived'] },
  })
  const uses = new Map((await client.list()).map(({ path, specialUse }) => [path, specialUse]))
  expect(uses.get('Spam')).toBe('\\Junk')
  expect([...uses.keys()]).toContain('Projects/2026')
  expect(await client.status('Trash', { messages: true, unseen: true })).toMatchObject({ messages: 1, unseen: 1 })
  await client.mailboxRename('Projects/2026', 'Projects/2027')
  expect((await client.status('Projects/2027', { messages: true })) as unknown).toMatchObject({ messages: 1 })
  await client.mailboxDelete('Projects/2027')
  expect((await labels(account)).two).toEqual(['trash', 'unread'])
  expect(await client.getQuota('INBOX')).toMatchObject({ path: 'INBOX' })
  lock.release()
  await client.logout()
})

test('Python imaplib, over STARTTLS and over TLS', async () => {
  const { port, tlsPort } = server.current
  const account = await server.current.createAccount()
  await receive(account, 'one', 'two', 'three')
  const program = `
import imaplib, ssl, sys, time
user, password, port, tls_port = sys.argv[1:]
context = ssl._create_unverified_context()
def ok(answer):
    status, data = answer
    assert status == 'OK', answer
    return data
client = imaplib.IMAP4('127.0.0.1', int(port))
client.starttls(context)
client.login(user, password)
assert ok(client.select('INBOX')) == [b'3']
assert ok(client.search(None, 'SUBJECT', '"two"')) == [b'2']
assert ok(client.fetch('2', '(BODY.PEEK[TEXT])'))[0][1] == b'text of two\\r\\n'
assert b'\\\\Flagged' in ok(client.store('1', '+FLAGS', r'(\\Flagged todo)'))[0]
ok(client.create('Projects'))
ok(client.copy('2', 'Projects'))
ok(client.uid('STORE', '3', '+FLAGS', r'(\\Deleted)'))
assert sorted(ok(client.expunge())) in ([b'2', b'2'], [b'2', b'3'], [b'3'])
ok(client.append('Projects', r'(\\Seen)', imaplib.Time2Internaldate(time.time()), b'Subject: added\\r\\n\\r\\nadded\\r\\n'))
assert ok(client.status('Projects', '(MESSAGES)')) == [b'Projects (MESSAGES 2)']
assert len(ok(client.list())) == 7
client.close()
client.logout()

client = imaplib.IMAP4_SSL('127.0.0.1', int(tls_port), ssl_context=context)
client.login(user, password)
ok(client.enable('UTF8=ACCEPT'))  # its APPEND would put UTF8 (...) into the message itself
assert ok(client.select('Projects', readonly=True)) == [b'2']
ok(client.getquotaroot('INBOX'))
ok(client.namespace())
client.logout()
`
  await run('python3', ['-c', program, account.user, account.password, `${port}`, `${tlsPort}`])
  expect(await labels(account)).toEqual({
    ...{
      one: ['flagged', 'todo', 'unread'],
      two: ['projects', 'unread'],
      three: ['trash', 'unread'],
      added: ['projects'],
    },
  })
})

test('curl: lists, fetches, searches, appends, over TLS and over STARTTLS', async () => {
  const account = await server.current.createAccount()
  await receive(account, 'one', 'two')
  const { port, tlsPort } = server.current
  const curl = async (path: string, ...more: string[]) => {
    const { stdout } = await run('curl', ['-sSk', '--user', `${account.user}:${account.password}`, path, ...more])
    return stdout
  }
  for (const url of [`imaps://127.0.0.1:${tlsPort}`, `imap://127.0.0.1:${port}`]) {
    const tls = url.startsWith('imap:') ? ['--ssl-reqd'] : []
    expect(await curl(`${url}/`, ...tls)).toContain('* LIST (\\HasNoChildren \\Sent) "/" Sent\r\n')
    expect(await curl(`${url}/INBOX;UID=2;SECTION=TEXT`, ...tls)).toBe('text of two\r\n')
    expect(await curl(`${url}/INBOX?SUBJECT%20two`, ...tls)).toBe('* SEARCH 2\r\n')
    expect(await curl(`${url}/INBOX;MAILINDEX=1;SECTION=HEADER.FIELDS%20(SUBJECT)`, ...tls)).toBe(
      'Subject: one\r\n\r\n',
    )
  }
  const file = join(folder, 'appended')
  await writeFile(file, messageWith('from curl'))
  await curl(`imaps://127.0.0.1:${tlsPort}/Archive`, '-T', file)
  await curl(`imaps://127.0.0.1:${tlsPort}/INBOX`, '-X', 'STORE 1 +FLAGS (\\Flagged)')
  expect(await labels(account)).toEqual({ one: ['flagged'], two: [], 'from curl': ['archived'] })
})

test.skipIf(!isInstalled('mutt'))('mutt: reads, flags, moves, deletes', async () => {
  const account = await server.current.createAccount()
  await receive(account, 'one', 'two', 'three')
  const settings = join(folder, 'muttrc')
  const url = `imaps://${encodeURIComponent(account.user)}@127.0.0.1:${server.current.tlsPort}`
  const lines = [
    ...[`set folder="${url}/"`, 'set spoolfile="+INBOX"', `set imap_pass="${account.password}"`],
    ...[
      'unset ssl_verify_host',
      'set ssl_verify_dates=no',
      `set certificate_file="${join(folder, 'certificate.pem')}"`,
    ],
    ...['set quit=yes', 'set delete=yes', 'set confirmappend=no', 'set mark_old=no', 'set sort=mailbox-order'],
    ...['set imap_idle=no', 'set wait_key=no', 'set confirmcreate=no'],
    // Tag two, save it elsewhere; flag one; delete three.
    `push '<tag-pattern>~s two<enter><tag-prefix><save-message>=Archive<enter><untag-pattern>.<enter><jump>1<enter><flag-message><delete-pattern>~s three<enter><sync-mailbox><quit>'`,
  ]
  await writeFile(settings, lines.join('\n'))
  const env = { ...process.env, HOME: folder, LINES: '24', COLUMNS: '80' }
  const terminal = openTerminal(`mutt -n -F ${settings}`, { cwd: folder, env })
  onTestFinished(() => terminal.kill())
  expect(await terminal.exited, terminal.screen()).toBe(0)
  expect(await labels(account)).toEqual({
    one: ['flagged', 'unread'],
    two: ['archived', 'unread'],
    three: ['trash', 'unread'],
  })
})

test.skipIf(!isInstalled('mbsync'))('mbsync: both directions; the second run changes nothing', async () => {
  const { world, tlsPort } = server.current
  const account = await server.current.createAccount()
  await receive(account, 'one', 'two', 'three')
  const home = await mkdtemp(join(folder, 'mbsync-'))
  const local = join(home, 'mail')
  await mkdir(local)
  const settings = join(home, 'mbsyncrc')
  await writeFile(
    settings,
    [
      ...[
        'IMAPAccount martlet',
        'Host 127.0.0.1',
        `Port ${tlsPort}`,
        `User ${account.user}`,
        `Pass ${account.password}`,
      ],
      ...['SSLType IMAPS', `CertificateFile ${join(folder, 'certificate.pem')}`, ''],
      ...['IMAPStore far', 'Account martlet', ''],
      ...['MaildirStore near', `Path ${local}/`, `Inbox ${local}/INBOX`, 'SubFolders Verbatim', ''],
      ...['Channel all', 'Far :far:', 'Near :near:', 'Patterns *', 'Create Both', 'Remove Both', 'Expunge Both'],
      ...['SyncState *', 'CopyArrivalDate yes', ''],
    ].join('\n'),
  )
  const sync = async () => {
    const env = { ...process.env, HOME: home }
    const { stdout, stderr } = await run('mbsync', ['-c', settings, '-V', 'all'], { env, timeout: 20_000 })
    return stdout + stderr
  }
  /** File names of a Maildir, with their flags, by subject. */
  const files = async (mailbox: string) => {
    const found: Record<string, string> = {}
    for (const part of ['cur', 'new'])
      for (const name of await readdir(join(local, mailbox, part))) {
        const text = await readFile(join(local, mailbox, part, name), 'utf8')
        found[/^Subject: (.*?)\r?$/m.exec(text)![1]!] = join(local, mailbox, part, name)
      }
    return found
  }
  const client = await ImapClient.logIn(server.current.port, account)
  const everything = async () => ({
    far: [await labels(account), await client.ok('LIST "" * RETURN (STATUS (MESSAGES UIDNEXT HIGHESTMODSEQ))')],
    near: (await readdir(local, { recursive: true })).filter((name) => /(cur|new)\/./.test(name)).toSorted(),
  })
  const expectUnchangedBySync = async () => {
    const before = await everything()
    await sync()
    expect(await everything()).toEqual(before)
  }

  await sync()
  expect(Object.keys(await files('INBOX')).toSorted()).toEqual(['one', 'three', 'two'])
  await expectUnchangedBySync()

  // Here: a flag, a deletion, a new message. There: a flag, and one that moves.
  const { one, two } = await files('INBOX')
  await rename(one!, `${one!.replace('/new/', '/cur/').replace(/:2,.*$/, '')}:2,FS`)
  await rename(two!, `${two!.replace('/new/', '/cur/').replace(/:2,.*$/, '')}:2,T`)
  await writeFile(join(local, 'Archive/new/added.host'), messageWith('added').replaceAll('\r\n', '\n'))
  const { body } = await world.request('GET', `/v0/inboxes/${account.user}/messages`)
  const three = body.messages.find(({ subject }: { subject: string }) => subject === 'three').message_id
  await world.agentmail.inboxes.messages.update(account.user, three, { addLabels: ['archived'] })
  await sync()
  expect(await labels(account)).toEqual({
    ...{ one: ['flagged'], two: ['trash', 'unread'], three: ['archived', 'unread'], added: ['archived', 'unread'] },
  })
  await sync() // brings what the last run has moved to other mailboxes
  expect(Object.keys(await files('INBOX'))).toEqual(['one'])
  expect(Object.keys(await files('Archive')).toSorted()).toEqual(['added', 'three'])
  expect(Object.keys(await files('Trash'))).toEqual(['two'])
  await expectUnchangedBySync()
})
