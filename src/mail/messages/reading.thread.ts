/** The thread of reader.ts: a mail's bytes in, its reading out. */
import { parentPort, workerData } from 'node:worker_threads'
import type { ReadingThreadData } from './reader.ts'
import { readMail } from './reading.ts'

const { limits } = workerData as ReadingThreadData

parentPort!.on('message', (raw: Uint8Array) => {
  // A Buffer arrives as a plain Uint8Array.
  parentPort!.postMessage(readMail(Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength), limits))
})
