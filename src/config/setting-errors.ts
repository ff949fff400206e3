/**
 * Collects the mistakes in the settings, to report all of them at once: otherwise an operator needs as many starts as there
 * are mistakes. Part of settings.ts.
 */
import { StartupError } from '../errors.ts'

export interface ErrorList {
  add(sentences: readonly string[]): void
  /** Returns the result; undefined after a StartupError, which is added. */
  collect<Result>(read: () => Result): Result | undefined
  /** @throws one StartupError with all sentences, if there are any */
  throwAny(): void
}

export function createErrorList(): ErrorList {
  const sentences = new Set<string>()
  return {
    add(more) {
      for (const each of more) sentences.add(each)
    },

    collect(read) {
      try {
        return read()
      } catch (error) {
        if (!(error instanceof StartupError)) throw error
        sentences.add(error.message)
        return undefined
      }
    },

    throwAny() {
      const [first, ...others] = sentences
      if (first === undefined) return
      if (others.length === 0) throw new StartupError(first)
      throw new StartupError(['Correct these settings:', ...sentences].join('\n  '))
    },
  }
}
