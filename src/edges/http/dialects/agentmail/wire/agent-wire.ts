/** Sign-up of agents and verification of their humans. */
import { Type } from 'typebox'
import type { Limits } from '../../../../../config/limits.ts'
import type { SignedUp } from '../../../../../mail/accounts/sign-up.ts'
import { emailAddress, username } from './request-texts.ts'
import type { Wire } from './shape-wire.ts'
import { named } from './shape-wire.ts'

const shortText = ({ signUp }: Limits) => ({ maxLength: signUp.textCharsMax })

export const SignUpBody = named('AgentSignupRequest', {
  human_email: Type.Optional(
    Type.String({
      description: 'The owner of the agent, who gets a code by mail. Without it, the inbox only receives.',
      rule: emailAddress,
    }),
  ),
  username: Type.String({
    description: 'Part before the @ of the new inbox, of at most 64 bytes in UTF-8.',
    rule: username,
  }),
  source: Type.Optional(Type.String({ rule: shortText })),
  referrer: Type.Optional(Type.String({ rule: shortText })),
})

export const SignUpResult = named('AgentSignupResponse', {
  organization_id: Type.String(),
  inbox_id: Type.String(),
  api_key: Type.String({ description: 'Shown only here.' }),
})

export function signUpResult({ organizationId, inboxAddress, key }: SignedUp): Wire<typeof SignUpResult> {
  return { organization_id: organizationId, inbox_id: inboxAddress, api_key: key }
}

export const AttachHumanBody = named('AttachHumanRequest', { human_email: Type.String({ rule: emailAddress }) })

export const AttachHumanResult = named('AttachHumanResponse', {
  human_email: Type.String(),
  instructions: Type.String(),
})

export function attachHumanResult(human: string): Wire<typeof AttachHumanResult> {
  const instructions =
    `A 6-digit code was mailed to ${human}. Ask your human for it, and send it with POST /v0/agent/verify {"otp_code": "…"}. ` +
    'Until then, this organization sends mail to that address only.'
  return { human_email: human, instructions }
}

export const VerifyBody = named('AgentVerifyRequest', {
  otp_code: Type.String({ description: 'The 6 digits.', rule: { pattern: '^[0-9]{6}$' } }),
})

export const VerifyResult = named('AgentVerifyResponse', { verified: Type.Boolean() })
