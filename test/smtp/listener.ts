/** An MX server on a free port with the in-memory core, stopped when the test ends. */
import { onTestFinished } from 'vitest'
import type { LimitOverrides } from '../../src/config/limits.ts'
import { loadConfig } from '../../src/config/settings.ts'
import { createMxServer } from '../../src/edges/smtp/mx/mx-server.ts'
import type { SmtpListener } from '../../src/edges/smtp/protocol/smtp-listener.ts'
import type { Certificate, TlsSource } from '../../src/edges/tls.ts'
import { createEventLoop, type EventLoop } from '../../src/event-loop.ts'
import { createLog } from '../../src/log.ts'
import { createMetrics, type Metrics } from '../../src/metrics.ts'
import { createSelfSigned } from '../../src/net/self-signed.ts'
import { MemoryReceiving } from './memory-receiving.ts'

export interface Listener {
  port: number
  receiving: MemoryReceiving
  mx: SmtpListener
  metrics: Metrics
  eventLoop: EventLoop
  tls: ChangingCertificate
  /** Log lines as JSON. */
  logged: string[]
  /** Resolves when a line with this text has been logged. */
  untilLogged(text: string): Promise<void>
}

export class ChangingCertificate implements TlsSource {
  readonly #listeners = new Set<() => void>()
  #certificate: Certificate
  constructor(certificate: Certificate) {
    this.#certificate = certificate
  }
  current(): Certificate {
    return this.#certificate
  }
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }
  change(certificate: Certificate): void {
    this.#certificate = certificate
    for (const listener of this.#listeners) listener()
  }
}

let certificate: Promise<Certificate> | undefined

export async function startListener(
  limits: LimitOverrides = {},
  env: Record<string, string> = {},
  receiving = new MemoryReceiving(),
): Promise<Listener> {
  certificate ??= createSelfSigned({ hostname: 'mail.example.test', nowMs: Date.now() })
  const tls = new ChangingCertificate(await certificate)
  const config = loadConfig({ MARTLET_DOMAIN: 'mail.example.test', MARTLET_SMTP_PORT: '0', ...env }, limits)
  const logged: string[] = []
  const waiting = new Set<() => void>()
  const log = createLog('debug', {
    write(line: string) {
      logged.push(line)
      for (const check of waiting) check()
    },
  })
  const metrics = createMetrics()
  const eventLoop = createEventLoop(config.limits)
  const mx = createMxServer({ config, log, metrics, eventLoop, receiving, tls })
  const { port } = await mx.listen()
  onTestFinished(() => mx.stop(0))
  return { port, receiving, mx, metrics, eventLoop, tls, logged, untilLogged }

  function untilLogged(text: string): Promise<void> {
    return new Promise((resolve) => {
      const check = () => {
        if (!logged.some((line) => line.includes(text))) return
        waiting.delete(check)
        resolve()
      }
      waiting.add(check)
      check()
    })
  }
}
