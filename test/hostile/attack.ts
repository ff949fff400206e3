/**
 * The form of every attack of the hostile corpus: inputs by shape and size, each with a name. The same seed creates the
 * same inputs. Sizes and counts are small in `npm test` and large in the long form (CONTRIBUTING.md).
 */
import { amount } from '../support/amount.ts'

export const KIB = 1024
export const MIB = 1024 * KIB

/** The server under attack, and what a peer needs to know about it. */
export interface Target {
  readonly url: string
  readonly httpPort: number
  readonly smtpPort: number
  /** Without TLS, and with TLS from the first byte. */
  readonly imapPorts: { readonly plain: number; readonly tls: number }
  /** An app password of the inbox `victim`. */
  readonly appPassword: string
  /** A key with all permissions. */
  readonly rootKey: string
  /** A key with all permissions in the inbox `victim`. */
  readonly inboxKey: string
  /** A key without permissions. */
  readonly powerlessKey: string
  /** Address of the attacked inbox. */
  readonly victim: string
  /** Message-ID of a message in it. */
  readonly messageId: string
}

export interface Attack {
  readonly name: string
  /**
   * @returns a short name of the result, for the statistics
   * @throws Error if the server failed: its answer is malformed, or reports a server error
   */
  run(target: Target): Promise<string>
}

/** The addresses from which peers connect. They differ, so that limits per peer treat each group separately. */
export const SQUATTERS = Array.from({ length: 10 }, (_, index) => `127.0.0.${index + 2}`)
export const ATTACKERS = Array.from({ length: 5 }, (_, index) => `127.0.0.${index + 21}`)
export const HONEST = '127.0.0.99'

/** Sizes and counts of all attacks. */
export const scale = {
  /** Most inputs. */
  sizeBytes: amount({ short: 32 * KIB, long: 2 * MIB }),
  /** A few inputs of each kind. */
  largeBytes: amount({ short: 512 * KIB, long: 45 * MIB }),
  /** Random values of each kind. */
  fuzzed: amount({ short: 20, long: 1_500 }),
  /** Commands, frames or requests without a pause, on one connection. */
  flood: amount({ short: 500, long: 60_000 }),
  /** Connections that are kept open. */
  held: amount({ short: 10, long: 1_000 }),
  /** Bodies of `largeBytes` that never end. */
  unfinished: amount({ short: 4, long: 40 }),
  /** Rounds, each with its own seed. */
  rounds: amount({ short: 1, long: 3 }),
  /** Time for the answer to an attack; a longer one is a failure. RFC 5321 §4.5.3.2.6 gives a message ten minutes. */
  answerTimeoutMs: amount({ short: 30_000, long: 600_000 }),
}

/** Repeats a text, up to this number of bytes. */
export function fill(piece: string, sizeBytes: number): string {
  return piece.repeat(Math.max(1, Math.floor(sizeBytes / Buffer.byteLength(piece))))
}

/**
 * Runs attacks, a limited number at once, as long as the server is alive.
 *
 * @returns the count of each result, and every failure
 */
export async function runAttacks(
  attacks: readonly Attack[],
  target: Target,
  { concurrency, isAlive }: { readonly concurrency: number; readonly isAlive: () => boolean },
): Promise<{ endings: Map<string, number>; faults: string[] }> {
  const endings = new Map<string, number>()
  const faults: string[] = []
  const waiting = [...attacks]
  const worker = async () => {
    for (let attack = waiting.shift(); attack && isAlive(); attack = waiting.shift()) {
      try {
        const ending = await attack.run(target)
        endings.set(ending, (endings.get(ending) ?? 0) + 1)
      } catch (error) {
        if (isAlive()) faults.push(`${attack.name}: ${(error as Error).message.slice(0, 500)}`)
      }
    }
  }
  await Promise.all(Array.from({ length: concurrency }, worker))
  return { endings, faults }
}
