/**
 * Well-behaved peers that run while others attack. One asks ten times a second whether the server is ready, on its own
 * thread, so that the attackers' work in this process does not delay its measurements. The others send mail and use the
 * API.
 */
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { Worker } from 'node:worker_threads'
import { createTransport } from 'nodemailer'
import { HONEST, type Target } from './attack.ts'

export interface Readiness {
  /** Milliseconds until each answer, sorted. */
  readonly answeredMs: readonly number[]
  /** Answers other than 200, and missing ones. */
  readonly failures: readonly string[]
}

/**
 * Each request has a new connection, as with an orchestrator. Plain JavaScript: the test runner does not compile
 * workers.
 */
const PROBE = `
  const { parentPort, workerData } = require('node:worker_threads')
  const { get } = require('node:http')
  const answeredMs = []
  const failures = []
  let isStopped = false
  parentPort.on('message', () => { isStopped = true })
  function ask() {
    return new Promise((resolve) => {
      const startedMs = performance.now()
      const { url, localAddress, timeoutMs } = workerData
      const request = get(url, { agent: false, localAddress, timeout: timeoutMs }, (response) => {
        response.resume().on('end', () => {
          if (response.statusCode === 200) answeredMs.push(performance.now() - startedMs)
          else failures.push(String(response.statusCode))
          resolve()
        })
      })
      request.on('timeout', () => request.destroy(new Error('no answer in ' + timeoutMs + ' ms')))
      request.on('error', (error) => { failures.push(error.message); resolve() })
    })
  }
  async function run() {
    while (!isStopped) {
      await ask()
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    parentPort.postMessage({ answeredMs, failures })
    parentPort.close()
  }
  run()`

export function startProbe({ url }: Target): { stop(): Promise<Readiness> } {
  const workerData = { url: `${url}/readyz`, localAddress: HONEST, timeoutMs: 60_000 }
  const worker = new Worker(PROBE, { eval: true, workerData })
  return {
    async stop() {
      const message = once(worker, 'message')
      worker.postMessage('stop')
      const [{ answeredMs, failures }] = (await message) as [{ answeredMs: number[]; failures: string[] }]
      return { answeredMs: answeredMs.toSorted((a, b) => a - b), failures }
    },
  }
}

/** @param share  0.99 for the 99th percentile */
export function percentile(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

/** A mail server and an agent. They retry after a temporary error, as real ones do. */
export class HonestPeers {
  /** Subjects of messages that the server accepted. */
  readonly sent: string[] = []
  requests = 0
  /** The number of temporary errors. */
  retries = 0
  readonly #target: Target
  readonly #inbox: string
  #isStopped = false
  readonly #running: Promise<unknown>

  /** @param inbox  an address that is not attacked */
  constructor(target: Target, inbox: string) {
    this.#target = target
    this.#inbox = inbox
    this.#running = Promise.all([this.#again(() => this.#mail()), this.#again(() => this.#request())])
    this.#running.catch(() => undefined) // thrown by stop()
  }

  /** @throws Error after a permanent error, or too many temporary ones */
  async stop(): Promise<void> {
    this.#isStopped = true
    await this.#running
  }

  async #again(act: () => Promise<void>): Promise<void> {
    while (!this.#isStopped) {
      await act()
      await delay(PAUSE_MS)
    }
  }

  async #mail(): Promise<void> {
    const subject = `honest ${this.sent.length}`
    const connection = { host: '127.0.0.1', port: this.#target.smtpPort, localAddress: HONEST }
    const transport = createTransport({ ...connection, tls: { rejectUnauthorized: false } })
    try {
      await this.#untilTaken(
        () => transport.sendMail({ from: 'ann@example.test', to: this.#inbox, subject, text: subject }),
        (error) => !(Number((error as { responseCode?: number }).responseCode) >= 500),
      )
    } finally {
      transport.close()
    }
    this.sent.push(subject)
  }

  async #request(): Promise<void> {
    const { url, rootKey } = this.#target
    await this.#untilTaken(
      async () => {
        const answer = await fetch(`${url}/v0/inboxes/${this.#inbox}/messages?limit=1`, {
          headers: { authorization: `Bearer ${rootKey}` },
        })
        const text = await answer.text()
        if (answer.status !== 200) throw Object.assign(new Error(`${answer.status} ${text}`), { status: answer.status })
      },
      (error) => ![400, 401, 403, 404, 500].includes((error as { status?: number }).status ?? 0),
    )
    this.requests += 1
  }

  async #untilTaken(act: () => Promise<unknown>, isPassing: (error: unknown) => boolean): Promise<void> {
    for (let tries = 1; ; tries++) {
      try {
        await act()
        return
      } catch (error) {
        if (tries >= TRIES_MAX || !isPassing(error)) {
          throw new Error(`an honest peer was refused ${tries} times: ${(error as Error).message}`, { cause: error })
        }
        this.retries += 1
        await delay(PAUSE_MS)
      }
    }
  }
}

const PAUSE_MS = 250
const TRIES_MAX = 40
