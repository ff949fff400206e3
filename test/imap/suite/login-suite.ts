/** Greeting, capabilities, TLS and logins (RFC 9051 §6.1, §6.2), on any server. */
import { expect, test } from 'vitest'
import { ImapClient } from '../imap-client.ts'
import type { ImapUnderTest } from '../imap-under-test.ts'

const base64 = (text: string) => Buffer.from(text).toString('base64')

export function loginSuite(server: { readonly current: ImapUnderTest }): void {
  test('the greeting has the capabilities, and CAPABILITY repeats them', async () => {
    const client = await ImapClient.open(server.current.port)
    const [, listed] = /^\* OK \[CAPABILITY (.+?)\]/.exec(client.greeting)!
    expect(listed!.split(' ')).toEqual(
      expect.arrayContaining([
        'IMAP4rev1',
        'IMAP4rev2',
        'LITERAL+',
        'SASL-IR',
        'ID',
        'ENABLE',
        'STARTTLS',
        'AUTH=PLAIN',
      ]),
    )
    expect(await client.ok('CAPABILITY')).toEqual([`CAPABILITY ${listed}`])
  })

  test('after the login, the capabilities are others, and are in the answer', async () => {
    const account = await server.current.createAccount()
    const client = await ImapClient.open(server.current.port)
    const { status, text } = await client.command(`LOGIN ${account.user} ${account.password}`)
    expect(status).toBe('OK')
    const [, listed] = /^\[CAPABILITY (.+?)\] /.exec(text)!
    expect(listed!.split(' ')).toEqual(expect.arrayContaining(['IDLE', 'QRESYNC', 'UIDPLUS', 'MOVE', 'OBJECTID']))
    expect(listed).not.toContain('STARTTLS')
    expect(listed).not.toContain('AUTH=')
    expect(await client.ok('capability')).toEqual([`CAPABILITY ${listed}`])
  })

  test.each([
    ['LOGIN with atoms', (user: string, password: string) => `LOGIN ${user} ${password}`],
    ['LOGIN with quoted strings', (user: string, password: string) => `LOGIN "${user}" "${password}"`],
    [
      'LOGIN with literals that do not wait',
      (user: string, password: string) => `LOGIN {${user.length}+}\r\n${user} {${password.length}+}\r\n${password}`,
    ],
    [
      'PLAIN with an initial response',
      (user: string, password: string) => `AUTHENTICATE PLAIN ${base64(`\0${user}\0${password}`)}`,
    ],
    [
      'PLAIN with the same identity',
      (user: string, password: string) => `authenticate plain ${base64(`${user}\0${user}\0${password}`)}`,
    ],
  ])('%s', async (_name, command) => {
    const { user, password } = await server.current.createAccount()
    const client = await ImapClient.open(server.current.port)
    await client.ok(command(user, password))
    await client.ok('SELECT INBOX')
  })

  test('LOGIN with literals that wait', async () => {
    const { user, password } = await server.current.createAccount()
    const client = await ImapClient.open(server.current.port)
    expect(await client.withLiterals('LOGIN ', user, ' ', password)).toMatchObject({ status: 'OK' })
  })

  test('AUTHENTICATE with challenges: PLAIN and LOGIN; "*" cancels', async () => {
    const { user, password } = await server.current.createAccount()
    const client = await ImapClient.open(server.current.port)
    const cancelled = client.begin('AUTHENTICATE PLAIN')
    expect(await client.response()).toBe('+ ')
    client.send('*\r\n')
    expect(await client.end(cancelled)).toMatchObject({ status: 'BAD' })
    const login = client.begin('AUTHENTICATE LOGIN')
    expect(await client.response()).toBe(`+ ${base64('Username:')}`)
    client.send(`${base64(user)}\r\n`)
    expect(await client.response()).toBe(`+ ${base64('Password:')}`)
    client.send(`${base64(password)}\r\n`)
    expect(await client.end(login)).toMatchObject({ status: 'OK' })
    const other = await ImapClient.open(server.current.port)
    const plain = other.begin('AUTHENTICATE PLAIN')
    expect(await other.response()).toBe('+ ')
    other.send(`${base64(`\0${user}\0${password}`)}\r\n`)
    expect(await other.end(plain)).toMatchObject({ status: 'OK' })
  })

  test.each([
    ['a wrong password', 'NO', /^\[AUTHENTICATIONFAILED\]/, (user: string) => `LOGIN ${user} wrong`],
    ['an unknown user', 'NO', /^\[AUTHENTICATIONFAILED\]/, () => 'LOGIN nobody@example.test wrong'],
    [
      'another identity',
      'NO',
      /^\[AUTHENTICATIONFAILED\]/,
      (user: string) => `AUTHENTICATE PLAIN ${base64(`root\0${user}\0secret`)}`,
    ],
    ['an unknown mechanism', 'NO', /./, () => 'AUTHENTICATE CRAM-MD5'],
    ['no base64', 'BAD', /./, () => 'AUTHENTICATE PLAIN ?'],
    ['no NULs', 'BAD', /./, () => `AUTHENTICATE PLAIN ${base64('abc')}`],
  ])('refused: %s', async (_name, status, text, command) => {
    const { user } = await server.current.createAccount()
    const client = await ImapClient.open(server.current.port)
    expect(await client.command(command(user))).toMatchObject({ status, text: expect.stringMatching(text) })
    expect(await client.command('SELECT INBOX')).toMatchObject({ status: 'BAD' })
  })

  test('commands are refused in the wrong state', async () => {
    const account = await server.current.createAccount()
    const client = await ImapClient.open(server.current.port)
    for (const command of ['SELECT INBOX', 'LIST "" *', 'FETCH 1 FLAGS', 'IDLE', 'ENABLE QRESYNC', 'CLOSE']) {
      expect(await client.command(command), command).toMatchObject({ status: 'BAD' })
    }
    await client.ok(`LOGIN ${account.user} ${account.password}`)
    for (const command of [
      'LOGIN a b',
      'AUTHENTICATE PLAIN',
      'STARTTLS',
      'FETCH 1 FLAGS',
      'CLOSE',
      'UNSELECT',
      'EXPUNGE',
    ]) {
      expect(await client.command(command), command).toMatchObject({ status: 'BAD' })
    }
  })

  test('STARTTLS: what was sent before the handshake is thrown away', async () => {
    const { user, password } = await server.current.createAccount()
    const client = await ImapClient.open(server.current.port)
    client.send(`a STARTTLS\r\nb LOGIN ${user} ${password}\r\n`)
    expect(await client.response()).toMatch(/^a OK/)
    await client.startTls()
    const [capabilities] = await client.ok('CAPABILITY')
    expect(capabilities).not.toContain('STARTTLS')
    expect(capabilities).toContain('AUTH=PLAIN')
    expect(await client.command('SELECT INBOX')).toMatchObject({ status: 'BAD' }) // "b" did not log in
    expect(await client.command('STARTTLS')).toMatchObject({ status: 'BAD' })
    await client.ok(`LOGIN ${user} ${password}`)
    await client.ok('SELECT INBOX')
  })

  test('implicit TLS', async () => {
    const client = await ImapClient.logIn(server.current.tlsPort, await server.current.createAccount(), { isTls: true })
    expect(client.greeting).not.toContain('STARTTLS')
    await client.ok('SELECT INBOX')
    await client.ok('LOGOUT')
    await client.closed
  })

  test('LOGOUT sends BYE, then OK, and closes', async () => {
    const client = await ImapClient.open(server.current.port)
    const { untagged, status } = await client.command('LOGOUT')
    expect([untagged[0], status]).toEqual([expect.stringMatching(/^BYE /), 'OK'])
    await client.closed
  })

  test('ID and NOOP in every state', async () => {
    const client = await ImapClient.logIn(server.current.port, await server.current.createAccount())
    expect(await client.ok('ID ("name" "test" "version" NIL)')).toEqual([expect.stringMatching(/^ID \("name" "/)])
    expect(await client.ok('ID NIL')).toEqual([expect.stringMatching(/^ID \(/)])
    expect(await client.ok('NOOP')).toEqual([])
  })

  test('a command without a tag, and one that is unknown, get BAD', async () => {
    const client = await ImapClient.open(server.current.port)
    client.send('\r\n')
    expect(await client.response()).toMatch(/^\* BAD /)
    client.send('onlytag\r\n')
    expect(await client.response()).toMatch(/^onlytag BAD /)
    client.send('+ NOOP\r\n')
    expect(await client.response()).toMatch(/^\* BAD /)
    expect(await client.command('FROBNICATE')).toMatchObject({ status: 'BAD' })
    expect(await client.command('NOOP more')).toMatchObject({ status: 'BAD' })
  })
}
