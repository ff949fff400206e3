/**
 * The texts of messages that the row of their content does not have, for SEARCH (text-source.ts). Few large messages are in memory: the thread
 * that reads them waits until others were compared. A client that has left waits for nothing. Part of search-sources.ts.
 */
import { setImmediate } from 'node:timers/promises'
import type { Limits } from '../../../config/limits.ts'
import type { Contents } from '../../messages/content/contents.ts'
import type { MailReader } from '../../messages/content/mail-reader.ts'
import type { LargeContent } from '../fetch/large-structures.ts'
import { createTextSource, type TextSource } from './text-source.ts'

/** @throws the reason of `signal` while the texts are read; who compares them checks it. What the text source throws */
export type LimitedTexts = (content: LargeContent, signal: AbortSignal) => ReturnType<TextSource>

interface LimitedTextsNeeds {
  readonly contents: Contents
  readonly mailReader: Pick<MailReader, 'readTexts'>
  readonly limits: Limits
}

export function createLimitedTexts({ contents, mailReader, limits }: LimitedTextsNeeds): LimitedTexts {
  const { searchSourcesMax, sourceBytesMax } = limits.mailboxes
  /** Large messages that are compared now. */
  let comparedCount = 0
  /** The reader loads one message at a time, so that at most one waits. */
  const waiting: (() => void)[] = []
  const readTexts = createTextSource({
    contents,
    mailReader: {
      readTexts: (mail) =>
        mailReader.readTexts({
          ...mail,
          async load(end) {
            await setImmediate() // by then, what was read before is compared, and counted
            while (comparedCount >= searchSourcesMax) await new Promise<void>((resolve) => waiting.push(resolve))
            return mail.load(end)
          },
        }),
    },
    limits,
  })

  return async function* texts(content, signal) {
    const source = readTexts(content)
    const count = content.sizeBytes > sourceBytesMax ? 1 : 0
    let isCompared = false
    try {
      const first = await orAbort(source.next(), signal)
      comparedCount += count
      isCompared = true
      if (first.done) return
      yield first.value
      yield* source
    } finally {
      if (isCompared) {
        comparedCount -= count
        waiting.shift()?.()
      }
      // Closes its file, after a read that still runs. The search has its result or has left: an error helps nobody.
      source.return(undefined).catch(() => undefined)
    }
  }
}

async function orAbort<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const onAbort = () => reject(signal.reason)
    if (signal.aborted) onAbort()
    signal.addEventListener('abort', onAbort)
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort))
  })
}
