/** Collects the output of a program; a test can wait for a text in it. */
import type { Readable } from 'node:stream'

/** The time after which a missing text counts as an error. */
const TEXT_TIMEOUT_MS = 20_000

export interface ProcessOutput {
  /** All output so far, without carriage returns and colours. */
  readonly text: () => string
  /** Resolves with the first match after the previous one; rejects with the actual output if there is none in time. */
  until(fits: RegExp): Promise<RegExpExecArray>
}

export function outputOf(stream: Readable): ProcessOutput {
  let raw = ''
  let seen = 0
  let wake: (() => void) | undefined
  // biome-ignore lint/suspicious/noControlCharactersInRegex: terminals use them
  const text = () => raw.replace(/\x1b\[[\d;?]*[A-Za-z]|\r/g, '')
  stream.setEncoding('utf8').on('data', (chunk) => {
    raw += chunk
    wake?.()
  })

  return {
    text,
    async until(fits) {
      let isLate = false
      const timer = setTimeout(() => {
        isLate = true
        wake?.()
      }, TEXT_TIMEOUT_MS)
      try {
        for (;;) {
          const match = fits.exec(text().slice(seen))
          if (match) {
            seen += match.index + match[0].length
            return match
          }
          if (isLate) throw new Error(`${fits} did not appear; the output is:\n${text().slice(seen)}`)
          await new Promise<void>((resolve) => {
            wake = resolve
          })
        }
      } finally {
        clearTimeout(timer)
      }
    },
  }
}
