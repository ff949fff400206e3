/** The reply to each command, and the allowed order of commands. */
import { describe, expect, test } from 'vitest'
import { MailError } from '../../src/errors.ts'
import { startListener } from './listener.ts'
import { createGate } from './memory-receiving.ts'
import { RawClient } from './raw-client.ts'

test('the greeting names the server and has no enhanced code', async () => {
  const { port } = await startListener()
  expect(await new RawClient(port).reply()).toBe('220 mail.example.test ESMTP Martlet')
})

test('EHLO lists exactly the extensions that work here', async () => {
  const { port } = await startListener({}, { MARTLET_MESSAGE_BYTES_MAX: '1048576' })
  const client = await RawClient.open(port)
  expect((await client.command('EHLO peer.test')).split('\n')).toEqual([
    '250-mail.example.test',
    '250-PIPELINING',
    '250-SIZE 1048576',
    '250-8BITMIME',
    '250-SMTPUTF8',
    '250-ENHANCEDSTATUSCODES',
    '250 STARTTLS',
  ])
})

test('HELO gets a one-line reply', async () => {
  const { port } = await startListener()
  const client = await RawClient.open(port)
  expect(await client.command('HELO peer.test')).toBe('250 mail.example.test')
})

describe('commands outside a transaction', () => {
  const cases: [string, string][] = [
    ['NOOP', '250 2.0.0 Ok'],
    ['NOOP with an argument', '250 2.0.0 Ok'],
    ['noop', '250 2.0.0 Ok'],
    ['RSET', '250 2.0.0 Ok'],
    ['RSET now', '501 5.5.4 Syntax: RSET'],
    ['VRFY ada', '252 2.0.0 Cannot verify the address; send the message to find out'],
    ['VRFY', '501 5.5.4 Syntax: VRFY address'],
    ['EXPN list', '502 5.5.1 Command not implemented'],
    ['HELP', '214 2.0.0 See RFC 5321; postmaster@mail.example.test reaches the operator'],
    ['AUTH PLAIN AGEAYg==', '502 5.5.1 Command not implemented'],
    ['BDAT 3 LAST', '502 5.5.1 Command not implemented'],
    ['XYZZY', '500 5.5.1 Command not recognized'],
    ['', '500 5.5.1 Command not recognized'],
    ['EHLO', '501 Syntax: EHLO hostname'],
    ['EHLO two words', '501 Syntax: EHLO hostname'],
    ['STARTTLS now', '501 5.5.4 Syntax: STARTTLS'],
    ['MAIL', '501 5.5.4 Syntax: MAIL FROM:<address>'],
    ['MAIL TO:<a@b.test>', '501 5.5.4 Syntax: MAIL FROM:<address>'],
    ['MAIL FROM:a@b.test', '501 5.5.4 Syntax: MAIL FROM:<address>'],
    ['MAIL FROM:<a@b.test', '501 5.5.4 Syntax: MAIL FROM:<address>'],
    ['MAIL FROM:<a@b.test>SIZE=1', '501 5.5.4 Syntax: MAIL FROM:<address>'],
    ['MAIL FROM:<a@b.test> SIZE=1 size=2', '501 5.5.4 Syntax: MAIL FROM:<address>'],
    ['MAIL FROM:<a@b.test> SIZE', '501 5.5.4 Syntax: SIZE=<bytes>'],
    ['MAIL FROM:<a@b.test> SIZE=-1', '501 5.5.4 Syntax: SIZE=<bytes>'],
    ['MAIL FROM:<a@b.test> SIZE=99999999999', '552 5.3.4 The message is larger than 52428800 bytes'],
    ['MAIL FROM:<a@b.test> BODY=BINARYMIME', '501 5.5.4 Syntax: BODY=7BIT or BODY=8BITMIME'],
    ['MAIL FROM:<a@b.test> SMTPUTF8=yes', '501 5.5.4 Syntax: SMTPUTF8 without a value'],
    ['MAIL FROM:<a@b.test> RET=FULL', '555 5.5.4 Parameter RET is not supported'],
    ['MAIL FROM:<a b@b.test>', '501 5.1.7 The sender is not a valid address'],
    ['MAIL FROM:<a@>', '501 5.1.7 The sender is not a valid address'],
    ['MAIL FROM:<postmaster>', '501 5.1.7 The sender is not a valid address'],
    ['MAIL FROM:<ü@b.test>', '553 5.6.7 Non-ASCII addresses need the parameter SMTPUTF8 on MAIL FROM'],
    ['RCPT TO:<ada@mail.example.test>', '503 5.5.1 Send MAIL first'],
    ['DATA', '503 5.5.1 Send MAIL first'],
    ['DATA now', '501 5.5.4 Syntax: DATA'],
  ]
  test.each(cases)('%j → %s', async (command, expected) => {
    const { port } = await startListener()
    const client = await RawClient.open(port, 'peer.test')
    expect(await client.command(command)).toBe(expected)
    expect(await client.command('NOOP')).toBe('250 2.0.0 Ok') // the session continues
  })
})

