/** The page of a challenge shows what strangers have written, as text. */
import { fastify } from 'fastify'
import { expect, test } from 'vitest'
import type { HttpApp } from '../../src/edges/http/server/http-dialect.ts'
import { senderPageRoutes } from '../../src/edges/http/server/sender-page.ts'

test('markup in an address or a domain is escaped, on the question and on the answer', async () => {
  const challenge = {
    ...{ inboxAddress: 'a&b@c.test', address: '"<script>alert(1)</script>"@x.test' },
    ...{ origin: "signed:<img src=x onerror='x'>.test", messageAt: 0 },
  }
  const app = fastify()
  const asked: string[] = []
  const answerTo = async (token: string) => {
    asked.push(token)
    return challenge
  }
  senderPageRoutes(app as unknown as HttpApp, { find: answerTo, confirm: answerTo })
  for (const method of ['GET', 'POST'] as const) {
    const { body, statusCode } = await app.inject({ method, url: '/verify-sender/abc' })
    expect(statusCode).toBe(200)
    expect(body).toContain('&#60;script&#62;alert(1)')
    expect(body).toContain('a&#38;b@c.test')
    expect(body).not.toMatch(/<script|<img/)
  }
  expect(asked).toEqual(['abc', 'abc'])
})
