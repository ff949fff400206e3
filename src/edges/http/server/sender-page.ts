/**
 * The page of a challenge (mail/receiving/challenges/): the sender of a message opens the link of its mail, and confirms with a button
 * that it wrote the message. Opening the page changes nothing, because scanners of mail open all links, also by HEAD.
 *
 * Nothing on it is loaded from elsewhere, and all texts are escaped: the address is one that a stranger has written.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { MailError } from '../../../errors.ts'
import type { Challenge, SenderChallenges } from '../../../mail/receiving/challenges/sender-challenges.ts'
import type { HttpApp } from './http-dialect.ts'
import { publicRoute } from './route-access.ts'

const HEADERS = {
  'content-security-policy':
    "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'no-referrer',
  'cache-control': 'no-store',
  'x-robots-tag': 'noindex',
}

const url = '/verify-sender/:token'
/** The token must not be logged. */
const config = { ...publicRoute, secretPath: true }

type TokenRequest = FastifyRequest<{ Params: { token: string } }>

export function senderPageRoutes(app: HttpApp, challenges: SenderChallenges): void {
  app.get(url, { config }, async (request: TokenRequest, reply) => {
    const challenge = await challenges.find(request.params.token)
    return challenge ? send(reply, 200, question(challenge)) : send(reply, 404, ENDED)
  })

  app.post(url, { config }, async (request: TokenRequest, reply) => {
    const challenge = await challenges.confirm(request.params.token)
    return challenge ? send(reply, 200, answer(challenge)) : send(reply, 404, ENDED)
  })

  // A route, so that the log has its pattern instead of the token.
  app.route({
    method: ['PUT', 'PATCH', 'DELETE'],
    url,
    config,
    onRequest: async ({ method }, reply) => {
      reply.header('allow', 'GET, HEAD, POST')
      throw new MailError('method_not_allowed', { method, allowed: 'GET, HEAD, POST' })
    },
    handler: () => undefined,
  })
}

function send(reply: FastifyReply, status: number, body: string) {
  return reply.code(status).headers(HEADERS).type('text/html; charset=utf-8').send(page(body))
}

function question(challenge: Challenge): string {
  return `<h1>Did you write this message?</h1>
${facts(challenge)}
<p>Confirm only if you wrote this message yourself. Then messages of this address from there are trusted by the
recipient. If somebody else wrote it, close this page.</p>
<form method="post"><button>I wrote it</button></form>`
}

function answer(challenge: Challenge): string {
  return `<h1>Confirmed</h1>
${facts(challenge)}
<p>Messages of this address from there are trusted by the recipient from now on. You can close this page.</p>`
}

const ENDED = `<h1>This link does not work</h1>
<p>It was used already, or it has ended. A later message may bring you a new one.</p>`

function facts({ inboxAddress, address, origin, messageAt }: Challenge): string {
  const [kind, where = ''] = origin.split(/:(.*)/s)
  const from = kind === 'signed' ? `a server that signs as ${where}` : `the network address ${where}`
  return `<dl>
<dt>To</dt><dd>${escaped(inboxAddress)}</dd>
<dt>From</dt><dd>${escaped(address)}</dd>
<dt>Sent from</dt><dd>${escaped(from)}</dd>
<dt>Received</dt><dd>${new Date(messageAt).toUTCString()}</dd>
</dl>`
}

function escaped(text: string): string {
  return text.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}

function page(body: string): string {
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>Confirm a message</title>
<style>body { font: 1rem/1.5 system-ui, sans-serif; max-width: 42rem; margin: 3rem auto; padding: 0 1rem }</style>
${body}
</html>
`
}
