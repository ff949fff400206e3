/** The thread of parse-worker.ts: receives the bytes of messages, or reads a large one from its file, and sends back what its task reads from each. */
import { readFileSync } from 'node:fs'
import { parentPort, workerData } from 'node:worker_threads'
import { readSenderEvidence } from '../../../formats/dkim/sender-evidence.ts'
import { lowerOwnPriority, ownThreadId } from '../../../thread-scheduling.ts'
import { type PackedTexts, readHead, readStructure, readTexts } from './message-structure.ts'
import {
  joined,
  type ParseBatch,
  type ParsedBatch,
  type ParseThreadData,
  PROGRESS,
  type Task,
  type TaskResult,
  type UnreadableFile,
} from './parse-worker.ts'
import { evidenceLimits, type ParsedMail, parseMail } from './parsed-message.ts'

const { limits, niceLevels, progress } = workerData as ParseThreadData

Atomics.store(progress, PROGRESS.threadId, ownThreadId())
lowerOwnPriority(niceLevels)

/** A piece that a message does not have. */
const NONE = new Uint8Array()

parentPort!.on('message', ({ number, tasks, file, bytes, sizes }: ParseBatch) => {
  const raws = file === undefined ? split(bytes, sizes) : readFile(file)
  if ('fileError' in raws) return parentPort!.postMessage(raws)
  // From here on, time and memory are those of the messages.
  Atomics.store(progress, PROGRESS.parsedCount, 0)
  Atomics.store(progress, PROGRESS.batch, number)
  const pieces: Uint8Array[] = []
  const jsons = raws.map((raw, index) => {
    // Each at once: a result refers to the texts that it was read from, which need not outlive it in this batch.
    const json = jsonOf(run(tasks[index]!, raw), pieces)
    Atomics.store(progress, PROGRESS.parsedCount, index + 1)
    return json
  })
  const packed = tasks.length === 1 && tasks[0] === 'readTexts' ? pieces[0]! : joined(pieces)
  const answer: ParsedBatch = { json: `[${jsons.join()}]`, bytes: packed, sizes: pieces.map(({ length }) => length) }
  parentPort!.postMessage(answer, [packed.buffer as ArrayBuffer])
})

readSenderEvidence(Buffer.from('From: a@a.test\r\n\r\n'), evidenceLimits(limits))
// Builds the tables that the parsers build when they are first used, which counts as the start of the thread.
parseMail(
  Buffer.from('Content-Type: text/html\r\n\r\n<p>Your code: 123456 <a href="https://a.test/">Verify</a></p>'),
  limits,
)
Atomics.store(progress, PROGRESS.isReady, 1)

function run(task: Task, raw: Buffer): TaskResult {
  switch (task) {
    case 'readEvidence':
      return readSenderEvidence(raw, evidenceLimits(limits))
    case 'readStructure':
      return readStructure(raw, limits)
    case 'readHead':
      return readHead(raw, limits)
    case 'readTexts':
      return readTexts(raw, limits)
    default:
      return parseMail(raw, limits, task === 'parse')
  }
}

/** An error of the disk is not one of the message: it must not end the thread. */
function readFile(file: string): [Buffer] | UnreadableFile {
  try {
    return [readFileSync(file)]
  } catch (error) {
    return { fileError: error as Error }
  }
}

function isParsed(result: TaskResult): result is ParsedMail {
  return 'compressedBodies' in result
}

function isPacked(result: TaskResult): result is PackedTexts {
  return 'sizes' in result
}

function split(bytes: Uint8Array, sizes: readonly number[]): Buffer[] {
  let end = bytes.byteOffset
  return sizes.map((size) => {
    const start = end
    end += size
    return Buffer.from(bytes.buffer, start, size)
  })
}

/**
 * JSON takes the receiver a third of the time of a structured clone.
 *
 * @param pieces gets the three pieces of the result that are bytes
 */
function jsonOf(result: TaskResult, pieces: Uint8Array[]): string {
  if (isPacked(result)) {
    pieces.push(result.bytes, NONE, NONE)
    return JSON.stringify({ ...result, bytes: undefined })
  }
  if (!isParsed(result)) {
    pieces.push(NONE, NONE, NONE)
    return JSON.stringify(result)
  }
  const { compressedBodies, compressedSource = NONE, searchText } = result
  pieces.push(compressedBodies.bytes, compressedSource, searchText)
  const { sizeBytes, headBytes } = compressedBodies
  const withoutBytes = {
    compressedSource: undefined,
    searchText: undefined,
    compressedBodies: { sizeBytes, headBytes },
  }
  return JSON.stringify({ ...result, ...withoutBytes })
}
