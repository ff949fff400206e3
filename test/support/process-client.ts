/** Sends requests and messages to a server that runs as a separate process. */
import { createTransport } from 'nodemailer'
import { expect } from 'vitest'
import type { ServerProcess } from './server-process.ts'

/** @returns the body of a successful answer */
export async function api(
  server: ServerProcess,
  key: string,
  method: string,
  path: string,
  body?: object,
  // biome-ignore lint/suspicious/noExplicitAny: responses of every shape
): Promise<any> {
  const response = await fetch(`${server.url}/v0${path}`, {
    method,
    headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json' },
    ...(body && { body: JSON.stringify(body) }),
  })
  expect(response.ok, `${method} ${path}`).toBe(true)
  return response.json()
}

/** Sends a message from an external address to ada@mail.localhost. */
export async function mailToAda({ smtpPort }: ServerProcess, text: string, messageId?: string): Promise<void> {
  const transport = createTransport({ host: '127.0.0.1', port: smtpPort, ignoreTLS: true })
  try {
    await transport.sendMail({ from: 'ann@example.test', to: 'ada@mail.localhost', text, messageId })
  } finally {
    transport.close()
  }
}
