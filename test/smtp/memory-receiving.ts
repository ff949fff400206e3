/**
 * An in-memory implementation of `Receiving`: it keeps all messages, and fails where the test says so. Flows with the
 * real core are in test/flows.
 */
import { MailError } from '../../src/errors.ts'
import type { Arrival, Envelope, Receipt } from '../../src/mail/receiving/arrival.ts'
import type { Receiving } from '../../src/mail/receiving/receiving.ts'

export interface FiledMail {
  arrival: Arrival
  envelope: Envelope
  raw: Buffer
}

export class MemoryReceiving implements Receiving {
  readonly filed: FiledMail[] = []
  readonly failures: unknown[] = []
  /** Resolves with the first error of a `receive`. */
  readonly firstFailure: Promise<unknown>
  #resolveFailure: (error: unknown) => void = () => undefined
  /** Every address of these domains is known, except those that begin with "nobody". */
  domains = ['mail.example.test']
  bytesMax = Number.POSITIVE_INFINITY
  /** Replace one of these to make a step fail or wait. */
  beforeAccept: (address: string) => void | Promise<void> = () => undefined
  beforeRead: () => void | Promise<void> = () => undefined
  beforeCommit: () => void | Promise<void> = () => undefined
  overloaded = false
  room: () => void = () => undefined

  constructor() {
    this.firstFailure = new Promise((resolve) => {
      this.#resolveFailure = resolve
    })
  }

  async accepts(address: string): Promise<boolean> {
    await this.beforeAccept(address)
    return !address.startsWith('nobody') && this.#isOurs(address)
  }

  async rejectionOf(address: string): Promise<MailError> {
    if (this.#isOurs(address)) return new MailError('unknown_recipient', { address })
    return new MailError('relaying_denied', { domain: address.slice(address.lastIndexOf('@') + 1) })
  }

  #isOurs(address: string): boolean {
    return this.domains.some((domain) => address.endsWith(`@${domain}`))
  }

  isOverloaded(): boolean {
    return this.overloaded
  }

  checkWritable(): void {
    this.room()
  }

  async receive(arrival: Arrival, envelope: Envelope, stream: AsyncIterable<Buffer>): Promise<Receipt[]> {
    try {
      await this.beforeRead()
      const chunks: Buffer[] = []
      let sizeBytes = 0
      for await (const chunk of stream) {
        sizeBytes += chunk.length
        if (sizeBytes > this.bytesMax) throw new MailError('message_too_large', { limitBytes: this.bytesMax })
        chunks.push(chunk)
      }
      await this.beforeCommit()
      this.filed.push({ arrival, envelope, raw: Buffer.concat(chunks) })
    } catch (error) {
      this.failures.push(error)
      this.#resolveFailure(error)
      throw error
    }
    const messageId = `m${this.filed.length}`
    return envelope.recipients.map((recipient) => ({ recipient, id: messageId, messageId, isDuplicate: false }))
  }

  /** The messages as text, in order of arrival. */
  get texts(): string[] {
    return this.filed.map((mail) => mail.raw.toString('latin1'))
  }
}

/** Creates a step that waits: `reached` resolves when the code gets there; `open()` lets it continue. */
export function createGate(): { gate: () => Promise<void>; reached: Promise<void>; open: () => void } {
  let open: () => void = () => undefined
  let reach: () => void = () => undefined
  const opened = new Promise<void>((resolve) => {
    open = resolve
  })
  const reached = new Promise<void>((resolve) => {
    reach = resolve
  })
  const gate = () => {
    reach()
    return opened
  }
  return { gate, reached, open: () => open() }
}
