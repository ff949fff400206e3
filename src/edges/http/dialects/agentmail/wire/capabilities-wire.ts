/** What this version can do. Added by Martlet, so that a program can check whether it can move here. */
import { Type } from 'typebox'
import { named } from './shape-wire.ts'

const Operation = named('Capability', {
  operation_id: Type.String({ description: 'As in `/v0/openapi.json`, and in the SDKs.' }),
  method: Type.String(),
  path: Type.String({ description: 'With `{name}` for parameters.' }),
  state: Type.Enum(['implemented', 'not_implemented', 'refused'], {
    description:
      'not_implemented: the response is 403 with the code `not_implemented`; refused: the response is 404 (labs: 403), as AgentMail answers when it has no such object: Martlet never has one.',
  }),
  own: Type.Optional(Type.Literal(true, { description: "Martlet's own: AgentMail does not have it." })),
  subject: Type.Optional(Type.String({ description: 'What is not implemented, or refused.' })),
})

const EventTypeState = named('EventTypeCapability', {
  name: Type.String(),
  state: Type.Enum(['implemented', 'not_implemented'], {
    description: 'not_implemented: clients can subscribe to it, and nothing creates it.',
  }),
  standard: Type.Boolean({ description: 'Sent to subscribers that name no type.' }),
})

const Limit = named('LimitCapability', {
  name: Type.String({ description: 'As in docs/configuration.md.' }),
  value: Type.Number(),
  unit: Type.Enum(['bytes', 'milliseconds', 'count']),
  description: Type.String(),
})

export const Capabilities = named('Capabilities', {
  product: Type.Literal('martlet'),
  version: Type.String(),
  operations: Type.Array(Operation),
  event_types: Type.Array(EventTypeState),
  limits: Type.Array(Limit, { description: 'Those that a client can reach.' }),
})
