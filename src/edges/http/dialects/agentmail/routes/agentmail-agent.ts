/** Sign-up of an agent without a key, its human, and the code that verifies the human. */
import type { FastifyRequest } from 'fastify'
import type { Limits } from '../../../../../config/limits.ts'
import { networkOf } from '../../../../../formats/address/peer-network.ts'
import type { SignUp } from '../../../../../mail/accounts/sign-up.ts'
import type { VerifyHuman } from '../../../../../mail/accounts/verify-human.ts'
import type { HttpApp, HttpContext } from '../../../server/http-dialect.ts'
import { access, publicRoute } from '../../../server/route-access.ts'
import {
  AttachHumanBody,
  AttachHumanResult,
  attachHumanResult,
  SignUpBody,
  SignUpResult,
  signUpResult,
  VerifyBody,
  VerifyResult,
} from '../wire/agent-wire.ts'
import { usernameRules } from '../wire/request-texts.ts'
import { ok } from '../wire/shape-wire.ts'

const tags = ['Agent']
const humanRules = ['human_email must be an address…', 'human_email is the inbox of an agent that signed up']

interface SignUpNeeds extends Pick<HttpContext, 'clientAddress' | 'refusePages'> {
  readonly signUp: SignUp
  readonly limits: Limits
}

/** Needs no key: it creates the first one. A key that a client sends all the same is ignored. */
export function signUpRoute(app: HttpApp, { signUp, clientAddress, refusePages, limits }: SignUpNeeds): void {
  const networkOfClient = (request: FastifyRequest) => networkOf(clientAddress(request.raw))
  const { bodyBytesMax: bodyLimit } = limits.signUp
  const schema = {
    tags,
    summary: 'Sign up without a key',
    body: SignUpBody,
    response: ok(SignUpResult),
    errors: ['sign_ups_disabled', 'human_verified', 'resource_taken', 'forbidden', 'resource_deleting'] as const,
    rules: [...usernameRules, ...humanRules],
  }
  app.route({
    method: 'POST',
    url: '/agent/sign-up',
    schema,
    config: publicRoute,
    bodyLimit,
    onRequest: async (request) => {
      // Any page that a developer opens can reach a server on their machine, and would get an inbox beside their agents.
      refusePages(request)
      await signUp.admit(networkOfClient(request))
    },
    handler: async (request) => {
      const { human_email: humanEmail, username, source, referrer } = request.body
      return signUpResult(await signUp.create({ humanEmail, username, source, referrer }, networkOfClient(request)))
    },
  })
}

/** These need the key that the sign-up has created, or another one of its organization. */
export function agentRoutes(app: HttpApp, { verifyHuman }: { readonly verifyHuman: VerifyHuman }): void {
  const config = access([], { narrowestKey: 'organization' })

  const attach = {
    tags,
    summary: 'Set the human of the agent',
    body: AttachHumanBody,
    response: ok(AttachHumanResult),
    errors: ['human_conflict', 'human_verified', 'code_tries_exceeded'] as const,
    rules: humanRules,
  }
  app.post('/agent/human', { schema: attach, config }, async ({ actor, body }) =>
    attachHumanResult(await verifyHuman.attach(actor, body.human_email)),
  )

  const verify = {
    tags,
    summary: 'Enter the code of the human',
    body: VerifyBody,
    response: ok(VerifyResult),
    errors: ['code_tries_exceeded', 'human_conflict'] as const,
    rules: ['…code…'],
  }
  app.post('/agent/verify', { schema: verify, config }, async ({ actor, body }) => {
    await verifyHuman.verify(actor, body.otp_code)
    return { verified: true }
  })
}
