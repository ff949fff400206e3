/** Sign-up of agents and verification of their humans. */
import { Type } from 'typebox'
import type { SignedUp } from '../../../../../mail/accounts/sign-up.ts'
import type { Wire } from './shape-wire.ts'

export const SignUpBody = Type.Object({
  human_email: Type.Optional(
    Type.String({
      description: 'The owner of the agent, who gets a code by mail. Without it, the inbox only receives.',
    }),
  ),
  username: Type.String({ description: 'Part before the @ of the new inbox.' }),
  source: Type.Optional(Type.String()),
  referrer: Type.Optional(Type.String()),
})

export const SignUpResult = Type.Object({
  organization_id: Type.String(),
  inbox_id: Type.String(),
  api_key: Type.String({ description: 'Shown only here.' }),
})

export function signUpResult({ organizationId, inboxAddress, key }: SignedUp): Wire<typeof SignUpResult> {
  return { organization_id: organizationId, inbox_id: inboxAddress, api_key: key }
}

export const AttachHumanBody = Type.Object({ human_email: Type.String() })

export const AttachHumanResult = Type.Object({ human_email: Type.String(), instructions: Type.String() })

export function attachHumanResult(human: string): Wire<typeof AttachHumanResult> {
  const instructions =
    `A 6-digit code was mailed to ${human}. Ask your human for it, and send it with POST /v0/agent/verify {"otp_code": "…"}. ` +
    'Until then, this organization sends mail to that address only.'
  return { human_email: human, instructions }
}

export const VerifyBody = Type.Object({ otp_code: Type.String({ description: 'The 6 digits.' }) })

export const VerifyResult = Type.Object({ verified: Type.Boolean() })
