/** What the spam check has found (docs/compatibility/agentmail.md, "Spam"). Added by Martlet. */
import { Type } from 'typebox'
import type { SpamVerdict } from '../../../../../mail/messages/spam-verdict.ts'
import type { Wire } from './shape-wire.ts'
import { named } from './shape-wire.ts'

export const Spam = named(
  'Spam',
  {
    checker: Type.Enum(['rspamd', 'built-in']),
    is_spam: Type.Boolean(),
    score: Type.Number(),
    threshold: Type.Number({ description: 'From this score on, the checker takes a message for spam.' }),
    reasons: Type.Array(
      Type.Object({
        name: Type.String(),
        score: Type.Number(),
        description: Type.Optional(Type.String({ description: 'For people.' })),
      }),
      { description: 'The largest share of the score first.' },
    ),
  },
  { isOurs: true, description: 'What the spam check has found. Absent if the message was not checked.' },
)

export function spam({ checker, isSpam, score, threshold, reasons }: SpamVerdict): Wire<typeof Spam> {
  return { checker, is_spam: isSpam, score, threshold, reasons: reasons.map((reason) => ({ ...reason })) }
}