describe('accepted senders', () => {
  const cases: [string, string][] = [
    ['<>', ''],
    ['<ann@example.test>', 'ann@example.test'],
    ['<Ann.Lee@Example.TEST>', 'Ann.Lee@Example.TEST'],
    [' <ann@example.test>', 'ann@example.test'],
    ['<@relay.test,@other.test:ann@example.test>', 'ann@example.test'],
    ['<"a > b"@example.test>', '"a > b"@example.test'],
    ['<ann..lee.@example.test>', 'ann..lee.@example.test'],
    [`<${'b'.repeat(100)}@example.test>`, `${'b'.repeat(100)}@example.test`],
    ['<root@[127.0.0.1]>', 'root@[127.0.0.1]'],
    ['<ann@example.test> SIZE=10 BODY=8BITMIME', 'ann@example.test'],
    ['<ü@example.test> SMTPUTF8 BODY=8bitmime', 'ü@example.test'],
  ]
  test.each(cases)('MAIL FROM:%s', async (path, sender) => {
    const { port, receiving } = await startListener()
    const client = await RawClient.open(port, 'peer.test')
    expect(await client.command(`MAIL FROM:${path}`)).toBe('250 2.1.0 Sender ok')
    await client.command('RCPT TO:<ada@mail.example.test>')
    await client.command('DATA')
    expect(await client.command('Subject: x\r\n\r\n.')).toBe('250 2.0.0 Ok: filed as m1')
    expect(receiving.filed[0]?.envelope.sender).toBe(sender)
  })
})

describe('recipients', () => {
  const cases: [string, string][] = [
    ['<ada@mail.example.test>', '250 2.1.5 Recipient ok'],
    ['<ADA+tag@MAIL.example.test>', '250 2.1.5 Recipient ok'],
    ['<postmaster>', '250 2.1.5 Recipient ok'],
    ['<PostMaster>', '250 2.1.5 Recipient ok'],
    ['<@relay.test:ada@mail.example.test>', '250 2.1.5 Recipient ok'],
    ['<nobody@mail.example.test>', '550 5.1.1 There is no mailbox nobody@mail.example.test here'],
    ['<ann@elsewhere.test>', '550 5.7.1 Relaying denied: this server accepts no mail for elsewhere.test'],
    ['<>', '501 5.1.3 The recipient is not a valid address'],
    ['<ada>', '501 5.1.3 The recipient is not a valid address'],
    ['<a@b@mail.example.test>', '501 5.1.3 The recipient is not a valid address'],
    ['ada@mail.example.test', '501 5.5.4 Syntax: RCPT TO:<address>'],
    ['<ada@mail.example.test> NOTIFY=NEVER', '555 5.5.4 Parameter NOTIFY is not supported'],
    ['<ü@mail.example.test>', '553 5.6.7 Non-ASCII addresses need the parameter SMTPUTF8 on MAIL FROM'],
  ]
  test.each(cases)('RCPT TO:%s → %s', async (path, expected) => {
    const { port } = await startListener()
    const client = await RawClient.open(port, 'peer.test')
    await client.command('MAIL FROM:<>')
    expect(await client.command(`RCPT TO:${path}`)).toBe(expected)
  })

  test('are passed on normalised, without duplicates, with plus-tags, and postmaster with our domain', async () => {
    const { port, receiving } = await startListener()
    const client = await RawClient.inData(port, 'ADA@mail.example.test')
    await client.command('x\r\n.')
    await client.command('MAIL FROM:<> SMTPUTF8')
    for (const path of ['Ada@mail.example.test', 'ada@MAIL.example.test', 'ada+x@mail.example.test', 'postmaster']) {
      await client.command(`RCPT TO:<${path}>`)
    }
    await client.command('RCPT TO:<Ü@mail.example.test>')
    await client.command('DATA')
    expect(await client.command('x\r\n.')).toBe('250 2.0.0 Ok: filed as m2 and 3 more')
    expect(receiving.filed[1]?.envelope.recipients).toEqual([
      'ada@mail.example.test',
      'ada+x@mail.example.test',
      'postmaster@mail.example.test',
      'ü@mail.example.test',
    ])
  })
})

