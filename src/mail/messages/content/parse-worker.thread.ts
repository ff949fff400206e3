/** The thread of parse-worker.ts: receives a message's bytes and sends back the parsed message. */
import { parentPort, workerData } from 'node:worker_threads'
import type { ParseThreadData } from './parse-worker.ts'
import { parseMail } from './parsed-message.ts'

const { limits } = workerData as ParseThreadData

parentPort!.on('message', (raw: Uint8Array) => {
  // A Buffer arrives as a plain Uint8Array.
  parentPort!.postMessage(parseMail(Buffer.from(raw.buffer, raw.byteOffset, raw.byteLength), limits))
})
