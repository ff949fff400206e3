/** What is known about who wrote a message (docs/compatibility/agentmail.md, "authentication"). Added by Martlet. */
import { Type } from 'typebox'
import type { Authentication as AuthenticationView } from '../../../../../mail/messages/authentication.ts'
import type { Wire } from './shape-wire.ts'
import { named } from './shape-wire.ts'

const reason = Type.Optional(Type.String({ description: 'For people.' }))
const isAligned = Type.Boolean({ description: 'Whether the domain is that of From, as its DMARC record demands.' })

const policy = Type.Enum(['none', 'quarantine', 'reject'])

export const Authentication = named(
  'Authentication',
  {
    result: Type.Enum(['own', 'local', 'trusted', 'pass', 'fail', 'unverified', 'unauthenticated', 'temperror'], {
      description:
        'own: sent by this inbox; local: by an inbox of this server; trusted: by a client in a trusted network; pass: the domain of From has confirmed it; fail: it has not, and its policy asks to quarantine or reject it; unverified: another domain has confirmed it; unauthenticated: none has; temperror: a DNS failure.',
    }),
    reason,
    from_domain: Type.Optional(Type.String({ description: 'The domain of From that was compared.' })),
    spf: Type.Optional(
      Type.Object({
        result: Type.Enum(['pass', 'fail', 'softfail', 'neutral', 'none', 'temperror', 'permerror']),
        domain: Type.Optional(Type.String()),
        identity: Type.Enum(['mailfrom', 'helo']),
        aligned: isAligned,
        reason,
      }),
    ),
    dkim: Type.Optional(
      Type.Array(
        Type.Object({
          result: Type.Enum(['pass', 'fail', 'policy', 'temperror', 'permerror']),
          domain: Type.Optional(Type.String()),
          selector: Type.Optional(Type.String()),
          algorithm: Type.Optional(Type.String()),
          aligned: isAligned,
          reason,
        }),
        { description: 'One per signature.' },
      ),
    ),
    dmarc: Type.Optional(
      Type.Object({
        result: Type.Enum(['pass', 'fail', 'none', 'temperror', 'permerror']),
        domain: Type.Optional(Type.String({ description: 'Whose record it is.' })),
        policy: Type.Optional(policy),
        applied: Type.Optional(policy),
        reason,
      }),
    ),
    arc: Type.Optional(
      Type.Object({
        result: Type.Enum(['pass', 'fail', 'none', 'temperror']),
        sealers: Type.Optional(Type.Array(Type.String())),
        trusted: Type.Optional(Type.Literal(true)),
        reason,
      }),
    ),
    iprev: Type.Optional(
      Type.Object({ result: Type.Enum(['pass', 'fail', 'temperror']), name: Type.Optional(Type.String()), reason }),
    ),
    own_domain_unverified: Type.Optional(
      Type.Literal(true, { description: "A stranger's From is in a domain of your organization." }),
    ),
  },
  { isOurs: true, description: 'What is known about who wrote the message.' },
)

export function authentication(view: AuthenticationView): Wire<typeof Authentication> {
  const { fromDomain, ownDomainUnverified, spf, dkim, dmarc, arc, iprev, result, reason } = view
  return {
    ...{ result, reason },
    from_domain: fromDomain,
    spf: spf && renamed(spf),
    dkim: dkim?.map(renamed),
    dmarc,
    arc: arc && {
      result: arc.result,
      sealers: arc.sealers as string[] | undefined,
      trusted: arc.isTrusted,
      reason: arc.reason,
    },
    iprev,
    own_domain_unverified: ownDomainUnverified,
  }
}

function renamed<Finding extends { readonly isAligned: boolean }>({ isAligned: aligned, ...finding }: Finding) {
  return { ...finding, aligned }
}
