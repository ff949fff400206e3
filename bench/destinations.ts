/** 100 destinations for benchmarks: domains whose mail server is one smtp-sink on loopback, found through our own DNS server. */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { startDns, type Zones } from '../test/support/dns-server.ts'
import { type BenchServer, KEY } from './server.ts'

const SINK = '/usr/sbin/smtp-sink'
export const SINK_PORT = 2_529
export const DOMAINS = Array.from({ length: 100 }, (_, index) => `d${index}.test`)

export interface Destinations {
  /** Settings of a server that sends to them. */
  readonly env: Readonly<Record<string, string>>
  stop(): Promise<void>
}

export async function startDestinations(): Promise<Destinations> {
  if (!existsSync(SINK)) throw new Error(`${SINK} does not exist: install Postfix, which includes it`)
  const zones: Zones = { 'mx.test': { A: ['127.0.0.1'] } }
  for (const domain of DOMAINS) zones[domain] = { MX: [{ preference: 10, exchange: 'mx.test' }] }
  const dns = await startDns(zones)
  const sink = spawn(
    SINK,
    [...(process.getuid?.() === 0 ? ['-u', 'nobody'] : []), '-4', `inet:127.0.0.1:${SINK_PORT}`, '1024'],
    { stdio: 'inherit' },
  )
  await untilOpen(SINK_PORT)
  return {
    env: { MARTLET_OUTBOUND: 'direct', MARTLET_OUTBOUND_PORT: `${SINK_PORT}`, MARTLET_DNS_SERVERS: dns.address },
    async stop() {
      sink.kill()
      await dns[Symbol.asyncDispose]()
    },
  }
}

const TEXT = 'The quick brown fox jumps over the lazy dog while the mail server signs what it says.\n'.repeat(50)

/** Sends the message with this number from the inbox `load` over REST: the destinations take turns. */
export async function sendToDestination({ url }: BenchServer, index: number): Promise<void> {
  const answer = await fetch(`${url}/v0/inboxes/load@mail.localhost/messages/send`, {
    method: 'POST',
    headers: { authorization: `Bearer ${KEY}`, 'content-type': 'application/json' },
    body: JSON.stringify({ to: `zoe@${DOMAINS[index % DOMAINS.length]}`, subject: `Mail ${index}`, text: TEXT }),
  })
  if (answer.status !== 200) throw new Error(await answer.text())
  await answer.arrayBuffer()
}

/** Waits until the port accepts connections: smtp-sink prints nothing when it is ready. */
async function untilOpen(port: number): Promise<void> {
  for (;;) {
    const isOpen = await new Promise<boolean>((resolve) => {
      const socket = connect(port, '127.0.0.1', () => resolve(true)).on('error', () => resolve(false))
      socket.on('connect', () => socket.end())
    })
    if (isOpen) return
    await delay(20)
  }
}
