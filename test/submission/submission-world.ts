/** A world with submission on both ports, whose mail to `a.test` arrives at a fake mail server; and its clients. */
import { createTransport, type SendMailOptions } from 'nodemailer'
import type SMTPTransport from 'nodemailer/lib/smtp-transport/index.js'
import { type LimitOverrides, mergeLimits } from '../../src/config/limits.ts'
import { RawClient } from '../smtp/raw-client.ts'
import { startDns } from '../support/dns-server.ts'
import { type FakeMx, mxAddress, startMxs } from '../support/fake-mx.ts'
import { startWorld, type World } from '../support/world.ts'

export interface SubmissionWorld extends AsyncDisposable {
  readonly world: World
  /** The mail server of `a.test`. */
  readonly mx: FakeMx
}

export async function startSubmission(
  limits: LimitOverrides = {},
  env: Record<string, string> = {},
): Promise<SubmissionWorld> {
  const { mxs, port, [Symbol.asyncDispose]: closeMxs } = await startMxs({})
  const dns = await startDns({
    'a.test': { MX: [{ preference: 10, exchange: 'mx.a.test' }] },
    'mx.a.test': { A: [mxAddress(0)] },
  })
  const world = await startWorld({
    env: {
      ...{ MARTLET_OUTBOUND: 'direct', MARTLET_OUTBOUND_PORT: `${port}`, MARTLET_DNS_SERVERS: dns.address },
      ...{ MARTLET_SUBMISSION_PORT: '0', MARTLET_SUBMISSIONS_PORT: '0', ...env },
    },
    limits: mergeLimits({ access: { failedLoginDelayMs: 0 } }, limits),
  })
  return {
    world,
    mx: mxs[0],
    async [Symbol.asyncDispose]() {
      await world[Symbol.asyncDispose]()
      await dns[Symbol.asyncDispose]()
      await closeMxs.call(undefined)
    },
  }
}

export interface Sender {
  readonly user: string
  readonly pass: string
}

/** Sends with nodemailer, over implicit TLS unless `port` is that of STARTTLS. */
export async function submit(
  world: World,
  auth: Sender,
  mail: SendMailOptions,
  options: SMTPTransport.Options = {},
): Promise<SMTPTransport.SentMessageInfo> {
  const transport = createTransport({
    ...{ host: '127.0.0.1', port: world.submissionsPort, secure: true, auth, tls: { rejectUnauthorized: false } },
    ...options,
  } as SMTPTransport.Options)
  try {
    return await transport.sendMail({ from: auth.user, subject: 'hello', text: 'hello', ...mail })
  } finally {
    transport.close()
  }
}

/** Returns a client that has sent EHLO inside TLS. */
export async function openSecure(world: World): Promise<RawClient> {
  const client = await RawClient.open(world.submissionPort, 'client.test')
  await client.startTls()
  await client.command('EHLO client.test')
  return client
}

export function plain({ user, pass }: Sender, identity = ''): string {
  return Buffer.from(`${identity}\0${user}\0${pass}`).toString('base64')
}

export async function openLoggedIn(world: World, sender: Sender): Promise<RawClient> {
  const client = await openSecure(world)
  const reply = await client.command(`AUTH PLAIN ${plain(sender)}`)
  if (!reply.startsWith('235')) throw new Error(reply)
  return client
}

/** Sends one message with these bytes. @returns the first refusal, or the reply to the message */
export async function sendRaw(
  client: RawClient,
  { from, to, raw }: { readonly from: string; readonly to: readonly string[]; readonly raw: string },
): Promise<string> {
  for (const command of [`MAIL FROM:<${from}>`, ...to.map((each) => `RCPT TO:<${each}>`), 'DATA']) {
    const reply = await client.command(command)
    if (/^[45]/.test(reply)) return reply
  }
  client.send(`${raw.replaceAll('\n', '\r\n')}\r\n.\r\n`)
  return client.reply()
}
