/**
 * What the hostile corpus consists of: inputs by shape and size, each with a name. A seed makes the same ones again; sizes and
 * counts are small in `npm test` and large in the long form (CONTRIBUTING.md).
 */
import { amount } from '../support/amount.ts'

export const KIB = 1024
export const MIB = 1024 * KIB

/** The server that is attacked, and what a peer needs to know of it. */
export interface Target {
  readonly url: string
  readonly httpPort: number
  readonly smtpPort: number
  /** May do everything. */
  readonly rootKey: string
  /** May do everything in the inbox `victim`. */
  readonly inboxKey: string
  /** May do nothing. */
  readonly powerlessKey: string
  /** Address of the inbox that attacks are about. */
  readonly victim: string
  /** Message-ID of a mail in it. */
  readonly messageId: string
}

export interface Attack {
  readonly name: string
  /**
   * @returns what the server did, in a few words, for the tally
   * @throws Error when it did what it must not: an answer that is malformed, or says that the server failed
   */
  run(target: Target): Promise<string>
}

/** Where peers connect from, so that limits per peer tell them apart. */
export const SQUATTERS = Array.from({ length: 10 }, (_, index) => `127.0.0.${index + 2}`)
export const ATTACKERS = Array.from({ length: 5 }, (_, index) => `127.0.0.${index + 21}`)
export const HONEST = '127.0.0.99'

/** Sizes and counts of all attacks. */
export const scale = {
  /** Most inputs. */
  sizeBytes: amount({ short: 32 * KIB, long: 2 * MIB }),
  /** A few inputs of each kind. */
  largeBytes: amount({ short: 512 * KIB, long: 45 * MIB }),
  /** Values made at random, by kind. */
  fuzzed: amount({ short: 20, long: 1_500 }),
  /** Commands, frames or requests without a pause, on one connection. */
  flood: amount({ short: 500, long: 60_000 }),
  /** Connections that are kept open. */
  held: amount({ short: 10, long: 1_000 }),
  /** Bodies of `largeBytes` that never end. */
  unfinished: amount({ short: 4, long: 40 }),
  /** Rounds with seeds of their own. */
  rounds: amount({ short: 1, long: 3 }),
  /** For an attack to be answered: what takes longer is a fault. RFC 5321 §4.5.3.2.6 gives a mail ten minutes. */
  patienceMs: amount({ short: 30_000, long: 600_000 }),
}

/** A piece again and again, so many bytes of it at most. */
export function fill(piece: string, sizeBytes: number): string {
  return piece.repeat(Math.max(1, Math.floor(sizeBytes / Buffer.byteLength(piece))))
}

/**
 * Runs attacks, so many at once, as long as the server is alive.
 *
 * @returns how often each ending was seen, and every fault
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
