/** The output of a program, to wait for what it will say. */
import type { Readable } from 'node:stream'

/** A program that is silent for so long will not say it any more. */
const PATIENCE_MS = 20_000

export interface Watched {
  /** All of it so far, without carriage returns and colours. */
  readonly text: () => string
  /** Resolves with the first match behind the last one; rejects with what is there when it does not come. */
  until(fits: RegExp): Promise<RegExpExecArray>
}

export function watched(stream: Readable): Watched {
  let raw = ''
  let seen = 0
  let wake: (() => void) | undefined
  // biome-ignore lint/suspicious/noControlCharactersInRegex: terminals speak in them
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
      }, PATIENCE_MS)
      try {
        for (;;) {
          const match = fits.exec(text().slice(seen))
          if (match) {
            seen += match.index + match[0].length
            return match
          }
          if (isLate) throw new Error(`${fits} did not come; what came is:\n${text().slice(seen)}`)
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
