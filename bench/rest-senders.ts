/** Clients that send one message after the other over REST, each over its own keep-alive connection. */
import { Agent, request } from 'node:http'
import { type BenchServer, KEY } from './server.ts'

const TEXT = 'The quick brown fox jumps over the lazy dog while the mail server signs what it says.\n'.repeat(50)

export interface RestSenders {
  /** Times from each request to its response since the last call, in ms. */
  takeTimes(): number[]
  /** Resolves when each has its last response. */
  stop(): Promise<void>
}

/** The server holds this mail: it has no outbound route by default. */
export function startRestSenders({ url }: BenchServer, count: number): RestSenders {
  const agent = new Agent({ keepAlive: true, maxSockets: count })
  const path = `${url}/v0/inboxes/load@mail.localhost/messages/send`
  let isRunning = true
  let times: number[] = []
  const senders = Array.from({ length: count }, async () => {
    while (isRunning) {
      const startedAt = performance.now()
      await sendOne()
      times.push(performance.now() - startedAt)
    }
  })

  return {
    takeTimes() {
      const taken = times
      times = []
      return taken
    },
    async stop() {
      isRunning = false
      await Promise.all(senders)
      agent.destroy()
    },
  }

  function sendOne(): Promise<void> {
    const body = JSON.stringify({ to: 'zoe@elsewhere.test', subject: 'A message of the load', text: TEXT })
    return new Promise((resolve, reject) => {
      const headers = {
        authorization: `Bearer ${KEY}`,
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
      }
      request(path, { method: 'POST', agent, headers }, (response) => {
        if (response.statusCode !== 200) reject(new Error(`a send got ${response.statusCode}`))
        response.resume().once('end', resolve)
      })
        .once('error', reject)
        .end(body)
    })
  }
}