describe('the order of commands', () => {
  test('MAIL, RCPT and DATA before EHLO are out of sequence', async () => {
    const { port } = await startListener()
    const client = await RawClient.open(port)
    for (const command of ['MAIL FROM:<>', 'RCPT TO:<ada@mail.example.test>', 'DATA']) {
      expect(await client.command(command)).toBe('503 5.5.1 Send EHLO first')
    }
  })

  test('a second MAIL is out of sequence until RSET or EHLO resets the first', async () => {
    const { port } = await startListener()
    const client = await RawClient.open(port, 'peer.test')
    await client.command('MAIL FROM:<>')
    expect(await client.command('MAIL FROM:<>')).toMatch(/^503 5\.5\.1 /)
    await client.command('RSET')
    expect(await client.command('RCPT TO:<ada@mail.example.test>')).toBe('503 5.5.1 Send MAIL first')
    expect(await client.command('MAIL FROM:<>')).toMatch(/^250 /)
    await client.command('EHLO peer.test')
    expect(await client.command('MAIL FROM:<>')).toMatch(/^250 /)
  })

  test('DATA without an accepted recipient is refused and no message is read', async () => {
    const { port } = await startListener()
    const client = await RawClient.open(port, 'peer.test')
    await client.command('MAIL FROM:<>')
    await client.command('RCPT TO:<nobody@mail.example.test>')
    expect(await client.command('DATA')).toBe('554 5.5.1 No valid recipients')
    expect(await client.command('NOOP')).toMatch(/^250 /)
  })

  test('after a message the transaction is over, and the next one starts with MAIL', async () => {
    const { port } = await startListener()
    const client = await RawClient.inData(port)
    expect(await client.command('x\r\n.')).toMatch(/^250 2\.0\.0 /)
    expect(await client.command('DATA')).toBe('503 5.5.1 Send MAIL first')
  })

  test('QUIT is answered with 221, and the connection is closed', async () => {
    const { port } = await startListener()
    const client = await RawClient.open(port)
    expect(await client.command('QUIT')).toBe('221 2.0.0 Bye')
    expect(await client.rest()).toBe('')
  })
})

describe('failures of the core', () => {
  test('a full disk is reported at MAIL, before the bytes are sent', async () => {
    const { port, receiving } = await startListener()
    receiving.room = () => {
      throw new MailError('disk_full', {})
    }
    const client = await RawClient.open(port, 'peer.test')
    expect(await client.command('MAIL FROM:<>')).toBe('452 4.3.1 The disk is nearly full; nothing was changed')
  })

  test('if the store cannot be read, the failure of RCPT is temporary', async () => {
    const { port, receiving, logged } = await startListener()
    receiving.beforeAccept = () => {
      throw new MailError('unavailable', {}, { cause: new Error('disk I/O error') })
    }
    const client = await RawClient.open(port, 'peer.test')
    await client.command('MAIL FROM:<>')
    const reply = await client.command('RCPT TO:<ada@mail.example.test>')
    expect(reply).toMatch(/^451 4\.3\.0 /)
    expect(reply).not.toContain('I/O') // that detail is for the operator
    expect(logged.some((line) => line.includes('disk I/O error'))).toBe(true)
  })

  const failures: [string, unknown, string][] = [
    [
      'an inbox deleted since RCPT',
      new MailError('unknown_recipient', { address: 'a@b.test' }),
      '550 5.1.1 There is no mailbox a@b.test here',
    ],
    [
      'a message over the limit',
      new MailError('message_too_large', { limitBytes: 9 }),
      '552 5.3.4 The message is larger than 9 bytes',
    ],
    ['a full disk', new MailError('disk_full', {}), '452 4.3.1 The disk is nearly full; nothing was changed'],
    ['a bug', new Error('SELECT secret FROM table'), '451 4.3.0 Internal error; try again later'],
  ]
  test.each(failures)('%s is reported after the message, and the session continues', async (_name, error, expected) => {
    const { port, receiving, logged } = await startListener()
    receiving.beforeCommit = () => {
      throw error
    }
    const client = await RawClient.inData(port)
    expect(await client.command('x\r\n.')).toBe(expected)
    expect(logged.some((line) => line.includes('SMTP command failed'))).toBe(!(error instanceof MailError))
    expect(await client.command('NOOP')).toMatch(/^250 /)
  })

  test('an error "shutting_down" of the core ends the session', async () => {
    const { port, receiving } = await startListener()
    receiving.beforeCommit = () => {
      throw new MailError('shutting_down', {})
    }
    const client = await RawClient.inData(port)
    expect(await client.command('x\r\n.')).toMatch(/^421 4\.3\.2 /)
    expect(await client.rest()).toBe('')
  })

  test('250 is not sent before the message is committed', async () => {
    const { port, receiving } = await startListener()
    const { gate, reached, open } = createGate()
    receiving.beforeCommit = gate
    const client = await RawClient.inData(port)
    client.send('x\r\n.\r\n')
    await reached
    // This takes several turns of the event loop, in which a premature 250 would be sent.
    const other = await RawClient.open(port, 'other.test')
    expect(client.unread).toBe('')
    open()
    expect(await client.reply()).toMatch(/^250 /)
    other.send('QUIT\r\n')
  })
})
