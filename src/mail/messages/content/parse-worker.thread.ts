/** The thread of parse-worker.ts: a mail's bytes in, its reading out. */
import { parentPort, workerData } from 'node:worker_threads'
import type { ReadingThreadData } from './parse-worker.ts'
import { readMail } from './parsed-message.ts'

const { limits } = workerData as ReadingThreadData

parentPort!.on('message', (raw: Uint8Array) => {
  // A Buffer arrives as a plain Uint8Array.
  parentPort!.postMessage(readMail(Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength), limits))
})
